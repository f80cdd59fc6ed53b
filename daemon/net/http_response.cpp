#include "daemon/net/http_response.hpp"

#include "daemon/net/http_text.hpp"

#include <algorithm>
#include <charconv>

namespace bridge55::net {
namespace {

// Digits alone: from_chars would take no sign either, but stops quietly at what it does not know.
bool parse_length(std::string_view text, std::uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return !text.empty() && error == std::errc{} && end == text.data() + text.size();
}

// Calls `each` with every element of a comma-separated list, trimmed; stops where it says false.
template <class Each>
bool every(std::string_view list, Each each) {
  for (;;) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (!each(trimmed(list.substr(0, comma)))) return false;
    if (comma == list.size()) return true;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace

std::string_view ResponseHead::get(std::string_view name) const {
  for (const HttpField& field : fields)
    if (same_name(field.name, name)) return field.value;
  return {};
}

bool ResponseHead::lists(std::string_view name, std::string_view token) const {
  return std::ranges::any_of(fields, [&](const HttpField& field) {
    return same_name(field.name, name) &&
           !every(field.value, [&](std::string_view one) { return !same_name(one, token); });
  });
}

void ResponseParser::reset(bool to_head) {
  text_.clear();
  if (text_.capacity() > kMaxField) text_.shrink_to_fit();
  head_.fields.clear();
  skipped_ = 0;
  trouble_ = {};
  to_head_ = to_head;
  started_ = false;
}

ResponseParser::State ResponseParser::fail(std::string_view why) {
  trouble_ = why;
  return State::failed;
}

ResponseParser::State ResponseParser::feed(std::string_view& input) {
  constexpr std::string_view kEnd = "\r\n\r\n", kProtocol = "HTTP/1.";
  if (!trouble_.empty()) return State::failed;
  while (!input.empty()) {
    started_ = true;
    const std::size_t before = text_.size();
    // Where the whole head is at hand, nothing of the body is copied; else the end may lie across the pieces.
    const std::size_t whole = before == 0 ? input.find(kEnd) : std::string_view::npos;
    const std::size_t room = kMaxHead - skipped_ - before;
    text_.append(
        input.substr(0, std::min(room, whole == std::string_view::npos ? room : whole + kEnd.size())));
    const std::size_t checked = std::min(text_.size(), kProtocol.size());
    if (text_.compare(0, checked, kProtocol, 0, checked) != 0) return fail("the answer is not HTTP/1");
    const std::size_t end = text_.find(
        kEnd, whole != std::string_view::npos ? whole : before - std::min(before, kEnd.size() - 1));
    if (end == std::string::npos) {
      input.remove_prefix(text_.size() - before);
      if (skipped_ + text_.size() == kMaxHead) return fail("the head is longer than 64 KiB");
      return State::more;
    }
    text_.resize(end + kEnd.size());
    input.remove_prefix(text_.size() - before);
    if (!parse(text_)) return State::failed;
    if (head_.status >= 200) return State::complete;
    if (head_.status == 101) return fail("upstream switched protocols unasked");
    skipped_ += text_.size();
    text_.clear();
    if (skipped_ >= kMaxHead) return fail("the head is longer than 64 KiB");
  }
  return State::more;
}

bool ResponseParser::parse(std::string_view text) {
  head_.fields.clear();
  std::size_t end = text.find("\r\n");
  if (!parse_status(text.substr(0, end))) return false;
  for (text.remove_prefix(end + 2); text.size() > 2; text.remove_prefix(end + 2)) {
    end = text.find("\r\n");
    if (head_.fields.size() == kMaxFields) return fail("more than 200 fields"), false;
    if (end > kMaxField) return fail("a field is longer than 16 KiB"), false;
    if (!parse_field(text.substr(0, end))) return false;
  }
  return decide_framing();
}

// RFC 9112, section 4: `HTTP/1.1 200 OK`; the reason may be empty, and is then often without its space.
bool ResponseParser::parse_status(std::string_view line) {
  const bool form = line.size() >= 12 && line.size() <= kMaxField && (line[7] == '0' || line[7] == '1') &&
                    line[8] == ' ' && (line.size() == 12 || line[12] == ' ');
  if (!form) return fail("the status line is malformed"), false;
  const auto digits = line.substr(9, 3);
  const bool three = std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
  head_.minor = line[7] - '0';
  head_.status =
      three ? static_cast<unsigned>((digits[0] - '0') * 100 + (digits[1] - '0') * 10 + digits[2] - '0') : 0;
  if (head_.status < 100 || head_.status > 599) return fail("the status is not 100 to 599"), false;
  head_.reason = line.size() > 13 ? line.substr(13) : std::string_view{};
  if (!is_field_value(head_.reason)) return fail("a control character in the status line"), false;
  return true;
}

// RFC 9112, section 5: no space before the colon, no folded lines.
bool ResponseParser::parse_field(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon)))
    return fail("a field's name is malformed"), false;
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (!is_field_value(value)) return fail("a control character in a field"), false;
  head_.fields.push_back({line.substr(0, colon), value});
  return true;
}

// RFC 9112, sections 6.3 and 9.3.
bool ResponseParser::decide_framing() {
  bool chunked = false, has_length = false, lengths_agree = true, close = false, keep = false;
  std::uint64_t length = 0;
  const auto one_length = [&](std::string_view text) {
    std::uint64_t value = 0;
    if (!parse_length(text, value) || (has_length && value != length)) return lengths_agree = false;
    length = value;
    return has_length = true;
  };
  for (const auto& [name, value] : head_.fields) {
    if (same_name(name, "content-length")) {
      every(value, one_length);
    } else if (same_name(name, "transfer-encoding")) {
      if (chunked || !same_name(value, "chunked"))
        return fail("a Transfer-Encoding other than chunked"), false;
      chunked = true;
    } else if (same_name(name, "connection")) {
      every(value, [&](std::string_view token) {
        close = close || same_name(token, "close");
        keep = keep || same_name(token, "keep-alive");
        return true;
      });
    }
  }
  if (!lengths_agree) return fail("Content-Length is malformed or contradicts itself"), false;
  if (chunked && has_length) return fail("both Content-Length and Transfer-Encoding"), false;
  if (chunked && head_.minor == 0) return fail("Transfer-Encoding in HTTP/1.0"), false;
  const bool bodiless = to_head_ || head_.status < 200 || head_.status == 204 || head_.status == 304;
  head_.body = bodiless     ? HttpBody::none
               : chunked    ? HttpBody::chunked
               : has_length ? HttpBody::length
                            : HttpBody::until_close;
  head_.length = head_.body == HttpBody::length ? length : 0;
  head_.keep_alive = !close && (head_.minor == 1 || keep) && head_.body != HttpBody::until_close;
  return true;
}

}  // namespace bridge55::net
