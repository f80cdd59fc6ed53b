#include "daemon/net/sse.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

namespace bridge55::net {
namespace {

constexpr std::string_view kMark = "\xEF\xBB\xBF";
// The field name and what frames a line are not counted as data.
constexpr std::size_t kLineSlack = 64;
constexpr std::size_t kKeepMemory = 1u << 20;

std::size_t find(std::string_view text, char byte, std::size_t from, std::size_t to) {
  const void* found = to > from ? std::memchr(text.data() + from, byte, to - from) : nullptr;
  return found == nullptr ? to : static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

void SseParser::feed(std::string_view piece) {
  piece_ = piece;
  at_ = 0;
  lf_known_ = false;
}

// One leading byte order mark is ignored; it may come in pieces.
void SseParser::skip_mark() {
  while (mark_ < kMark.size() && at_ < piece_.size()) {
    if (piece_[at_] != kMark[mark_]) {
      line_.assign(kMark.substr(0, mark_));  // it was the beginning of a line
      line_is_kept_ = mark_ > 0;
      mark_ = kMark.size();
      return;
    }
    ++mark_;
    ++at_;
  }
}

// Where the line at hand ends in the piece; its size where it does not.
std::size_t SseParser::line_end() {
  if (!lf_known_ || next_lf_ < at_) {
    next_lf_ = find(piece_, '\n', at_, piece_.size());
    lf_known_ = true;
  }
  return find(piece_, '\r', at_, next_lf_);
}

void SseParser::keep_line(std::string_view part) {
  line_is_kept_ = true;
  const std::size_t room = max_event_ + kLineSlack - std::min(line_.size(), max_event_ + kLineSlack);
  if (part.size() > room) {
    line_over_ += part.size() - room;
  }
  line_.append(part.substr(0, room));
}

// The next whole line without its end; a kept one is valid until the next call.
bool SseParser::take_line(std::string_view& line) {
  if (!line_is_kept_) {
    line_.clear();
    if (line_.capacity() > kKeepMemory) line_.shrink_to_fit();
  }
  if (mark_ < kMark.size()) skip_mark();
  if (after_cr_ && at_ < piece_.size()) {
    if (piece_[at_] == '\n') ++at_;
    after_cr_ = false;
  }
  if (at_ >= piece_.size()) return false;
  const std::size_t end = line_end();
  const std::string_view part = piece_.substr(at_, end - at_);
  if (end == piece_.size()) {
    keep_line(part);
    at_ = end;
    return false;
  }
  after_cr_ = piece_[end] == '\r';
  at_ = end + 1;
  line = part;
  if (line_is_kept_) {
    keep_line(part);
    line = line_;
    line_is_kept_ = false;
  }
  return true;
}

SseParser::Next SseParser::next(SseEvent& event) {
  if (told_) {
    told_ = has_data_ = too_large_ = false;
    data_.clear();
    if (data_.capacity() > kKeepMemory) data_.shrink_to_fit();
    type_.clear();
    size_ = 0;
  }
  std::string_view line;
  while (take_line(line)) {
    if (!line.empty()) {
      take_field(line);
    } else if (const auto told = dispatch(event)) {
      return *told;
    }
  }
  keep_data();
  piece_ = {};
  return Next::more;
}

std::optional<SseParser::Next> SseParser::dispatch(SseEvent& event) {
  if (!has_data_) {
    type_.clear();
    return {};
  }
  told_ = true;
  event.type = type_.empty() ? std::string_view("message") : std::string_view(type_);
  event.data = data_view_.data() != nullptr ? data_view_ : std::string_view(data_);
  event.id = id_;
  event.size = too_large_ ? size_ : event.data.size();
  data_view_ = {};
  return too_large_ ? Next::too_large : Next::event;
}

void SseParser::take_field(std::string_view line) {
  const std::size_t colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  std::string_view value = colon == line.npos ? std::string_view{} : line.substr(colon + 1);
  if (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  const std::uint64_t over = std::exchange(line_over_, 0);
  if (name == "data") {
    too_large_ = too_large_ || over != 0;
    size_ += over;
    return take_data(value);
  }
  if (over != 0 || name.empty()) return;  // a comment has no name
  if (name == "event") {
    type_ = value;
  } else if (name == "id") {
    if (value.find('\0') == value.npos) id_ = value;
  } else if (name == "retry" && all_digits(value)) {
    std::uint32_t wait = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), wait);
    if (error == std::errc{}) retry_ = std::chrono::milliseconds(wait);
  }
}

void SseParser::take_data(std::string_view value) {
  const bool first = !std::exchange(has_data_, true);
  size_ += value.size() + (first ? 0 : 1);
  const bool in_piece = value.data() >= piece_.data() && value.data() < piece_.data() + piece_.size();
  if (first && in_piece && value.size() <= max_event_) {
    data_view_ = value;
    return;
  }
  keep_data();
  const std::size_t held = data_.size() + value.size() + (first ? 0 : 1);
  too_large_ = too_large_ || held > max_event_;
  if (!first && data_.size() < max_event_) data_ += '\n';
  data_.append(value.substr(0, max_event_ - std::min(data_.size(), max_event_)));
}

// What lies in the piece outlives it no longer.
void SseParser::keep_data() {
  if (data_view_.data() == nullptr) return;
  data_.assign(data_view_);
  data_view_ = {};
}

}  // namespace bridge55::net
