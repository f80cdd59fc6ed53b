#include "daemon/gateway/limit_headers.hpp"

#include <initializer_list>
#include <utility>

#include <gtest/gtest.h>

namespace bridge55::gateway {
namespace {

using namespace std::chrono_literals;

constexpr WallMicros kNow = 1'771'183'909'000'000;  // 2026-02-15T19:31:49Z, a Sunday

LimitHeaders of(std::initializer_list<std::pair<std::string_view, std::string_view>> headers) {
  LimitHeaders out;
  for (const auto& [name, value] : headers)
    out.read(name, value, kNow);
  return out;
}

TEST(LimitHeaders, ReadsTheLaterEditionsHeadersWithoutCase) {
  const auto h = of({{"X-RateLimit-Limit", "100"},
                     {"x-ratelimit-remaining", "0"},
                     {"X-RATELIMIT-RESET", "1"},
                     {"Retry-After", "2"}});
  EXPECT_EQ(h.limit, 100u);
  EXPECT_EQ(h.remaining, 0u);
  EXPECT_EQ(h.reset, 1s);
  EXPECT_EQ(h.retry_after, 2s);
  EXPECT_EQ(h.pause(), 2s);
  EXPECT_EQ(h.window, std::nullopt);
}

TEST(LimitHeaders, AResetStandsInForRetryAfter) {
  EXPECT_EQ(of({{"X-RateLimit-Reset", "1.5"}}).pause(), 1500ms);
  EXPECT_EQ(of({}).pause(), std::nullopt);
}

TEST(LimitHeaders, AResetMayBeAnEpochInSecondsOrMilliseconds) {
  EXPECT_EQ(of({{"X-RateLimit-Reset", "1771183919"}}).reset, 10s);
  EXPECT_EQ(of({{"X-RateLimit-Reset", "1771183909250"}}).reset, 250ms);
  EXPECT_EQ(of({{"X-RateLimit-Reset", "1771183900"}}).reset, 0ms);
}

TEST(LimitHeaders, ALimitMayNameItsWindow) {
  const auto h = of({{"X-RateLimit-Limit", "100, 100;w=1, 5000;w=3600"}});
  EXPECT_EQ(h.limit, 100u);
  EXPECT_EQ(h.window, std::nullopt);
  EXPECT_EQ(of({{"X-RateLimit-Limit", "60;w=60"}}).window, 60s);
  EXPECT_EQ(of({{"X-RateLimit-Limit", "60; w=1"}}).window, 1s);
}

TEST(LimitHeaders, NonsenseIsLeftOut) {
  for (const char* value :
       {"", "-1", "abc", "1e400", "nan", "inf", "0x10", "1 2", "99999999999999999999999999999999x"}) {
    const auto h = of({{"X-RateLimit-Limit", value},
                       {"X-RateLimit-Remaining", value},
                       {"X-RateLimit-Reset", value},
                       {"Retry-After", value}});
    EXPECT_FALSE(h.limit || h.remaining || h.reset || h.retry_after) << value;
  }
  EXPECT_EQ(of({{"X-RateLimit-Limit", "99999999999999999999"}}).limit, 4'000'000'000u);
}

TEST(LimitHeaders, TheFirstOfANameCounts) {
  EXPECT_EQ(of({{"X-RateLimit-Limit", "5"}, {"X-RateLimit-Limit", "9"}}).limit, 5u);
}

TEST(RetryAfter, SecondsAndTheThreeFormsOfADate) {
  EXPECT_EQ(parse_retry_after(" 3 ", kNow), 3s);
  EXPECT_EQ(parse_retry_after("0", kNow), 0s);
  EXPECT_EQ(parse_retry_after("Sun, 15 Feb 2026 19:32:49 GMT", kNow), 60s);
  EXPECT_EQ(parse_retry_after("Sunday, 15-Feb-26 19:32:49 GMT", kNow), 60s);
  EXPECT_EQ(parse_retry_after("Sun Feb 15 19:32:49 2026", kNow), 60s);
}

TEST(RetryAfter, APastDateIsNowAndAFarOneADay) {
  EXPECT_EQ(parse_retry_after("Sun, 15 Feb 2026 19:00:00 GMT", kNow), 0s);
  EXPECT_EQ(parse_retry_after("Sun, 15 Feb 2099 19:00:00 GMT", kNow), 10min);
  EXPECT_EQ(parse_retry_after("99999999999999", kNow), 10min);
  EXPECT_EQ(parse_retry_after("tomorrow", kNow), std::nullopt);
  EXPECT_EQ(parse_retry_after("Sun, 15 Feb 2026 19:32:49 CET", kNow), std::nullopt);
}

}  // namespace
}  // namespace bridge55::gateway
