#include "daemon/events/json.hpp"
#include "tests/unit/events/random_json.hpp"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace bridge55 {
namespace {

void expect_order(std::string_view a, std::string_view b, int expected) {
  const auto sign = [](int value) { return value < 0 ? -1 : value > 0 ? 1 : 0; };
  EXPECT_EQ(sign(json::compare_numbers(a, b)), expected) << a << " and " << b;
  EXPECT_EQ(sign(json::compare_numbers(b, a)), -expected) << b << " and " << a;
}

TEST(JsonNumber, EqualValuesAreEqualHoweverWritten) {
  for (const char* text :
       {"5", "5.0", "5.000", "50e-1", "0.5e1", "0.05E+2", "500e-2", "5e0", "5E-0", "0.000005e6"})
    expect_order("5", text, 0);
  for (const char* text : {"0", "-0", "0.0", "0e5", "-0.000e-99999999999999999999999", "0E+7"})
    expect_order("0", text, 0);
  expect_order("-12.50", "-125e-1", 0);
  expect_order("1771183909789.50", "17711839097895e-1", 0);
}

TEST(JsonNumber, OrderIsByValue) {
  expect_order("9", "10", -1);
  expect_order("-9", "-10", 1);
  expect_order("-1", "0", -1);
  expect_order("-1", "0.0001", -1);
  expect_order("1.95", "1.949999999999999999999999", 1);
  expect_order("0.1", "0.09", 1);
  expect_order("1e3", "999.999", 1);
  expect_order("1e-3", "0.0011", -1);
  expect_order("100", "99.9", 1);
}

TEST(JsonNumber, NoDigitIsLostInLargeNumbers) {
  expect_order("9007199254740993", "9007199254740992", 1);
  expect_order("123456789012345678901234567890", "123456789012345678901234567891", -1);
  expect_order("0.1000000000000000000000000000001", "0.1", 1);
  expect_order("1" + std::string(100'000, '0'), "1e100000", 0);
  expect_order("1" + std::string(100'000, '0') + ".5", "1e100000", 1);
  expect_order("0." + std::string(100'000, '0') + "1", "1e-100001", 0);
}

TEST(JsonNumber, HugeExponentsCostNoMemoryAndCompareExactly) {
  const std::string huge(40, '9');
  expect_order("1e" + huge, "1", 1);
  expect_order("-1e" + huge, "1", -1);
  expect_order("1e-" + huge, "0", 1);
  expect_order("1e-" + huge, "1e-400", -1);
  expect_order("1e" + huge, "1e-" + huge, 1);
  expect_order("1e" + huge, "9e" + huge, -1);
  expect_order("10e" + huge, "1e1" + std::string(40, '0'), 0);
  expect_order("1e" + huge, "0.1e1" + std::string(40, '0'), 0);
  expect_order("100e-1" + std::string(30, '0'), "10e-" + std::string(30, '9'), 0);
  expect_order("1e1" + std::string(30, '0'), "1e1" + std::string(31, '0'), -1);
  expect_order("1e0000000000000000000000000000005", "100000", 0);
  expect_order("1e99999999999999999", "1e100000000000000000", -1);
  expect_order("10e99999999999999999", "1e100000000000000000", 0);
  expect_order("0.1e100000000000000000", "1e99999999999999999", 0);
  expect_order("1e-100000000000000000", "10e-100000000000000001", 0);
  expect_order("1e-100000000000000000", "1e-99999999999999999", -1);
}

TEST(JsonNumber, LooksLikeANumberMeansTheGrammarOfJson) {
  for (const char* text : {"0", "-0", "5", "5.0", "-1.5e+10", "1E5", "123456789012345678901234567890"}) {
    EXPECT_TRUE(json::looks_like_number(text)) << text;
  }
  for (const char* text :
       {"", "-", "+5", "05", "5.", ".5", "1e", "0x1", " 5", "5 ", "NaN", "1,5", "five", "1e5x"}) {
    EXPECT_FALSE(json::looks_like_number(text)) << text;
  }
}

TEST(JsonNumber, KindsAreTold) {
  EXPECT_TRUE(json::is_number("-1"));
  EXPECT_TRUE(json::is_number("0"));
  for (const char* token : {"\"1\"", "null", "true", "[1]", "{}", ""})
    EXPECT_FALSE(json::is_number(token)) << token;
  EXPECT_TRUE(json::is_string("\"\""));
  for (const char* token : {"1", "null", "", "[\"a\"]"})
    EXPECT_FALSE(json::is_string(token)) << token;
}

// The oracle: integers scaled to 10^-6, written in many ways.
std::string written(test::RandomJson& random, long long scaled) {
  const bool negative = scaled < 0;
  std::string digits = std::to_string(negative ? -scaled : scaled);
  const int shift =
      static_cast<int>(random.below(13)) - 6;  // where the point goes: digits × 10^(-6-shift) with e(shift)
  const int fraction = 6 + shift;
  if (static_cast<int>(digits.size()) <= fraction)
    digits.insert(0, static_cast<std::size_t>(fraction) + 1 - digits.size(), '0');
  std::string out = digits;
  if (fraction > 0) out.insert(out.size() - static_cast<std::size_t>(fraction), ".");
  if (random.below(3) == 0) out += fraction > 0 ? "000" : "";
  if (shift != 0 || random.below(2) == 0) out += "e" + std::to_string(shift);
  return (negative ? "-" : "") + out;
}

TEST(JsonNumberProperty, ComparesAsScaledIntegersDo) {
  test::RandomJson random(4711);
  const auto any = [&]() {
    const long long magnitude = random.below(2) == 0
                                    ? static_cast<long long>(random.below(2000))
                                    : static_cast<long long>(random.below(1'000'000'000'000));
    return random.below(2) == 0 ? magnitude : -magnitude;
  };
  for (int round = 0; round < 50'000; ++round) {
    const long long a = any();
    const long long b = random.below(4) == 0 ? a : any();
    const std::string left = written(random, a), right = written(random, b);
    ASSERT_TRUE(json::looks_like_number(left)) << left;
    expect_order(left, right, a < b ? -1 : a > b ? 1 : 0);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace bridge55
