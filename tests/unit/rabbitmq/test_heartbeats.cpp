#include "bridges/rabbitmq/heartbeats.hpp"

#include <gtest/gtest.h>

namespace bridge55::rabbitmq {
namespace {

using namespace std::chrono_literals;
const SteadyTime kStart{};

TEST(Heartbeats, SentAfterHalfAnIntervalOfSilenceOfOurs) {
  Heartbeats heartbeats(10s, kStart);
  EXPECT_FALSE(heartbeats.due(kStart + 4999ms));
  EXPECT_TRUE(heartbeats.due(kStart + 5s));
  heartbeats.sent(kStart + 5s);
  EXPECT_FALSE(heartbeats.due(kStart + 9s));
}

TEST(Heartbeats, BrokerIsDeadAfterTwoIntervalsOfSilence) {
  Heartbeats heartbeats(10s, kStart);
  heartbeats.received(kStart + 3s);
  EXPECT_FALSE(heartbeats.dead(kStart + 22999ms));
  EXPECT_TRUE(heartbeats.dead(kStart + 23s));
}

TEST(Heartbeats, NextLookIsAtTheEarlierOfBoth) {
  Heartbeats heartbeats(10s, kStart);
  EXPECT_EQ(heartbeats.next(true, SteadyTime::max()), kStart + 5s);
  EXPECT_EQ(heartbeats.next(false, SteadyTime::max()), kStart + 20s)
      << "what cannot be sent is not waited for";
}

TEST(Heartbeats, ZeroTurnsThemOff) {
  Heartbeats heartbeats(0s, kStart);
  EXPECT_FALSE(heartbeats.due(kStart + 1h));
  EXPECT_FALSE(heartbeats.dead(kStart + 1h));
  EXPECT_EQ(heartbeats.next(true, kStart + 7h), kStart + 7h);
}

}  // namespace
}  // namespace bridge55::rabbitmq
