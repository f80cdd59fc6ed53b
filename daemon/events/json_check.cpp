#include "daemon/events/json_check.hpp"

#include "daemon/events/json.hpp"
#include "daemon/events/json_bytes.hpp"

#include <bitset>

namespace bridge55::json::detail {
namespace {

using Reason = std::string_view;
constexpr Reason kUnfinished = "the text ends inside a value";

std::size_t digits_end(std::string_view text, std::size_t at) {
  while (at < text.size() && is_digit(text[at]))
    ++at;
  return at;
}

class Checker {
 public:
  explicit Checker(std::string_view text) : text_(text) {}

  Reason run() {
    skip();
    if (done()) return "there is no value, only white space";
    Reason reason = value();
    while (reason.empty() && depth_ > 0) {
      skip();
      reason = done() ? kUnfinished : is_object_[depth_ - 1] ? after_member() : after_element();
    }
    if (!reason.empty()) return reason;
    skip();
    return done() ? Reason{} : "there is more text after the value";
  }

 private:
  bool done() const { return at_ >= text_.size(); }
  char here() const { return text_[at_]; }
  void skip() { at_ = skip_space(text_, at_); }

  // A scalar, an empty container or the beginning of one up to and with its first scalar's place: never
  // recurses, `run` goes on.
  Reason value() {
    for (;;) {
      skip();
      if (done()) return kUnfinished;
      const char first = here();
      if (first == '"') return string();
      if (first != '{' && first != '[') return scalar();
      if (depth_ == kMaxDepth) return "it is nested deeper than 512 levels";
      is_object_[depth_++] = first == '{';
      ++at_;
      skip();
      if (done()) return kUnfinished;
      if (here() == (first == '{' ? '}' : ']')) return close();
      if (first == '{') {
        if (const Reason reason = key(); !reason.empty()) return reason;
      }
    }
  }

  Reason close() {
    ++at_;
    --depth_;
    return {};
  }

  Reason after_member() {
    if (here() == '}') return close();
    if (here() != ',') return "a comma or } is missing after an object's member";
    ++at_;
    skip();
    if (done()) return kUnfinished;
    const Reason reason = key();
    return reason.empty() ? value() : reason;
  }

  Reason after_element() {
    if (here() == ']') return close();
    if (here() != ',') return "a comma or ] is missing after an array's element";
    ++at_;
    return value();
  }

  Reason key() {
    if (here() != '"') return "an object's member must begin with a string";
    if (const Reason reason = string(); !reason.empty()) return reason;
    skip();
    if (done()) return kUnfinished;
    if (here() != ':') return "the colon after an object's key is missing";
    ++at_;
    return {};
  }

  Reason string() {
    ++at_;
    for (;;) {
      at_ = next_special(text_, at_);
      if (done()) return "a string is not closed";
      const char special = here();
      if (special == '"') break;
      if (special != '\\') return "a string holds a control character that is not escaped";
      if (const Reason reason = escape(); !reason.empty()) return reason;
    }
    ++at_;
    return {};
  }

  Reason escape() {
    ++at_;
    if (done()) return "a string is not closed";
    const char kind = here();
    ++at_;
    if (kind == 'u') {
      if (hex4(text_, at_) < 0) return "a \\u escape lacks its four hexadecimal digits";
      at_ += 4;
      return {};
    }
    return Reason{"\"\\/bfnrt"}.find(kind) != Reason::npos ? Reason{} : "a string holds an unknown escape";
  }

  Reason scalar() {
    if (here() == '-' || is_digit(here())) {
      const std::size_t end = number_end(text_, at_);
      if (end == at_ || (end < text_.size() && !ends_scalar(text_[end]))) return "a number is malformed";
      at_ = end;
      return {};
    }
    for (const Reason literal : {Reason{"true"}, Reason{"false"}, Reason{"null"}}) {
      if (!text_.substr(at_).starts_with(literal)) continue;
      at_ += literal.size();
      return {};
    }
    return "a value was expected: an object, array, string, number, true, false or null";
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  std::bitset<kMaxDepth> is_object_;
};

}  // namespace

std::string_view check(std::string_view text) {
  return Checker(text).run();
}

std::size_t number_end(std::string_view text, std::size_t at) {
  const std::size_t none = at;
  if (at < text.size() && text[at] == '-') ++at;
  const std::size_t whole = digits_end(text, at);
  if (whole == at || (text[at] == '0' && whole > at + 1)) return none;
  at = whole;
  if (at < text.size() && text[at] == '.') {
    const std::size_t fraction = digits_end(text, at + 1);
    if (fraction == at + 1) return none;
    at = fraction;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    std::size_t from = at + 1;
    if (from < text.size() && (text[from] == '+' || text[from] == '-')) ++from;
    const std::size_t exponent = digits_end(text, from);
    if (exponent == from) return none;
    at = exponent;
  }
  return at;
}

}  // namespace bridge55::json::detail
