// Reading received JSON without changing a byte of it: validation, cutting, comparing. Numbers never pass
// through a double. Pure and thread-safe; used on the hot path (under 1 µs an event for a 700-byte frame,
// validation included).
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace bridge55::json {

// Bytes that must be readable (any value) behind a text given to `validate`: simdjson reads whole vectors.
inline constexpr std::size_t kPadding = 64;
inline constexpr std::size_t kMaxDepth = 512;

// Empty where `padded` is exactly one valid JSON value in valid UTF-8, at most kMaxDepth deep; else the
// reason in words. Numbers of any size and precision are valid (RFC 8259, 6).
std::string_view validate(std::string_view padded);
std::string_view validate_copy(
    std::string_view text);  // the same without the padding rule, at the price of a copy

// Everything below expects text that `validate` has passed and never reads outside it.

// Calls `visit(raw key without its quotes, raw value)` for each member of an object, in order; false where it
// is no object. `visit` returns false to stop.
template <class Visit>
bool members(std::string_view object, Visit&& visit);
template <class Visit>
bool elements(std::string_view array, Visit&& visit);

// The raw token at a dotted path (`payload.odds.pinnacle`, array positions as numbers); the last of duplicate
// keys counts, as in the parsers that apps use. Empty: not there. A path of "" is the value itself.
std::string_view find(std::string_view value, std::string_view path);

bool is_string(std::string_view token);
bool is_number(std::string_view token);
// A string token's text with escapes resolved; any other token as it stands.
std::string text(std::string_view token);
// Whether a raw member name (without quotes) spells `name`, escapes resolved.
bool same_name(std::string_view raw_key, std::string_view name);

// By value, from the digits: 5 equals 5.0 and 50e-1. Below 0, 0, above 0. Both must be JSON numbers.
int compare_numbers(std::string_view a, std::string_view b);
// A JSON number in plain text, such as a config writes it.
bool looks_like_number(std::string_view text);

void append_quoted(std::string& out,
                   std::string_view text);  // a JSON string, quotes included; invalid UTF-8 becomes U+FFFD
std::string quoted(std::string_view text);
std::string base64(std::string_view bytes);

// For the templates above: past white space, and one past the end of the value that starts at `at` or behind
// white space there.
namespace detail {
std::size_t skip_space_slow(std::string_view text, std::size_t at);
inline std::size_t skip_space(std::string_view text, std::size_t at) {
  // Machines write JSON without spaces: mostly there is nothing to skip.
  return at < text.size() && static_cast<unsigned char>(text[at]) > ' ' ? at : skip_space_slow(text, at);
}
std::size_t skip_value(std::string_view text, std::size_t at);
}  // namespace detail

template <class Visit>
bool members(std::string_view object, Visit&& visit) {
  std::size_t at = detail::skip_space(object, 0);
  if (at >= object.size() || object[at] != '{') return false;
  at = detail::skip_space(object, at + 1);
  while (at < object.size() && object[at] != '}') {
    const std::size_t key_end = detail::skip_value(object, at);
    const std::string_view key = object.substr(at + 1, key_end - at - 2);
    at = detail::skip_space(object, detail::skip_space(object, key_end) + 1);  // over the colon
    const std::size_t end = detail::skip_value(object, at);
    if (!visit(key, object.substr(at, end - at))) return true;
    at = detail::skip_space(object, end);
    if (at < object.size() && object[at] == ',') at = detail::skip_space(object, at + 1);
  }
  return true;
}

template <class Visit>
bool elements(std::string_view array, Visit&& visit) {
  std::size_t at = detail::skip_space(array, 0);
  if (at >= array.size() || array[at] != '[') return false;
  at = detail::skip_space(array, at + 1);
  while (at < array.size() && array[at] != ']') {
    const std::size_t end = detail::skip_value(array, at);
    if (!visit(array.substr(at, end - at))) return true;
    at = detail::skip_space(array, end);
    if (at < array.size() && array[at] == ',') at = detail::skip_space(array, at + 1);
  }
  return true;
}

}  // namespace bridge55::json
