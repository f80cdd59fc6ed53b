// Exact decimals for money: a stake's digits as they were sent, added and multiplied without rounding.
// Internal to daemon/gateway.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace bridge55::gateway {

// Zero or more. Nothing that an app would name as money needs more than kMaxDigits.
class Decimal {
 public:
  static constexpr int kMaxDigits = 60;
  Decimal() = default;
  // A JSON number (RFC 8259, 6), nothing else; none where it is negative or has too many digits to either
  // side of the point.
  static std::optional<Decimal> parse(std::string_view token);

  Decimal plus(const Decimal& other) const;
  Decimal times(const Decimal& other) const;
  Decimal minus_one() const;  // at least zero
  bool exceeds(const Decimal& other) const;
  std::string text() const;

 private:
  Decimal(std::string digits, int scale) : digits_(std::move(digits)), scale_(scale) {}
  void align(std::string& mine, std::string& theirs, const Decimal& other) const;

  std::string digits_ = "0";  // no sign, no point
  int scale_ = 0;             // how many of them stand behind the point
};

}  // namespace bridge55::gateway
