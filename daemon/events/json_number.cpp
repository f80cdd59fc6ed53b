// Numbers by their digits: no double, no big integer, no memory that grows with an exponent's value.
#include "daemon/events/json.hpp"
#include "daemon/events/json_bytes.hpp"
#include "daemon/events/json_check.hpp"

#include <algorithm>
#include <cstdint>
#include <string>

namespace bridge55::json {
namespace {

// The written exponent plus where the first significant digit stands: decides between two numbers of the same
// sign. Almost always a plain integer; one of more than 18 digits, which lies beyond all that are plain,
// keeps its digits.
struct Exponent {
  std::int64_t small = 0;
  bool negative = false;
  std::string huge;  // decimal magnitude without leading zeros; empty: `small` holds
};

// value = 0.d1d2d3… × 10^exponent, d1 not 0; no digits at all: zero.
struct Decimal {
  bool negative = false;
  std::string_view whole, fraction;  // from the first significant digit on
  Exponent exponent;
  bool zero() const { return whole.empty() && fraction.empty(); }
  char digit(std::size_t i) const {
    if (i < whole.size()) return whole[i];
    i -= whole.size();
    return i < fraction.size() ? fraction[i] : '0';
  }
  std::size_t digits() const { return whole.size() + fraction.size(); }
};

std::string_view without_leading_zeros(std::string_view digits) {
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
  return digits;
}

// |magnitude + offset| where the magnitude is far larger than the offset.
std::string shifted(std::string_view magnitude, std::int64_t offset) {
  std::string digits(magnitude);
  for (std::size_t i = digits.size(); offset != 0 && i-- > 0;) {
    std::int64_t sum = (digits[i] - '0') + offset % 10;
    offset /= 10;
    if (sum < 0) sum += 10, --offset;
    if (sum > 9) sum -= 10, ++offset;
    digits[i] = static_cast<char>('0' + sum);
  }
  if (offset > 0) digits.insert(0, std::to_string(offset));
  return std::string(without_leading_zeros(digits));
}

Exponent exponent_of(std::string_view written, std::int64_t point) {
  Exponent result;
  if (!written.empty() && (written.front() == '+' || written.front() == '-')) {
    result.negative = written.front() == '-';
    written.remove_prefix(1);
  }
  written = without_leading_zeros(written);
  if (written.size() > 17) {
    result.huge = shifted(written, result.negative ? -point : point);
    if (result.huge.size() > 18) return result;
    written = result.huge;
    point = 0;
  }
  for (const char c : written)
    result.small = result.small * 10 + (c - '0');
  result.small = (result.negative ? -result.small : result.small) + point;
  result.huge.clear();
  return result;
}

Decimal decimal(std::string_view token) {
  Decimal result;
  if (token.starts_with('-')) {
    result.negative = true;
    token.remove_prefix(1);
  }
  const std::size_t e = token.find_first_of("eE");
  const std::string_view mantissa = token.substr(0, e);
  const std::size_t dot = mantissa.find('.');
  result.whole = without_leading_zeros(mantissa.substr(0, dot));
  if (dot != std::string_view::npos) result.fraction = mantissa.substr(dot + 1);
  auto point = static_cast<std::int64_t>(result.whole.size());
  if (result.whole.empty()) {
    const std::string_view significant = without_leading_zeros(result.fraction);
    point = -static_cast<std::int64_t>(result.fraction.size() - significant.size());
    result.fraction = significant;
  }
  if (!result.zero())
    result.exponent = exponent_of(e == std::string_view::npos ? "" : token.substr(e + 1), point);
  return result;
}

int order(auto a, auto b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

int compare(const Exponent& a, const Exponent& b) {
  if (a.huge.empty() && b.huge.empty()) return order(a.small, b.small);
  // A huge one lies beyond every small one, on the side of its sign.
  if (b.huge.empty()) return a.negative ? -1 : 1;
  if (a.huge.empty()) return b.negative ? 1 : -1;
  if (a.negative != b.negative) return a.negative ? -1 : 1;
  const int length = order(a.huge.size(), b.huge.size());
  const int magnitude = length != 0 ? length : order(a.huge.compare(b.huge), 0);
  return a.negative ? -magnitude : magnitude;
}

int compare_magnitudes(const Decimal& a, const Decimal& b) {
  if (const int exponents = compare(a.exponent, b.exponent); exponents != 0) return exponents;
  const std::size_t digits = std::max(a.digits(), b.digits());
  for (std::size_t i = 0; i < digits; ++i) {
    if (a.digit(i) != b.digit(i)) return a.digit(i) < b.digit(i) ? -1 : 1;
  }
  return 0;
}

}  // namespace

int compare_numbers(std::string_view a, std::string_view b) {
  if (a == b) return 0;
  const Decimal left = decimal(a), right = decimal(b);
  const int left_sign = left.zero() ? 0 : left.negative ? -1 : 1;
  const int right_sign = right.zero() ? 0 : right.negative ? -1 : 1;
  if (left_sign != right_sign) return order(left_sign, right_sign);
  if (left_sign == 0) return 0;
  const int magnitudes = compare_magnitudes(left, right);
  return left.negative ? -magnitudes : magnitudes;
}

bool looks_like_number(std::string_view text) {
  return !text.empty() && detail::number_end(text, 0) == text.size();
}

bool is_number(std::string_view token) {
  return !token.empty() && (token.front() == '-' || detail::is_digit(token.front()));
}

}  // namespace bridge55::json
