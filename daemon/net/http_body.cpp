#include "daemon/net/http_response.hpp"

#include <algorithm>

namespace bridge55::net {

void BodyDecoder::begin(HttpBody kind, std::uint64_t length) {
  *this = {};
  chunked_ = kind == HttpBody::chunked;
  left_ = kind == HttpBody::length ? length : 0;
  at_ = chunked_                                 ? At::size
        : kind == HttpBody::until_close          ? At::until_close
        : kind == HttpBody::length && length > 0 ? At::data
                                                 : At::end;
}

BodyDecoder::State BodyDecoder::fail(std::string_view why) {
  trouble_ = why;
  at_ = At::failed;
  return State::failed;
}

BodyDecoder::State BodyDecoder::next(std::string_view& input, std::string_view& piece) {
  for (;;) {
    if (at_ == At::end) return State::end;
    if (at_ == At::failed) return State::failed;
    if (input.empty()) return State::more;
    if (at_ == At::data || at_ == At::until_close) {
      const std::size_t size = at_ == At::data
                                   ? static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size()))
                                   : input.size();
      piece = input.substr(0, size);
      input.remove_prefix(size);
      if (at_ == At::data && (left_ -= size) == 0) at_ = chunked_ ? At::data_cr : At::end;
      return State::piece;
    }
    const char c = input.front();
    input.remove_prefix(1);
    if (!framing(c)) return State::failed;
  }
}

// One byte of what is around the data of chunks (RFC 9112, section 7.1).
bool BodyDecoder::framing(char c) {
  const auto need = [&](char wanted, At then) {
    if (c != wanted) return fail("a chunk is malformed"), false;
    at_ = then;
    return true;
  };
  switch (at_) {
    case At::size:
      size_digit(c);
      break;
    case At::extension:
      if (c == '\r') {
        at_ = At::size_lf;
      } else if (c == '\n' || ++line_ > kMaxChunkLine) {
        fail(c == '\n' ? "a chunk is malformed" : "a chunk extension is too long");
      }
      break;
    case At::size_lf:
      if (!need('\n', left_ > 0 ? At::data : At::trailer)) break;
      line_ = 0;
      digits_ = false;
      break;
    case At::data_cr:
      need('\r', At::data_lf);
      break;
    case At::data_lf:
      need('\n', At::size);
      break;
    case At::trailer:
      if (++trailers_ > kMaxTrailers) {
        fail("trailers are longer than 8 KiB");
      } else if (c == '\r') {
        at_ = At::trailer_lf;
      } else if (c == '\n' || c == '\0') {
        fail("a trailer is malformed");
      } else {
        ++line_;
      }
      break;
    case At::trailer_lf:
      ++trailers_;
      need('\n', line_ == 0 ? At::end : At::trailer);
      line_ = 0;
      break;
    case At::data:
    case At::until_close:
    case At::end:
    case At::failed:
      break;
  }
  return at_ != At::failed;
}

void BodyDecoder::size_digit(char c) {
  const unsigned digit = c >= '0' && c <= '9'   ? static_cast<unsigned>(c - '0')
                         : c >= 'a' && c <= 'f' ? static_cast<unsigned>(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? static_cast<unsigned>(c - 'A' + 10)
                                                : 16u;
  ++line_;
  if (digit < 16) {
    if ((left_ >> 56) != 0 || line_ > kMaxChunkLine) return void(fail("a chunk's size is too large"));
    left_ = left_ * 16 + digit;
    digits_ = true;
  } else if (!digits_) {
    fail("a chunk's size is malformed");
  } else if (c == '\r') {
    at_ = At::size_lf;
  } else if (c == ';' || c == ' ' || c == '\t') {  // some servers pad the size
    at_ = At::extension;
  } else {
    fail("a chunk's size is malformed");
  }
}

BodyDecoder::State BodyDecoder::closed() {
  if (at_ == At::until_close) at_ = At::end;
  if (at_ == At::end) return State::end;
  if (at_ == At::failed) return State::failed;
  return fail("the body was cut");
}

}  // namespace bridge55::net
