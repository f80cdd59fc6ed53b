#include "daemon/gateway/breaker.hpp"

#include <gtest/gtest.h>

namespace bridge55::gateway {
namespace {

using namespace std::chrono_literals;
using State = Breaker::State;

const SteadyTime kStart = SteadyTime{} + 24h;

struct Tripped : testing::Test {
  void SetUp() override {
    for (int i = 0; i < 3; ++i)
      breaker.failure(kStart);
  }
  Breaker breaker{config::Breaker{.failures = 3, .open = 10s}};
};

TEST(Breaker, OnlyFailuresThatFollowEachOtherOpenIt) {
  Breaker breaker({.failures = 3, .open = 10s});
  breaker.failure(kStart);
  breaker.failure(kStart);
  breaker.success(kStart);
  breaker.failure(kStart);
  breaker.failure(kStart);
  EXPECT_TRUE(breaker.may(kStart));
  breaker.failure(kStart);
  EXPECT_FALSE(breaker.may(kStart));
  EXPECT_EQ(breaker.state(kStart), State::open);
}

TEST_F(Tripped, SaysWhenToComeBack) {
  EXPECT_EQ(breaker.retry_after(kStart + 4s), 6s);
  EXPECT_EQ(breaker.retry_after(kStart + 10s), 0s);
}

TEST_F(Tripped, OneProbeGoesAndItsSuccessCloses) {
  EXPECT_FALSE(breaker.may(kStart + 10s - 1ns));
  EXPECT_TRUE(breaker.may(kStart + 10s));
  EXPECT_FALSE(breaker.may(kStart + 10s));
  EXPECT_EQ(breaker.state(kStart + 10s), State::half_open);
  breaker.success(kStart + 11s);
  EXPECT_EQ(breaker.state(kStart + 11s), State::closed);
  EXPECT_TRUE(breaker.may(kStart + 11s));
  EXPECT_TRUE(breaker.may(kStart + 11s));
}

TEST_F(Tripped, AFailedProbeOpensItAgain) {
  EXPECT_TRUE(breaker.may(kStart + 10s));
  breaker.failure(kStart + 12s);
  EXPECT_FALSE(breaker.may(kStart + 20s));
  EXPECT_TRUE(breaker.may(kStart + 22s));
}

TEST_F(Tripped, AnAbandonedProbeGivesItsTurnToTheNext) {
  EXPECT_TRUE(breaker.may(kStart + 10s));
  breaker.abandoned(kStart + 11s);
  EXPECT_TRUE(breaker.may(kStart + 11s));
}

TEST_F(Tripped, AProbeNeverHeardOfIsGivenUp) {
  EXPECT_TRUE(breaker.may(kStart + 10s));
  EXPECT_FALSE(breaker.may(kStart + 19s));
  EXPECT_TRUE(breaker.may(kStart + 20s));
}

TEST_F(Tripped, LateFailuresDoNotProlongTheWait) {
  breaker.failure(kStart + 9s);
  EXPECT_TRUE(breaker.may(kStart + 10s));
}

TEST_F(Tripped, ACancelsSuccessLetsAProbeGoAtOnce) {
  breaker.success(kStart + 1s);
  EXPECT_EQ(breaker.state(kStart + 1s), State::half_open);
  EXPECT_TRUE(breaker.may(kStart + 1s));
  EXPECT_FALSE(breaker.may(kStart + 1s));
}

TEST(Breaker, AfterItClosedItTakesAllItsFailuresAgain) {
  Breaker breaker({.failures = 2, .open = 1s});
  breaker.failure(kStart);
  breaker.failure(kStart);
  ASSERT_TRUE(breaker.may(kStart + 1s));
  breaker.success(kStart + 1s);
  breaker.failure(kStart + 1s);
  EXPECT_TRUE(breaker.may(kStart + 1s));
}

}  // namespace
}  // namespace bridge55::gateway
