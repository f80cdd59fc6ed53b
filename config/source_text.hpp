// The characters of a config file: what YAML may not hold, where a byte stands, and `${…}` made safe for the
// YAML scanner.
#pragma once

#include "config/yaml_tree.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bridge55::config {

// Length of the well-formed UTF-8 character at `at` (RFC 3629: no overlong form, no surrogate), 0 where there
// is none.
std::size_t utf8_length(std::string_view text, std::size_t at);
bool valid_utf8(std::string_view text);

class SourceText {
 public:
  explicit SourceText(std::string_view text);

  // What makes the text no YAML at all before any parsing: bad UTF-8, control characters.
  std::optional<TreeError> defect() const;

  // The same text, byte for byte as long, with the flow indicators of each `${…}` replaced by bytes that
  // UTF-8 never uses.
  std::string masked() const;
  static std::string unmasked(std::string text);

  // From zero-based line and byte column, as yaml-cpp counts them.
  Position position(int line, int byte_column) const;
  // The text from there on; empty beyond the end.
  std::string_view from(int line, int byte_column) const;

 private:
  std::string_view text_;
  std::vector<std::size_t> line_starts_;
  // Where the last question ended, since the next one is mostly right of it: a file may be one line of a
  // megabyte.
  struct Last {
    std::size_t row = 0, bytes = 0, characters = 0;
  };
  mutable Last last_;
};

}  // namespace bridge55::config
