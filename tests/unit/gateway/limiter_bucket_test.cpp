#include "daemon/gateway/limiter.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace bridge55::gateway {
namespace {

using namespace std::chrono_literals;
using Ticket = Limiter::Ticket;

struct Bucket {
  explicit Bucket(unsigned rate = 10, unsigned size = 0)
      : limiter({.rate = {.requests = rate, .window = 1s, .burst = size}, .reserve = {}, .bucket = true}) {}
  Limiter::Asked ask(Rank rank, SteadyClock::duration wait = 5s) {
    return limiter.ask(rank, "a", now + wait, now);
  }
  std::vector<Ticket> burst(Rank rank) {
    std::vector<Ticket> granted;
    for (;;) {
      const auto asked = ask(rank);
      if (!asked.granted) {
        limiter.leave(asked.ticket);
        return granted;
      }
      granted.push_back(asked.ticket);
    }
  }
  Limiter::Turn poll() {
    Limiter::Turn turn;
    limiter.poll(now, turn);
    return turn;
  }
  Limiter limiter;
  SteadyTime now = SteadyTime{} + 24h;
};

TEST(LimiterBucket, GivesItsBurstThenItsRate) {
  Bucket b(10, 20);
  const auto first = b.burst(Rank::urgent);
  EXPECT_EQ(first.size(), 20u);
  for (const Ticket t : first)
    b.limiter.answered(t, b.now);
  unsigned granted = 0;
  for (const SteadyTime end = b.now + 10s; b.now < end; b.now += 10ms)
    for (const Ticket t : b.burst(Rank::urgent)) {
      b.limiter.answered(t, b.now);
      ++granted;
    }
  EXPECT_GE(granted, 99u);
  EXPECT_LE(granted, 100u);
}

TEST(LimiterBucket, ReserveAndFloorAreKept) {
  Bucket b(40);
  EXPECT_EQ(b.burst(Rank::read).size(), 34u);  // 40 - 4 - 2
  EXPECT_EQ(b.burst(Rank::own).size(), 2u);
  EXPECT_EQ(b.burst(Rank::urgent).size(), 4u);
}

TEST(LimiterBucket, NothingIsReservedForCancelsWhereThereAreNone) {
  Bucket b;
  b.limiter = Limiter(
      {.rate = {.requests = 10, .window = 1s, .burst = 0}, .reserve = {}, .bucket = true, .cancels = false});
  EXPECT_EQ(b.burst(Rank::read).size(), 9u);  // the floor of our own requests stays
  EXPECT_EQ(b.burst(Rank::own).size(), 1u);
}

TEST(LimiterBucket, SlowPagesDoNotThrottle) {
  Bucket b(10);
  unsigned granted = 0;
  for (int i = 0; i < 1000; ++i, b.now += 10ms)
    granted += static_cast<unsigned>(b.burst(Rank::read).size());  // none is ever answered
  EXPECT_GE(granted, 85u);
}

TEST(LimiterBucket, ASendThatBeginsLateIsChargedFromThen) {
  Bucket b(10);
  const auto tickets = b.burst(Rank::urgent);
  b.now += 5s;  // connecting took so long: what the first second charged has decayed
  for (const Ticket t : tickets)
    b.limiter.sent(t, b.now);
  EXPECT_EQ(b.burst(Rank::urgent).size(), 0u);
}

TEST(LimiterBucket, OwnGetsItsTwentiethUnderEndlessReads) {
  Bucket b(20);
  unsigned own = 0, reads = 0;
  std::vector<Ticket> mine;
  for (int i = 0; i < 2000; ++i)
    b.ask(Rank::read, 1h);
  for (int i = 0; i < 2000; ++i)
    mine.push_back(b.ask(Rank::own, 1h).ticket);
  for (int i = 0; i < 6000; ++i, b.now += 10ms) {
    for (const Ticket t : b.poll().granted) {
      (std::binary_search(mine.begin(), mine.end(), t) ? own : reads)++;
      b.limiter.answered(t, b.now);
    }
  }
  EXPECT_GE(own + reads, 1180u);  // 60 s of 20/s
  EXPECT_GE(own, 55u);
  EXPECT_LE(own, 75u);
}

TEST(LimiterBucket, NextIsWhenATokenHasRefilled) {
  Bucket b(10);
  for (const Ticket t : b.burst(Rank::urgent))
    b.limiter.answered(t, b.now);
  const auto waits = b.ask(Rank::urgent);
  const auto next = b.limiter.next(b.now);
  ASSERT_TRUE(next);
  EXPECT_NEAR(std::chrono::duration<double>(*next - b.now).count(), 0.1, 0.001);
  b.now = *next;
  EXPECT_EQ(b.poll().granted, std::vector<Ticket>{waits.ticket});
}

TEST(LimiterBucket, WithAllInFlightNextIsTheFirstCharge) {
  Bucket b(10);
  b.burst(Rank::urgent);
  b.ask(Rank::urgent);
  EXPECT_EQ(b.limiter.next(b.now), b.now + 500ms);
}

TEST(LimiterBucket, UsageOverrulesTheConfig) {
  Bucket b(10);
  b.limiter.usage({.rps = 50, .burst = 100, .remaining = 99}, b.now);
  EXPECT_EQ(b.limiter.figures(Rank::urgent, b.now).limit, 100u);
  EXPECT_EQ(b.limiter.figures(Rank::urgent, b.now).remaining, 99u);
  b.limiter.observed({.limit = 50}, b.now);  // the header has the rate, /usage knew the burst
  EXPECT_EQ(b.limiter.figures(Rank::urgent, b.now).limit, 100u);
  b.limiter.usage({.rps = 0, .burst = 0, .remaining = -1}, b.now);
  b.limiter.usage({.rps = std::nan(""), .burst = std::numeric_limits<double>::infinity(), .remaining = 0},
                  b.now);
  EXPECT_EQ(b.limiter.figures(Rank::urgent, b.now).limit, 100u);
}

TEST(LimiterBucket, SomebodyElsesTokensAreMissed) {
  Bucket b(10);
  b.limiter.observed({.limit = 10, .remaining = 3}, b.now);
  const auto left = b.burst(Rank::urgent).size();
  EXPECT_GE(left, 3u);
  EXPECT_LE(left, 4u);
}

TEST(LimiterBucket, TheLastRunsSendsAreMissing) {
  Bucket b(10);
  b.limiter.restore(std::vector<std::chrono::microseconds>(10, 500ms), b.now);
  EXPECT_EQ(b.limiter.figures(Rank::urgent, b.now).remaining, 5u);
}

TEST(LimiterBucket, OneASecondWorks) {
  Bucket b(1);
  const auto first = b.ask(Rank::read);
  ASSERT_TRUE(first.granted);
  b.limiter.answered(first.ticket, b.now);
  const auto second = b.ask(Rank::read);
  EXPECT_FALSE(second.granted);
  b.now = *b.limiter.next(b.now);
  EXPECT_EQ(b.poll().granted, std::vector<Ticket>{second.ticket});
}

}  // namespace
}  // namespace bridge55::gateway
