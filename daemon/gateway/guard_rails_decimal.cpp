#include "daemon/gateway/guard_rails_decimal.hpp"

#include "daemon/events/json.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace bridge55::gateway {
namespace {

void strip(std::string& digits) {
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
}

std::string zeros(int count) {
  return std::string(static_cast<std::size_t>(std::max(count, 0)), '0');
}

}  // namespace

std::optional<Decimal> Decimal::parse(std::string_view token) {
  if (!json::looks_like_number(token) || token.empty() || token.front() == '-') return std::nullopt;
  const std::size_t e = token.find_first_of("eE");
  long exponent = 0;
  if (e != token.npos) {
    std::string_view power = token.substr(e + 1);
    if (power.starts_with('+')) power.remove_prefix(1);
    const auto [end, error] = std::from_chars(power.data(), power.data() + power.size(), exponent);
    if (error != std::errc() || end != power.data() + power.size()) return std::nullopt;
  }
  const std::string_view mantissa = token.substr(0, e);
  const std::size_t point = mantissa.find('.');
  std::string digits(mantissa.substr(0, point));
  std::string behind(point == mantissa.npos ? std::string_view() : mantissa.substr(point + 1));
  while (!behind.empty() && behind.back() == '0')
    behind.pop_back();
  digits += behind;
  strip(digits);
  if (digits.size() > kMaxDigits || exponent > kMaxDigits || exponent < -kMaxDigits) return std::nullopt;
  const int scale = static_cast<int>(behind.size()) - static_cast<int>(exponent);
  if (scale > 2 * kMaxDigits) return std::nullopt;
  return scale < 0 ? Decimal(digits + zeros(-scale), 0) : Decimal(std::move(digits), scale);
}

void Decimal::align(std::string& mine, std::string& theirs, const Decimal& other) const {
  mine = digits_ + zeros(other.scale_ - scale_);
  theirs = other.digits_ + zeros(scale_ - other.scale_);
  const std::size_t width = std::max(mine.size(), theirs.size());
  mine.insert(0, width - mine.size(), '0');
  theirs.insert(0, width - theirs.size(), '0');
}

Decimal Decimal::plus(const Decimal& other) const {
  std::string a, b;
  align(a, b, other);
  int carry = 0;
  for (std::size_t i = a.size(); i-- > 0;) {
    const int sum = (a[i] - '0') + (b[i] - '0') + carry;
    a[i] = static_cast<char>('0' + sum % 10);
    carry = sum / 10;
  }
  if (carry != 0) a.insert(a.begin(), '1');
  strip(a);
  return {std::move(a), std::max(scale_, other.scale_)};
}

Decimal Decimal::times(const Decimal& other) const {
  std::string out(digits_.size() + other.digits_.size(), '0');
  for (std::size_t i = digits_.size(); i-- > 0;) {
    int carry = 0;
    for (std::size_t j = other.digits_.size(); j-- > 0;) {
      const int sum = (out[i + j + 1] - '0') + (digits_[i] - '0') * (other.digits_[j] - '0') + carry;
      out[i + j + 1] = static_cast<char>('0' + sum % 10);
      carry = sum / 10;
    }
    out[i] = static_cast<char>(out[i] + carry);
  }
  strip(out);
  return {std::move(out), scale_ + other.scale_};
}

Decimal Decimal::minus_one() const {
  std::string a, b;
  const Decimal one("1", 0);
  align(a, b, one);
  if (a < b) return {};
  int borrow = 0;
  for (std::size_t i = a.size(); i-- > 0;) {
    int rest = (a[i] - '0') - (b[i] - '0') - borrow;
    borrow = rest < 0;
    if (rest < 0) rest += 10;
    a[i] = static_cast<char>('0' + rest);
  }
  strip(a);
  return {std::move(a), scale_};
}

bool Decimal::exceeds(const Decimal& other) const {
  std::string a, b;
  align(a, b, other);
  return a > b;
}

std::string Decimal::text() const {
  std::string out = digits_;
  if (scale_ == 0) return out;
  const auto scale = static_cast<std::size_t>(scale_);
  if (out.size() <= scale) out.insert(0, scale + 1 - out.size(), '0');
  out.insert(out.size() - scale, ".");
  while (out.back() == '0')
    out.pop_back();
  if (out.back() == '.') out.pop_back();
  return out;
}

}  // namespace bridge55::gateway
