#include "config/units.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <utility>

namespace bridge55::config {
namespace {

struct Unit {
  std::string_view suffix;
  std::uint64_t factor;
};

// Largest first: printing takes the first that divides.
constexpr std::array<Unit, 5> duration_units{
    {{"d", 86'400'000}, {"h", 3'600'000}, {"min", 60'000}, {"s", 1'000}, {"ms", 1}}};
constexpr std::array<Unit, 9> size_units{{{"TiB", 1ULL << 40},
                                          {"GiB", 1ULL << 30},
                                          {"MiB", 1ULL << 20},
                                          {"KiB", 1ULL << 10},
                                          {"TB", 1'000'000'000'000},
                                          {"GB", 1'000'000'000},
                                          {"MB", 1'000'000},
                                          {"kB", 1'000},
                                          {"B", 1}}};

constexpr std::uint64_t largest_duration = INT64_MAX;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

template <std::size_t N>
std::optional<std::uint64_t> parse_with_unit(std::string_view text, const std::array<Unit, N>& units) {
  const auto digits =
      static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), is_digit) - text.begin());
  const auto number = parse_integer(text.substr(0, digits));
  const auto unit = std::find_if(units.begin(), units.end(),
                                 [&](const Unit& u) { return u.suffix == text.substr(digits); });
  if (!number || unit == units.end()) return std::nullopt;
  return *number > too_large / unit->factor ? too_large : *number * unit->factor;
}

template <std::size_t N>
std::string print_with_unit(std::uint64_t count, const std::array<Unit, N>& units) {
  const auto fits = [&](const Unit& u) { return u.factor == 1 || (count != 0 && count % u.factor == 0); };
  const auto unit = std::find_if(units.begin(), units.end(), fits);
  return std::to_string(count / unit->factor) + std::string(unit->suffix);
}

// The decimal text of a percentage, without the locale that strtod and streams follow.
std::optional<double> parse_fraction(std::string_view percent) {
  if (!is_decimal(percent)) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(percent.data(), percent.data() + percent.size(), value);
  if (error != std::errc{} || end != percent.data() + percent.size()) return std::nullopt;
  return value / 100;
}

}  // namespace

std::optional<std::uint64_t> parse_integer(std::string_view text) {
  if (text.empty() || !std::all_of(text.begin(), text.end(), is_digit)) return std::nullopt;
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} ? value : too_large;
}

std::optional<bool> parse_boolean(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return std::nullopt;
}

std::optional<Duration> parse_duration(std::string_view text) {
  const auto count = parse_with_unit(text, duration_units);
  if (!count) return std::nullopt;
  return Duration(static_cast<Duration::rep>(std::min(*count, largest_duration)));
}

std::string print_duration(Duration duration) {
  const auto count = static_cast<std::uint64_t>(std::max<Duration::rep>(duration.count(), 0));
  return count == 0 ? "0s" : print_with_unit(count, duration_units);
}

std::optional<Bytes> parse_size(std::string_view text) {
  const auto count = parse_with_unit(text, size_units);
  if (!count) return std::nullopt;
  return Bytes{*count};
}

std::string print_size(Bytes size) {
  return print_with_unit(size.count, size_units);
}

std::optional<unsigned> parse_mode(std::string_view text) {
  if (text.size() < 3 || text.size() > 4) return std::nullopt;
  unsigned mode = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  if (error != std::errc{} || end != text.data() + text.size() || mode > 0777) return std::nullopt;
  return mode;
}

std::string print_mode(unsigned mode) {
  std::string digits = "0";
  for (int shift = 6; shift >= 0; shift -= 3)
    digits += static_cast<char>('0' + ((mode >> shift) & 7U));
  return digits;
}

std::optional<RateLimit> parse_rate(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto requests = parse_integer(text.substr(0, slash));
  const std::string_view per = text.substr(slash + 1);
  if (!requests || *requests < 1 || *requests > 1'000'000 || (per != "s" && per != "min"))
    return std::nullopt;
  RateLimit rate;
  rate.requests = static_cast<unsigned>(*requests);
  rate.window = per == "s" ? Duration(1s) : Duration(1min);
  return rate;
}

std::string print_rate(const RateLimit& rate) {
  return std::to_string(rate.requests) + (rate.window == 1s ? "/s" : "/min");
}

std::optional<Reserve> parse_reserve(std::string_view text) {
  Reserve reserve;
  if (text.ends_with('%')) {
    const auto fraction = parse_fraction(text.substr(0, text.size() - 1));
    if (!fraction || *fraction > 0.9) return std::nullopt;
    reserve.fraction = *fraction;
    return reserve;
  }
  const auto count = parse_integer(text);
  if (!count || *count < 1 || *count > 1'000'000) return std::nullopt;
  reserve.count = static_cast<unsigned>(*count);
  return reserve;
}

std::string print_reserve(const Reserve& reserve) {
  if (reserve.count != 0) return std::to_string(reserve.count);
  std::array<char, 64> buffer{};
  for (int digits = 0; digits <= 20; ++digits) {
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), reserve.fraction * 100,
                                   std::chars_format::fixed, digits)
                         .ptr;
    const std::string_view percent(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
    if (parse_fraction(percent) == reserve.fraction) return std::string(percent) + "%";
  }
  return "10%";
}

bool is_decimal(std::string_view text) {
  const std::size_t dot = text.find('.');
  const std::string_view whole = text.substr(0, dot);
  if (!parse_integer(whole) || text.size() > 31) return false;
  if (dot == std::string_view::npos) return true;
  const std::string_view fraction = text.substr(dot + 1);
  return !fraction.empty() && std::all_of(fraction.begin(), fraction.end(), is_digit);
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
    if (hyphen ? text[i] != '-' : !is_hex(text[i])) return false;
  }
  return true;
}

bool is_name(std::string_view text) {
  const auto allowed = [](char c) { return is_letter(c) || is_digit(c) || c == '_' || c == '-'; };
  return !text.empty() && text.size() <= 64 && allowed(text[0]) && text[0] != '-' && text[0] != '_' &&
         std::all_of(text.begin(), text.end(), allowed);
}

bool is_http_token(std::string_view text) {
  constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
  const auto allowed = [&](char c) {
    return is_letter(c) || is_digit(c) || marks.find(c) != std::string_view::npos;
  };
  return !text.empty() && std::all_of(text.begin(), text.end(), allowed);
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

}  // namespace bridge55::config
