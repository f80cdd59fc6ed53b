#include "daemon/gateway/retry.hpp"

#include <array>
#include <set>

#include <gtest/gtest.h>

namespace bridge55::gateway {
namespace {

using namespace std::chrono_literals;
using What = Outcome::What;

const SteadyTime kStart = SteadyTime{} + 24h;
constexpr std::array kKinds{RetryKind::read_vendor, RetryKind::read_scraping, RetryKind::cancel,
                            RetryKind::cancel_all,  RetryKind::write,         RetryKind::placement};

RetryState state() {
  return {.attempt = 1, .started = kStart, .deadline = kStart + 60s, .now = kStart, .unit = 0.5};
}

bool retried(RetryKind kind, const Outcome& outcome) {
  return retry(kind, outcome, state(), {}).has_value();
}

TEST(Retry, WhatNeverLeftIsSentAgainWhateverItIs) {
  for (const RetryKind kind : kKinds)
    EXPECT_TRUE(retried(kind, {.what = What::connect_failed}));
}

TEST(Retry, WhatMayHaveArrivedIsSentAgainOnlyWhereThatIsHarmless) {
  const std::set<RetryKind> harmless{RetryKind::read_vendor, RetryKind::read_scraping, RetryKind::cancel,
                                     RetryKind::cancel_all};
  for (const RetryKind kind : kKinds) {
    EXPECT_EQ(retried(kind, {.what = What::lost_after_send}), harmless.contains(kind));
    for (const unsigned status : {429u, 502u, 503u})
      EXPECT_EQ(retried(kind, {.what = What::status, .status = status}), harmless.contains(kind)) << status;
  }
}

TEST(Retry, A504IsRetriedForReadsOfAbpAndMmAlone) {
  for (const RetryKind kind : kKinds)
    EXPECT_EQ(retried(kind, {.what = What::status, .status = 504}), kind == RetryKind::read_vendor);
}

TEST(Retry, EveryOtherStatusIsFinal) {
  for (unsigned status = 200; status < 600; ++status) {
    if (status == 429 || (status >= 502 && status <= 504)) continue;
    for (const RetryKind kind : kKinds)
      EXPECT_FALSE(retried(kind, {.what = What::status, .status = status})) << status;
  }
}

TEST(Retry, AttemptsAreCounted) {
  RetryState s = state();
  const config::Retry settings{.attempts = 3, .backoff = 250ms, .max_backoff = 4s};
  s.attempt = 2;
  EXPECT_TRUE(retry(RetryKind::read_vendor, {}, s, settings));
  s.attempt = 3;
  EXPECT_FALSE(retry(RetryKind::read_vendor, {}, s, settings));
}

TEST(Retry, FullJitterUnderADoublingCeiling) {
  RetryState s = state();
  const config::Retry settings{.attempts = 100, .backoff = 250ms, .max_backoff = 4s};
  const std::array<std::chrono::milliseconds, 6> ceilings{250ms, 500ms, 1s, 2s, 4s, 4s};
  for (unsigned i = 0; i < ceilings.size(); ++i) {
    s.attempt = i + 1;
    s.unit = 0;
    EXPECT_EQ(retry(RetryKind::cancel, {}, s, settings), 0ms);
    s.unit = 0.5;
    EXPECT_EQ(retry(RetryKind::cancel, {}, s, settings), ceilings[i] / 2);
  }
  s.attempt = 90;
  EXPECT_EQ(retry(RetryKind::cancel, {}, s, settings), 2s);
}

TEST(Retry, NeverEarlierThanUpstreamAsks) {
  const Outcome refused{.what = What::status, .status = 429, .retry_after = 3s};
  EXPECT_EQ(retry(RetryKind::read_vendor, refused, state(), {}), 3s);
}

TEST(Retry, NeverPastTheDeadline) {
  RetryState s = state();
  s.deadline = kStart + 3s;
  EXPECT_FALSE(
      retry(RetryKind::read_vendor, {.what = What::status, .status = 429, .retry_after = 3s}, s, {}));
  EXPECT_TRUE(
      retry(RetryKind::read_vendor, {.what = What::status, .status = 429, .retry_after = 2999ms}, s, {}));
}

TEST(Retry, CancelAllOnlyWithinFiveSecondsOfItsStart) {
  RetryState s = state();
  s.unit = 0;
  s.now = kStart + 4999ms;
  EXPECT_TRUE(retry(RetryKind::cancel_all, {}, s, {}));
  s.now = kStart + 5s;
  EXPECT_FALSE(retry(RetryKind::cancel_all, {}, s, {}));
  EXPECT_TRUE(retry(RetryKind::cancel, {}, s, {}));
  s.now = kStart + 4s;
  EXPECT_FALSE(retry(RetryKind::cancel_all, {.what = What::status, .status = 503, .retry_after = 2s}, s, {}));
}

}  // namespace
}  // namespace bridge55::gateway
