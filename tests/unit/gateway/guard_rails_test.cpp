#include "daemon/gateway/guard_rails.hpp"

#include "daemon/gateway/guard_rails_decimal.hpp"

#include <gtest/gtest.h>

namespace bridge55::gateway {
namespace {

using namespace std::chrono_literals;

Order order(std::string stake, std::string currency = "USD") {
  Order out;
  out.uuid = "eb45b192-317b-42d5-9f65-af497b9fa8c1";
  out.stake = std::move(stake);
  out.price = "2.0";
  out.currency = std::move(currency);
  return out;
}
Order lay(std::string stake, std::string price) {
  Order out = order(std::move(stake));
  out.price = std::move(price);
  out.back = false;
  return out;
}
Guard max_stake(std::string usd) {
  Guard guard{"upstream abp", {}};
  guard.rules.max_stake["USD"] = std::move(usd);
  return guard;
}
// The code of the refusal, or nothing.
std::string check(const Guard& guard, const std::vector<Order>& orders) {
  std::vector<const Order*> all;
  for (const Order& one : orders)
    all.push_back(&one);
  const auto refusal = check_orders(guard, all);
  if (!refusal) return "";
  EXPECT_EQ(refusal->status, 422u);
  EXPECT_EQ(refusal->sent, "no");
  return refusal->code;
}
const std::string kStake = "GUARD_MAX_STAKE";

TEST(GuardRails, WithoutRulesNothingIsRefused) {
  EXPECT_EQ(check(Guard{"upstream abp", {}}, {order("1e999"), order("\"x\""), order("")}), "");
}

TEST(GuardRails, AStakeUpToTheLimitPassesAndAboveItIsRefusedToTheLastDigit) {
  for (const std::string stake :
       {"500", "500.0", "5e2", "0.5E+3", "499.9999999999999999999999", "0", "0e0"}) {
    EXPECT_EQ(check(max_stake("500"), {order(stake)}), "") << stake;
  }
  for (const std::string stake :
       {"501", "500.00000000000000000000000000001", "5.0000001e2", "1e3", "9007199254740993", "1e59"}) {
    EXPECT_EQ(check(max_stake("500"), {order(stake)}), kStake) << stake;
  }
}

TEST(GuardRails, AStakeThatCannotBeWeighedIsRefused) {
  for (const std::string stake :
       {"", "\"10\"", "null", "true", "-1", "-0.0", "1e400", "1e-400", "[1]", "0x10", "1_0"}) {
    EXPECT_EQ(check(max_stake("500"), {order(stake)}), kStake) << stake;
  }
}

TEST(GuardRails, ABatchIsSummedByCurrencyExactly) {
  Guard guard = max_stake("0.3");
  guard.rules.max_stake["EUR"] = "1";
  EXPECT_EQ(check(guard, {order("0.1"), order("0.2")}), "");
  EXPECT_EQ(check(guard, {order("0.1"), order("0.2"), order("1", "EUR")}), "");
  EXPECT_EQ(check(guard, {order("0.1"), order("0.2"), order("0.0000000000000000000000001")}), kStake);
  EXPECT_EQ(check(guard, {order("0.6", "EUR"), order("0.1"), order("0.6", "EUR")}), kStake);
}

TEST(GuardRails, TheLiabilityOfALayCounts) {
  EXPECT_EQ(check(max_stake("100"), {lay("100", "2.0")}), "");
  EXPECT_EQ(check(max_stake("100"), {lay("100", "2.01")}), kStake);
  EXPECT_EQ(check(max_stake("100"), {lay("10", "11")}), "");
  EXPECT_EQ(check(max_stake("100"), {lay("10", "11.0000000000000000001")}), kStake);
  EXPECT_EQ(check(max_stake("100"), {lay("10", "6"), lay("10", "6.1")}), kStake);
  EXPECT_EQ(check(max_stake("100"), {lay("101", "1.01")}), kStake);
  EXPECT_EQ(check(max_stake("100"), {lay("10", "0.5")}), "");
  for (const std::string price : {"", "\"2.0\"", "-3", "1e400", "null"}) {
    EXPECT_EQ(check(max_stake("100"), {lay("1", price)}), kStake) << price;
  }
}

TEST(GuardRails, ACurrencyWithoutALimitIsRefusedWhereOthersHaveOne) {
  for (const std::string currency : {"EUR", "usd", "", "null", "USD "}) {
    EXPECT_EQ(check(max_stake("500"), {order("1", currency)}), kStake) << currency;
  }
}

TEST(GuardRails, TheMessageNamesOrderRuleLimitAndOwner) {
  const Order one = order("700");
  const auto refusal = check_orders(max_stake("500"), {&one});
  ASSERT_TRUE(refusal);
  for (const std::string_view word : {"orders[0]", "max_stake", "500 USD", "upstream abp", "700"}) {
    EXPECT_NE(refusal->message.find(word), std::string::npos) << word << " in " << refusal->message;
  }
}

TEST(GuardRails, OnlyTheListedBookmakersMayBeNamedAndOneMustBe) {
  Guard guard{"app executor", {}};
  guard.rules.bookmakers = {"pinnacle", "sharpbet"};
  Order one = order("1");
  EXPECT_EQ(check(guard, {one}), "GUARD_BOOKMAKERS");
  one.bookmakers = {"pinnacle"};
  EXPECT_EQ(check(guard, {one}), "");
  one.bookmakers = {"pinnacle", "sharpbet"};
  EXPECT_EQ(check(guard, {one}), "");
  for (const std::string other : {"bet365", "Pinnacle", "*", ""}) {
    one.bookmakers = {"pinnacle", other};
    EXPECT_EQ(check(guard, {one}), "GUARD_BOOKMAKERS") << other;
  }
}

TEST(GuardRails, TestOnlyLetsOnlyTestOrdersThrough) {
  Guard guard{"app executor", {}};
  guard.rules.test_only = true;
  Order test = order("1");
  test.test = true;
  EXPECT_EQ(check(guard, {test}), "");
  EXPECT_EQ(check(guard, {test, order("1")}), "GUARD_TEST_ONLY");
}

TEST(GuardRails, OrdersAreCountedOverASlidingMinute) {
  Guard guard{"upstream abp", {}};
  guard.rules.max_orders_per_minute = 3;
  OrdersPerMinute minute;
  const SteadyTime start{1h};
  EXPECT_FALSE(check_rate(guard, 2, minute, start));
  minute.add(2, start);
  EXPECT_FALSE(check_rate(guard, 1, minute, start + 30s));
  minute.add(1, start + 30s);
  const auto refusal = check_rate(guard, 1, minute, start + 40s);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->status, 422u);
  EXPECT_EQ(refusal->code, "GUARD_MAX_ORDERS_PER_MINUTE");
  ASSERT_EQ(refusal->headers.size(), 1u);
  EXPECT_EQ(refusal->headers[0].second, "20");
  EXPECT_TRUE(check_rate(guard, 1, minute, start + 1min - 1us));
  EXPECT_FALSE(check_rate(guard, 2, minute, start + 1min));
  EXPECT_TRUE(check_rate(guard, 3, minute, start + 1min));
  EXPECT_FALSE(check_rate(guard, 3, minute, start + 91s));
}

TEST(GuardRails, ABatchLargerThanTheLimitIsRefusedWithoutAPromise) {
  Guard guard{"upstream abp", {}};
  guard.rules.max_orders_per_minute = 3;
  OrdersPerMinute minute;
  const auto refusal = check_rate(guard, 4, minute, SteadyTime{1h});
  ASSERT_TRUE(refusal);
  EXPECT_TRUE(refusal->headers.empty());
}

TEST(Decimal, SaysItsValueInPlainDigits) {
  const auto text = [](std::string_view token) { return Decimal::parse(token)->text(); };
  EXPECT_EQ(text("1.50"), "1.5");
  EXPECT_EQ(text("5e-3"), "0.005");
  EXPECT_EQ(text("5e3"), "5000");
  EXPECT_EQ(text("0.0"), "0");
  EXPECT_EQ(Decimal::parse("99.99")->plus(*Decimal::parse("0.01")).text(), "100");
  EXPECT_EQ(Decimal::parse("12.5")->times(*Decimal::parse("0.04")).text(), "0.5");
  EXPECT_EQ(Decimal::parse("1.01")->minus_one().text(), "0.01");
  EXPECT_EQ(Decimal::parse("0.5")->minus_one().text(), "0");
  EXPECT_EQ(Decimal::parse("1000")->minus_one().text(), "999");
}

}  // namespace
}  // namespace bridge55::gateway
