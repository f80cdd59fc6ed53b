// What reading and writing frames share (RFC 6455, 5.2 and 8.1). Pure.
#pragma once

#include <cstddef>
#include <string_view>

namespace bridge55::ws {

enum Opcode : unsigned { kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };

// Where a text was cut in the middle of a character, the whole characters before the cut.
inline std::string_view whole_characters(std::string_view text) {
  std::size_t back = 0;
  while (back < 3 && back < text.size() && (text[text.size() - 1 - back] & 0xC0) == 0x80)
    ++back;
  if (back >= text.size()) return text;
  const auto lead = static_cast<unsigned char>(text[text.size() - 1 - back]);
  const std::size_t needs = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
  return needs > back ? text.substr(0, text.size() - 1 - back) : text;
}

}  // namespace bridge55::ws
