#include "daemon/gateway/limit_headers.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ctime>
#include <string>

namespace bridge55::gateway {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

// Longer than that nothing is obeyed without asking again: a date in a wrong century would stop an upstream,
// its cancels too, for good.
constexpr milliseconds kLongest = 10min;

bool same_name(std::string_view a, std::string_view lower) {
  return std::equal(a.begin(), a.end(), lower.begin(), lower.end(),
                    [](char x, char y) { return (x >= 'A' && x <= 'Z' ? x + ('a' - 'A') : x) == y; });
}

std::string_view trimmed(std::string_view text) {
  const auto space = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && space(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && space(text.back()))
    text.remove_suffix(1);
  return text;
}

// The first member of a list, and its parameters cut off: `100` of `100, 100;w=60`.
std::string_view first_item(std::string_view value) {
  value = value.substr(0, value.find(','));
  return trimmed(value.substr(0, value.find(';')));
}

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value) || value < 0)
    return std::nullopt;
  return value;
}

std::optional<unsigned> count(std::string_view value) {
  const auto found = number(first_item(value));
  if (!found) return std::nullopt;
  return static_cast<unsigned>(std::min(*found, 4e9));
}

milliseconds clamped(double millis) {
  return milliseconds(
      static_cast<milliseconds::rep>(std::ceil(std::clamp(millis, 0.0, double(kLongest.count())))));
}

std::optional<milliseconds> window_of(std::string_view value) {
  const std::string_view first = value.substr(0, value.find(','));
  const std::size_t at = first.find("w=");
  if (at == first.npos || at == 0 || (first[at - 1] != ';' && first[at - 1] != ' ')) return std::nullopt;
  const std::string_view rest = first.substr(at + 2);
  const auto seconds = number(trimmed(rest.substr(0, rest.find(';'))));
  return seconds ? std::optional(clamped(*seconds * 1e3)) : std::nullopt;
}

// RFC 9110 section 5.6.7: the three forms of an HTTP date.
std::optional<WallMicros> http_date(std::string_view text) {
  for (const char* form :
       {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"}) {
    std::tm parts{};
    const std::string ended(text);
    const char* end = strptime(ended.c_str(), form, &parts);
    if (end == nullptr || *end != '\0') continue;
    return static_cast<WallMicros>(timegm(&parts)) * 1'000'000;
  }
  return std::nullopt;
}

std::optional<milliseconds> reset_of(std::string_view value, WallMicros now) {
  const auto found = number(first_item(value));
  if (!found) return std::nullopt;
  // Nobody waits thirty years: figures of that size are times since the epoch.
  if (*found >= 1e12) return clamped(*found - double(now) / 1e3);
  if (*found >= 1e9) return clamped(*found * 1e3 - double(now) / 1e3);
  return clamped(*found * 1e3);
}

template <class T>
void keep_first(std::optional<T>& kept, std::optional<T> found) {
  if (!kept) kept = found;
}

}  // namespace

std::optional<milliseconds> parse_retry_after(std::string_view value, WallMicros now) {
  value = trimmed(value);
  if (value.size() > 64) return std::nullopt;
  if (const auto seconds = number(value)) return clamped(*seconds * 1e3);
  if (const auto date = http_date(value)) return clamped(double(*date - now) / 1e3);
  return std::nullopt;
}

void LimitHeaders::read(std::string_view name, std::string_view value, WallMicros now) {
  if (same_name(name, "retry-after")) return keep_first(retry_after, parse_retry_after(value, now));
  if (same_name(name, "x-ratelimit-remaining")) return keep_first(remaining, count(value));
  if (same_name(name, "x-ratelimit-reset")) return keep_first(reset, reset_of(value, now));
  if (!same_name(name, "x-ratelimit-limit")) return;
  keep_first(limit, count(value));
  keep_first(window, window_of(value));
}

}  // namespace bridge55::gateway
