// Where a request's body ends (RFC 9112, 6 and 7), decoded as it arrives: a length, or chunks without
// extensions and without trailers, which this server refuses because parsers disagree on them. Pure.
#pragma once

#include "daemon/local/http_head.hpp"

#include <cstdint>
#include <string_view>

namespace bridge55::local {

class BodyDecoder {
 public:
  // `limit`: bytes of decoded body; more is 413.
  BodyDecoder(const Head& head, std::uint64_t limit);

  struct Step {
    std::size_t consumed = 0;  // bytes of the input that belong to this body and need not be offered again
    std::string_view data;     // decoded bytes, inside the input
  };
  // Takes one piece; call again with the rest while it consumes something and `done` is false.
  Step take(std::string_view input);
  bool done() const { return state_ == State::done; }
  bool refused() const { return state_ == State::refused; }
  const Refusal& refusal() const { return refusal_; }

 private:
  enum class State { length, size, data, data_end, last_end, done, refused };
  Step refuse(unsigned status, std::string message);
  Step take_size_line(std::string_view input);
  Step take_crlf(std::string_view input, State next);
  Step take_data(std::string_view input);

  State state_ = State::done;
  std::uint64_t left_ = 0, total_ = 0, limit_ = 0;
  Refusal refusal_;
};

}  // namespace bridge55::local
