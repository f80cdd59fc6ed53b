#include "daemon/local/http_body.hpp"

#include <algorithm>
#include <charconv>

namespace bridge55::local {

BodyDecoder::BodyDecoder(const Head& head, std::uint64_t limit) : limit_(limit) {
  if (head.chunked) {
    state_ = State::size;
  } else if (head.content_length.value_or(0) > 0) {
    state_ = State::length;
    left_ = *head.content_length;
    if (left_ > limit) refuse(413, "the body is larger than http.max_body");
  }
}

BodyDecoder::Step BodyDecoder::refuse(unsigned status, std::string message) {
  refusal_ = bad_request(std::move(message));
  refusal_.status = status;
  if (status == 413) refusal_.code = "TOO_LARGE";
  state_ = State::refused;
  return {};
}

BodyDecoder::Step BodyDecoder::take(std::string_view input) {
  if (input.empty()) return {};
  switch (state_) {
    case State::length:
    case State::data:
      return take_data(input);
    case State::size:
      return take_size_line(input);
    case State::data_end:
      return take_crlf(input, State::size);
    case State::last_end:
      return take_crlf(input, State::done);
    case State::done:
    case State::refused:
      return {};
  }
  return {};
}

BodyDecoder::Step BodyDecoder::take_size_line(std::string_view input) {
  std::uint64_t size = 0;
  const char* begin = input.data();
  const std::size_t window = std::min<std::size_t>(input.size(), 18);
  const auto [end, error] = std::from_chars(begin, begin + window, size, 16);
  const std::size_t digits = static_cast<std::size_t>(end - begin);
  if (digits == 0 || digits > 15 || error != std::errc{}) {
    return refuse(400, "a chunk's size is not a plain hexadecimal number");
  }
  const std::string_view rest = input.substr(digits);
  if (!rest.empty() && rest[0] != '\r')
    return refuse(400, "a chunk's size is followed by something; extensions are not served");
  if (rest.size() >= 2 && rest[1] != '\n') return refuse(400, "a chunk's size line does not end with CR LF");
  if (rest.size() < 2) return {};  // not whole yet
  if (size > limit_ - std::min(total_, limit_)) return refuse(413, "the body is larger than http.max_body");
  left_ = size;
  state_ = size == 0 ? State::last_end : State::data;
  return {digits + 2, {}};
}

BodyDecoder::Step BodyDecoder::take_crlf(std::string_view input, State next) {
  if (input[0] != '\r' || (input.size() > 1 && input[1] != '\n')) {
    return refuse(400, next == State::done ? "trailers are not served" : "a chunk does not end with CR LF");
  }
  if (input.size() < 2) return {};
  state_ = next;
  return {2, {}};
}

BodyDecoder::Step BodyDecoder::take_data(std::string_view input) {
  const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size()));
  left_ -= size;
  total_ += size;
  if (left_ == 0) state_ = state_ == State::length ? State::done : State::data_end;
  return {size, input.substr(0, size)};
}

}  // namespace bridge55::local
