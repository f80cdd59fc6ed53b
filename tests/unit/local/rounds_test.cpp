// When streams take turns, and how long an event waits at most.
#include "daemon/local/rounds.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace bridge55::local {
namespace {

using namespace std::chrono_literals;

// After events came every `gap` for a while.
Rounds after_steady(std::chrono::microseconds gap, std::size_t streams) {
  Rounds rounds;
  SteadyTime now{1h};
  for (int i = 0; i < 100; ++i)
    rounds.begin(now += gap, streams);
  return rounds;
}

TEST(Rounds, FewStreamsAlwaysTakeTheirTurn) {
  EXPECT_EQ(after_steady(10us, Rounds::kMany - 1).groups(), 1u);
}

TEST(Rounds, RareEventsGoToAllAtOnce) {
  for (const auto gap : {1200us, 5000us, 1000000us})
    EXPECT_EQ(after_steady(gap, 1000).groups(), 1u) << gap.count();
}

TEST(Rounds, ManyStreamsTakeTurnsSoThatNoEventWaitsTooLong) {
  for (const auto gap : {1050us, 800us, 500us, 300us, 100us}) {
    const Rounds rounds = after_steady(gap, 100);
    EXPECT_GE(rounds.groups(), 2u);
    EXPECT_LE((rounds.groups() - 1) * gap, Rounds::kLongest) << gap.count();
  }
}

TEST(Rounds, EachStreamTakesItsTurnOnceInEveryCycle) {
  Rounds rounds;
  SteadyTime now{1h};
  for (int i = 0; i < 100; ++i)
    rounds.begin(now += 300us, 100);
  std::vector<int> turns(100);
  const std::uint64_t groups = rounds.groups();
  for (std::uint64_t i = 0; i < groups; ++i) {
    rounds.begin(now += 300us, 100);
    for (std::uint64_t n = 0; n < turns.size(); ++n)
      turns[n] += rounds.takes_turn(n);
  }
  for (const int count : turns)
    EXPECT_EQ(count, 1);
}

TEST(Rounds, TheFirstEventAfterAPauseWaitsForNobody) {
  Rounds rounds = after_steady(1050us, 100);
  rounds.begin(SteadyTime(2h), 100);
  EXPECT_EQ(rounds.groups(), 1u);
}

}  // namespace
}  // namespace bridge55::local
