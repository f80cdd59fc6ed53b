// Server-Sent Events as the standard reads them (WHATWG HTML, 9.2.5 "Parsing an event stream" and 9.2.6
// "Interpreting an event stream"). Pure: bytes in, events out; an event that lies in one piece of input is
// not copied. Bytes are not decoded: whoever reads the data checks that it is UTF-8.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bridge55::net {

struct SseEvent {
  std::string_view type;   // as named by `event`; "message" where it was not
  std::string_view data;   // lines joined by LF; of one that is too large its first bytes
  std::string_view id;     // the last that the stream gave; empty: none
  std::uint64_t size = 0;  // of the data
};

class SseParser {
 public:
  // Nothing larger than this is held.
  explicit SseParser(std::size_t max_event) : max_event_(max_event) {}

  // Precondition: `next` has said `more`. The piece must stay until it says so again.
  void feed(std::string_view piece);

  enum class Next { event, more, too_large };
  // What is told is valid until the next call. An event that the stream's end cuts is never told.
  Next next(SseEvent& event);

  // What the stream asked for as the delay before another try.
  std::optional<std::chrono::milliseconds> retry() const { return retry_; }

 private:
  bool take_line(std::string_view& line);
  void keep_line(std::string_view part);
  std::size_t line_end();
  void skip_mark();
  void take_field(std::string_view line);
  void take_data(std::string_view value);
  void keep_data();
  std::optional<Next> dispatch(SseEvent& event);

  const std::size_t max_event_;
  std::string_view piece_;
  std::size_t at_ = 0;
  std::size_t next_lf_ = 0;  // of the piece, from `at_` on; its size where there is none
  bool lf_known_ = false;

  unsigned mark_ = 0;  // bytes of a byte order mark seen; 3: past the place where one may be
  bool after_cr_ = false;
  std::string line_;  // one that began in an earlier piece
  bool line_is_kept_ = false;
  std::uint64_t line_over_ = 0;  // bytes of it that are not held

  std::string type_, id_, data_;
  std::string_view data_view_;  // into the piece, while the data is one line of it
  bool has_data_ = false, told_ = false, too_large_ = false;
  std::uint64_t size_ = 0;
  std::optional<std::chrono::milliseconds> retry_;
};

}  // namespace bridge55::net
