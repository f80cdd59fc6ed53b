#include "daemon/events/json.hpp"

#include "daemon/events/json_check.hpp"

#include <charconv>
#include <cstring>
#include <memory>

#include <simdjson.h>

namespace bridge55::json {
namespace {

// simdjson's tape and index take about 14 bytes a byte of text and stay with the thread: larger texts go
// through the check of our own, which is slower a byte and holds nothing.
constexpr std::size_t kLargestForSimdjson = 256 << 10;

// The parser counts containers that are not empty and refuses at its limit, one level early for those: the
// check of our own decides there.
std::unique_ptr<simdjson::dom::parser> make_parser() {
  auto parser = std::make_unique<simdjson::dom::parser>();
  if (parser->allocate(16 << 10, kMaxDepth) != simdjson::SUCCESS) return nullptr;
  return parser;
}

bool simdjson_accepts(std::string_view padded) {
  thread_local const std::unique_ptr<simdjson::dom::parser> parser = make_parser();
  if (parser == nullptr || padded.empty() || padded.size() > kLargestForSimdjson) return false;
  return parser->parse(padded.data(), padded.size(), false).error() == simdjson::SUCCESS;
}

std::string_view check_all(std::string_view text) {
  if (text.empty()) return "it is empty";
  if (!simdjson::validate_utf8(text.data(), text.size())) return "it is not valid UTF-8";
  return detail::check(text);
}

std::string_view member(std::string_view object, std::string_view name) {
  std::string_view found;
  members(object, [&](std::string_view key, std::string_view value) {
    if (same_name(key, name)) found = value;
    return true;
  });
  return found;
}

std::string_view element(std::string_view array, std::string_view position) {
  std::size_t wanted = 0;
  const char* const end = position.data() + position.size();
  const auto [stopped, error] = std::from_chars(position.data(), end, wanted);
  const bool canonical = position == "0" || !position.starts_with('0');
  if (error != std::errc{} || stopped != end || !canonical) return {};
  std::string_view found;
  elements(array, [&](std::string_view value) {
    if (wanted-- > 0) return true;
    found = value;
    return false;
  });
  return found;
}

std::string_view trimmed(std::string_view value) {
  const std::size_t from = detail::skip_space(value, 0);
  return value.substr(from, detail::skip_value(value, from) - from);
}

}  // namespace

std::string_view validate(std::string_view padded) {
  return simdjson_accepts(padded) ? std::string_view{} : check_all(padded);
}

std::string_view validate_copy(std::string_view text) {
  if (text.empty() || text.size() > kLargestForSimdjson) return check_all(text);
  const auto copy = std::make_unique<char[]>(text.size() + kPadding);
  std::memcpy(copy.get(), text.data(), text.size());
  return validate({copy.get(), text.size()});
}

std::string_view find(std::string_view value, std::string_view path) {
  value = trimmed(value);
  bool more = !path.empty();
  while (more && !value.empty()) {
    const std::size_t dot = path.find('.');
    const std::string_view name = path.substr(0, dot);
    value = value.front() == '{'   ? member(value, name)
            : value.front() == '[' ? element(value, name)
                                   : std::string_view{};
    more = dot != std::string_view::npos;
    if (more) path.remove_prefix(dot + 1);
  }
  return value;
}

}  // namespace bridge55::json
