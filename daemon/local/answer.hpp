// Answers as bytes: status line, headers that every answer has, errors in the vendor's shape with
// `Proxy-Status` (contract, section 6). Pure.
#pragma once

#include "daemon/local/refusal.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bridge55::local {

struct Answer {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};
Answer answer_of(const Refusal& refusal);

// What the connection adds to an answer.
struct Wrapping {
  std::string request_id;
  std::string cors_origin;  // empty: no CORS header
  bool keep_alive = true;
  bool head_only = false;  // HEAD: the length, no body
};
std::string render(const Answer& answer, const Wrapping& wrapping);
// The head of an answer whose body follows until the connection closes, or of a 101.
std::string render_stream_head(const Answer& answer, const Wrapping& wrapping);

std::string_view reason_of(unsigned status);  // RFC 9110, 15

// The header lines that every answer has: request id and CORS.
void append_wrapping(std::string& out, const Wrapping& wrapping);

// The app's own X-Request-Id where it is harmless, else a fresh one.
std::string request_id(std::string_view from_app);

// An answer to a preflight of an allowed origin (the Fetch standard's CORS protocol).
Answer preflight_answer();

}  // namespace bridge55::local
