// The head of an HTTP/1 request, read strictly (RFC 9112): one pass over the raw bytes, so that nothing but
// these rules decides what a request is and where it ends. Refuses what parsers are known to disagree on:
// obs-fold, repeated Host or Content-Length, Transfer-Encoding other than one `chunked`, absolute targets,
// bare line feeds. Pure.
#pragma once

#include "daemon/local/refusal.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace bridge55::local {

struct Header {
  std::string name, value;  // as sent, the value trimmed
};

struct Head {
  std::string method, target;
  int minor = 1;  // HTTP/1.minor
  std::vector<Header> headers;
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
  bool keep_alive = true;
  bool expects_continue = false;

  const std::string* find(std::string_view name) const;  // the first of that name
  std::string_view get(std::string_view name) const;     // its value; empty where absent
  // Whether a comma-separated header (all lines of that name) holds the token, case ignored.
  bool lists(std::string_view name, std::string_view token) const;
  bool has_body() const { return chunked || content_length.value_or(0) > 0; }
};

// Looks for the end of a head in bytes that keep growing, and refuses at the first byte that cannot be part
// of one: a TLS hello, an HTTP/2 preface or noise is answered at once, not at the timeout.
class HeadScanner {
 public:
  explicit HeadScanner(std::size_t max_header) : max_header_(max_header) {}
  enum class State { more, complete, refused };
  State scan(std::string_view all_bytes_so_far);
  std::size_t size() const { return size_; }  // complete: length of the head, its empty line included
  const Refusal& refusal() const { return refusal_; }

 private:
  State refuse(std::string message, std::string code = "BAD_REQUEST");
  std::size_t max_header_, at_ = 0, line_start_ = 0, size_ = 0;
  Refusal refusal_;
};

// `head` is what the scanner found complete.
std::variant<Head, Refusal> parse_head(std::string_view head);

}  // namespace bridge55::local
