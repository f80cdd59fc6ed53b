// HTTP/1 answers, read strictly (RFC 9112): where the head ends, how long the body is, whether the connection
// may be used again. Pure: bytes in, views out; errors in words; nothing that a peer sends makes it throw.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bridge55::net {

struct HttpField {
  std::string_view name, value;  // as sent, the value trimmed
};

enum class HttpBody { none, length, chunked, until_close };

struct ResponseHead {
  unsigned status = 0;
  int minor = 1;  // HTTP/1.minor
  std::string_view reason;
  std::vector<HttpField> fields;
  HttpBody body = HttpBody::none;
  std::uint64_t length = 0;  // of HttpBody::length
  bool keep_alive = false;

  std::string_view get(std::string_view name) const;  // the first of that name, case ignored; empty: none
  // Whether the comma-separated lists of that name hold the token, case ignored.
  bool lists(std::string_view name, std::string_view token) const;
};

// The head's views point into the parser and live until its next `reset`.
class ResponseParser {
 public:
  static constexpr std::size_t kMaxHead = 64u << 10;  // interim answers (1xx) included
  static constexpr std::size_t kMaxFields = 200;
  static constexpr std::size_t kMaxField = 16u << 10;

  enum class State { more, complete, failed };
  // `to_head`: the request was HEAD, whose answer has no body whatever its fields say.
  void reset(bool to_head);
  // Takes bytes off the front of `input`, never one behind the head. Interim answers are skipped.
  State feed(std::string_view& input);
  const ResponseHead& head() const { return head_; }
  std::string_view trouble() const { return trouble_; }
  bool started() const { return started_; }  // at least a byte has come

 private:
  State fail(std::string_view why);
  bool parse(std::string_view text);
  bool parse_status(std::string_view line);
  bool parse_field(std::string_view line);
  bool decide_framing();

  std::string text_;  // of the head at hand
  ResponseHead head_;
  std::size_t skipped_ = 0;  // bytes of interim answers
  std::string_view trouble_;
  bool to_head_ = false, started_ = false;
};

// Takes the framing off a body. Chunk extensions and trailers are dropped; what is too long of them is an
// error.
class BodyDecoder {
 public:
  static constexpr std::size_t kMaxChunkLine = 256;
  static constexpr std::size_t kMaxTrailers = 8u << 10;

  enum class State { piece, more, end, failed };
  void begin(HttpBody kind, std::uint64_t length);
  // Takes bytes off the front of `input`; `piece` is a view into them, never empty with State::piece.
  State next(std::string_view& input, std::string_view& piece);
  // The peer has closed: `end` where that is how the body ends, else `failed`: it was cut.
  State closed();
  std::string_view trouble() const { return trouble_; }

 private:
  enum class At {
    data,
    size,
    extension,
    size_lf,
    data_cr,
    data_lf,
    trailer,
    trailer_lf,
    until_close,
    end,
    failed
  };
  State fail(std::string_view why);
  bool framing(char c);  // false: failed
  void size_digit(char c);

  At at_ = At::end;
  bool chunked_ = false;
  std::uint64_t left_ = 0;
  std::size_t line_ = 0, trailers_ = 0;
  bool digits_ = false;
  std::string_view trouble_;
};

}  // namespace bridge55::net
