#include "daemon/gateway/limiter.hpp"

#include <array>
#include <map>
#include <string>
#include <vector>

#include <algorithm>

#include <gtest/gtest.h>

namespace bridge55::gateway {
namespace {

using namespace std::chrono_literals;
using Ticket = Limiter::Ticket;

const SteadyTime kStart = SteadyTime{} + 24h;

Limiter::Settings window(unsigned requests, std::chrono::milliseconds length = 60s,
                         config::Reserve reserve = {}) {
  return {.rate = {.requests = requests, .window = length, .burst = 0}, .reserve = reserve, .bucket = false};
}

struct Bench {
  explicit Bench(const Limiter::Settings& settings) : limiter(settings) {}
  Limiter::Asked ask(Rank rank, std::string_view app = "a", SteadyClock::duration wait = 5s) {
    return limiter.ask(rank, app, now + wait, now);
  }
  // How many of this rank go at once; what waits is taken out again.
  unsigned burst(Rank rank, std::string_view app = "a") {
    for (unsigned n = 0;; ++n) {
      const auto asked = ask(rank, app);
      if (!asked.granted) {
        EXPECT_TRUE(limiter.leave(asked.ticket));
        return n;
      }
      limiter.answered(asked.ticket, now);
    }
  }
  Limiter::Turn poll() {
    Limiter::Turn turn;
    limiter.poll(now, turn);
    return turn;
  }
  Limiter limiter;
  SteadyTime now = kStart;
};

TEST(Limiter, ReadsLeaveTheReserveAndTheDaemonsFloor) {
  Bench b(window(60));
  EXPECT_EQ(b.burst(Rank::read), 51u);  // 60 - 6 - 3
  EXPECT_EQ(b.burst(Rank::placement), 0u);
  EXPECT_EQ(b.burst(Rank::own), 3u);
  EXPECT_EQ(b.burst(Rank::urgent), 6u);
}

TEST(Limiter, UrgentMayUseEverything) {
  Bench b(window(60));
  EXPECT_EQ(b.burst(Rank::urgent), 60u);
}

TEST(Limiter, UrgentOnesUseUpTheirReserveFirst) {
  Bench b(window(60));
  for (int i = 0; i < 6; ++i)
    b.limiter.answered(b.ask(Rank::urgent).ticket, b.now);
  EXPECT_EQ(b.burst(Rank::read), 51u);
  EXPECT_EQ(b.burst(Rank::own), 3u);
  EXPECT_EQ(b.burst(Rank::urgent), 0u);
}

TEST(Limiter, OwnMayUseWhatNobodyWantsButNotTheReserve) {
  Bench b(window(60));
  EXPECT_EQ(b.burst(Rank::own), 54u);
  EXPECT_EQ(b.burst(Rank::read), 0u);
  EXPECT_EQ(b.burst(Rank::urgent), 6u);
}

TEST(Limiter, ReserveIsAtLeastTwoAndMayBeACount) {
  Bench ten(window(10));
  EXPECT_EQ(ten.burst(Rank::read), 7u);  // 10 - 2 - 1
  Bench count(window(60, 60s, {.fraction = 0.1, .count = 20}));
  EXPECT_EQ(count.burst(Rank::read), 37u);
}

TEST(Limiter, SmallLimitsKeepASharedPlace) {
  const std::map<unsigned, std::array<unsigned, 3>> expected{
      {1, {1, 0, 0}}, {2, {1, 0, 1}}, {3, {1, 1, 1}}, {4, {1, 1, 2}}, {5, {2, 1, 2}}};
  for (const auto& [limit, parts] : expected) {
    Bench b(window(limit, 1s));
    EXPECT_EQ(b.burst(Rank::read), parts[0]) << limit;
    EXPECT_EQ(b.burst(Rank::own), parts[1]) << limit;
    EXPECT_EQ(b.burst(Rank::urgent), parts[2]) << limit;
  }
}

TEST(Limiter, AReserveOfEverythingStillLeavesOnePlace) {
  Bench b(window(10, 1s, {.fraction = 1.0, .count = 0}));
  EXPECT_EQ(b.burst(Rank::read), 1u);
}

TEST(Limiter, APlaceIsHeldUntilAWindowAfterTheAnswerBegan) {
  Bench b(window(1, 1s));
  const auto first = b.ask(Rank::read);
  ASSERT_TRUE(first.granted);
  b.now += 30s;  // a slow answer
  const auto second = b.ask(Rank::read, "a", 10s);
  EXPECT_FALSE(second.granted);
  b.limiter.answered(first.ticket, b.now);
  EXPECT_EQ(b.limiter.next(b.now), b.now + 1s);
  b.now += 1s - 1ns;
  EXPECT_TRUE(b.poll().granted.empty());
  b.now += 1ns;
  EXPECT_EQ(b.poll().granted, std::vector<Ticket>{second.ticket});
}

TEST(Limiter, WhatNeverLeftFreesItsPlaceAtOnce) {
  Bench b(window(1, 1s));
  const auto first = b.ask(Rank::read), second = b.ask(Rank::read);
  b.limiter.unsent(first.ticket, b.now);
  EXPECT_EQ(b.limiter.next(b.now), b.now);
  EXPECT_EQ(b.poll().granted, std::vector<Ticket>{second.ticket});
}

TEST(Limiter, ServesByRankThenRoundRobinOverAppsThenInOrder) {
  Bench b(window(40, 1s, {.fraction = 0, .count = 2}));
  ASSERT_EQ(b.burst(Rank::read), 36u);
  ASSERT_EQ(b.burst(Rank::own), 2u);
  ASSERT_EQ(b.burst(Rank::urgent), 2u);
  std::vector<Ticket> expected;
  const Ticket own = b.ask(Rank::own).ticket;
  const Ticket r1 = b.ask(Rank::read, "x").ticket, r2 = b.ask(Rank::read, "x").ticket;
  const Ticket r3 = b.ask(Rank::read, "y").ticket;
  const Ticket w = b.ask(Rank::write, "x").ticket, p = b.ask(Rank::placement, "y").ticket;
  const Ticket u = b.ask(Rank::urgent, "z").ticket;
  b.now += 1s;
  // The floor is nobody else's: own takes its part of it though others wait.
  EXPECT_EQ(b.poll().granted, (std::vector<Ticket>{own, u, p, w, r1, r3, r2}));
}

TEST(Limiter, CancelsThatKeepComingDoNotStarveTheDaemonsOwn) {
  Bench b(window(40, 1s, {.fraction = 0, .count = 2}));
  b.burst(Rank::read);
  b.burst(Rank::own);
  b.burst(Rank::urgent);
  const Ticket own = b.ask(Rank::own, "bridge", 1h).ticket;
  for (int i = 0; i < 100; ++i)
    b.ask(Rank::urgent, "z", 1h);
  b.now += 1s;
  const auto granted = b.poll().granted;
  EXPECT_NE(std::find(granted.begin(), granted.end(), own), granted.end());
}

TEST(Limiter, ANewcomerDoesNotPassThoseWhoWait) {
  Bench b(window(1, 1s));
  b.burst(Rank::read);
  const auto waits = b.ask(Rank::read, "a");
  b.now += 1s;  // the place is free, nobody has polled yet
  EXPECT_FALSE(b.ask(Rank::read, "b").granted);
  EXPECT_FALSE(b.ask(Rank::own, "b").granted);
  EXPECT_EQ(b.poll().granted, std::vector<Ticket>{waits.ticket});
}

TEST(Limiter, AnUrgentOnePassesWaitingReads) {
  Bench b(window(10, 1s));
  b.burst(Rank::read);
  b.ask(Rank::read);
  EXPECT_TRUE(b.ask(Rank::urgent).granted);
}

TEST(Limiter, OwnIsNotStarvedByReadsWhereNoFloorFits) {
  Bench b(window(1, 1s));
  b.burst(Rank::read);
  const Ticket own = b.ask(Rank::own, "bridge", 1h).ticket;
  unsigned reads = 0;
  for (bool served = false; !served && reads < 100;) {
    b.ask(Rank::read, "greedy", 1h);
    b.now += 1s;
    for (const Ticket t : b.poll().granted) {
      served = t == own;
      reads += t != own;
      b.limiter.answered(t, b.now);
    }
  }
  EXPECT_EQ(reads, 19u);
}

TEST(Limiter, AWaitEndsAtItsDeadline) {
  Bench b(window(1));
  b.burst(Rank::read);
  const auto soon = b.ask(Rank::read, "a", 500ms), later = b.ask(Rank::read, "a", 5s);
  EXPECT_EQ(b.limiter.next(b.now), b.now + 500ms);
  b.now += 500ms;
  EXPECT_EQ(b.poll().expired, std::vector<Ticket>{soon.ticket});
  EXPECT_EQ(b.limiter.next(b.now), b.now + 4500ms);
  EXPECT_TRUE(b.limiter.leave(later.ticket));
  EXPECT_EQ(b.limiter.next(b.now), std::nullopt);
  EXPECT_FALSE(b.limiter.leave(later.ticket));
}

TEST(Limiter, AtItsVeryDeadlineAPlaceStillCounts) {
  Bench b(window(1, 1s));
  b.burst(Rank::read);
  const auto asked = b.ask(Rank::read, "a", 1s);
  b.now += 1s;
  EXPECT_EQ(b.poll().granted, std::vector<Ticket>{asked.ticket});
}

TEST(Limiter, ALatePollSendsNothingThatTheAppHasGivenUp) {
  Bench b(window(1, 1s));
  b.burst(Rank::read);
  const auto asked = b.ask(Rank::placement, "a", 500ms);
  b.now += 10s;
  const auto turn = b.poll();
  EXPECT_TRUE(turn.granted.empty());
  EXPECT_EQ(turn.expired, std::vector<Ticket>{asked.ticket});
}

TEST(Limiter, NobodySendsBeforeUpstreamsRefusalIsOver) {
  Bench b(window(60));
  b.limiter.refused(3s, b.now);
  const auto urgent = b.ask(Rank::urgent, "a", 1min);
  EXPECT_FALSE(urgent.granted);
  EXPECT_EQ(b.limiter.next(b.now), b.now + 3s);
  EXPECT_EQ(b.limiter.figures(Rank::urgent, b.now).remaining, 0u);
  b.now += 3s;
  EXPECT_EQ(b.poll().granted, std::vector<Ticket>{urgent.ticket});
}

TEST(Limiter, RefusalsWithoutATimeBackOffAndOnesTogetherCountOnce) {
  Bench b(window(60));
  b.limiter.refused(std::nullopt, b.now);
  b.limiter.refused(std::nullopt, b.now + 10ms);
  const auto waits = b.ask(Rank::read, "a", 1min);
  EXPECT_EQ(b.limiter.next(b.now), b.now + 1s);
  b.now += 1s;
  EXPECT_EQ(b.poll().granted, std::vector<Ticket>{waits.ticket});
  b.limiter.refused(std::nullopt, b.now);
  b.ask(Rank::read, "a", 1min);
  EXPECT_EQ(b.limiter.next(b.now), b.now + 2s);
  b.now += 2s;
  b.limiter.refused(std::nullopt, b.now);
  EXPECT_EQ(b.limiter.next(b.now), b.now + 4s);
}

TEST(Limiter, HeadersMoveTheLimitUpAndDown) {
  Bench b(window(60));
  b.limiter.observed({.limit = 100}, b.now);
  EXPECT_EQ(b.burst(Rank::urgent), 100u);
  b.now += 61s;
  b.limiter.observed({.limit = 10}, b.now);
  EXPECT_EQ(b.limiter.figures(Rank::read, b.now).limit, 10u);
  EXPECT_EQ(b.burst(Rank::urgent), 10u);
  b.now += 59s;
  EXPECT_EQ(b.burst(Rank::urgent), 0u);  // the configured window stays
  b.limiter.observed({.limit = 10, .window = 1s}, b.now);
  EXPECT_EQ(b.burst(Rank::urgent), 10u);
}

TEST(Limiter, SomebodyElsesSendsCountUntilTheWindowHasPassed) {
  Bench b(window(60));
  const auto asked = b.ask(Rank::read);
  b.limiter.answered(asked.ticket, b.now);
  b.limiter.observed({.limit = 60, .remaining = 40}, b.now);
  EXPECT_EQ(b.limiter.figures(Rank::urgent, b.now).remaining, 40u);
  EXPECT_EQ(b.burst(Rank::urgent), 40u);
  b.now += 60s;
  EXPECT_EQ(b.burst(Rank::urgent), 60u);
}

TEST(Limiter, WhereNothingRemainsUpstreamSaysWhenToTryAgain) {
  Bench b(window(60));
  const LimitHeaders refusal{.limit = 60, .remaining = 0, .reset = 20s, .retry_after = 10s};
  b.limiter.observed(refusal, b.now);
  b.limiter.refused(refusal.pause(), b.now);
  const auto waits = b.ask(Rank::read, "a", 1min);
  EXPECT_FALSE(waits.granted);
  EXPECT_EQ(b.limiter.next(b.now), b.now + 10s);
  b.now += 10s;
  EXPECT_EQ(b.poll().granted, std::vector<Ticket>{waits.ticket});
}

TEST(Limiter, TheSamePhantomsAreNotCountedTwice) {
  Bench b(window(60));
  b.limiter.observed({.remaining = 40}, b.now);
  b.limiter.observed({.remaining = 40}, b.now + 1s);
  EXPECT_EQ(b.limiter.figures(Rank::urgent, b.now + 1s).remaining, 40u);
  b.limiter.observed({.remaining = 55}, b.now + 2s);
  EXPECT_EQ(b.limiter.figures(Rank::urgent, b.now + 2s).remaining, 55u);
}

TEST(Limiter, ALateAnswerAboutPlacesJustFreedInventsNobody) {
  Bench b(window(60));
  for (int i = 0; i < 50; ++i)
    b.limiter.answered(b.ask(Rank::urgent).ticket, b.now);
  b.now += 60s + 50ms;
  const auto asked = b.ask(Rank::read);
  b.limiter.answered(asked.ticket, b.now);
  b.limiter.observed({.remaining = 9}, b.now);  // written 60 ms ago, when the fifty still counted
  EXPECT_EQ(b.limiter.figures(Rank::urgent, b.now).remaining, 59u);
}

TEST(Limiter, AbsurdHeadersAreBounded) {
  Bench b(window(60));
  b.limiter.observed({.limit = 4'000'000'000u, .remaining = 0}, b.now);
  EXPECT_EQ(b.limiter.figures(Rank::read, b.now).limit, 1'000'000u);
  EXPECT_EQ(b.burst(Rank::urgent), 0u);
  b.limiter.observed({.limit = 0}, b.now);
  EXPECT_EQ(b.limiter.figures(Rank::read, b.now).limit, 1'000'000u);
}

TEST(Limiter, AReloadKeepsQueueAndPlaces) {
  Bench b(window(1));
  b.burst(Rank::read);
  const auto waits = b.ask(Rank::read);
  b.limiter.configure(window(4));
  EXPECT_EQ(b.limiter.figures(Rank::urgent, b.now).remaining, 3u);
  EXPECT_TRUE(b.poll().granted.empty());  // of 4: one shared
  b.limiter.configure(window(5, 60s, {.fraction = 0, .count = 2}));
  EXPECT_EQ(b.poll().granted, std::vector<Ticket>{waits.ticket});
}

TEST(Limiter, AReloadThatLeavesTheRateAloneKeepsWhatUpstreamTold) {
  Bench b(window(60));
  b.limiter.observed({.limit = 100}, b.now);
  b.limiter.configure(window(60, 60s, {.fraction = 0.2, .count = 0}));
  EXPECT_EQ(b.burst(Rank::read), 75u);  // 100 - 20 - 5
  b.limiter.configure(window(30));
  EXPECT_EQ(b.limiter.figures(Rank::read, b.now).limit, 30u);
}

TEST(Limiter, TheLastRunsSendsHoldTheirPlaces) {
  Bench b(window(60));
  const std::vector<std::chrono::microseconds> ages{59s, 30s, 0s, 61s, -5s};
  b.limiter.restore(ages, b.now);
  EXPECT_EQ(b.limiter.figures(Rank::urgent, b.now).remaining, 56u);
  EXPECT_EQ(b.limiter.figures(Rank::urgent, b.now + 1s).remaining, 57u);
  EXPECT_EQ(b.limiter.figures(Rank::urgent, b.now + 60s).remaining, 60u);
}

TEST(Limiter, FiguresTellWhenToComeBack) {
  Bench b(window(60));
  for (int i = 0; i < 60; ++i, b.now += 100ms)
    b.limiter.answered(b.ask(Rank::urgent).ticket, b.now);
  EXPECT_EQ(b.limiter.figures(Rank::urgent, b.now).retry_after, 54s);
  b.ask(Rank::urgent);
  const auto figures = b.limiter.figures(Rank::urgent, b.now);
  EXPECT_EQ(figures.retry_after, 54100ms);
  EXPECT_EQ(figures.remaining, 0u);
  EXPECT_EQ(figures.waiting, 1u);
  EXPECT_DOUBLE_EQ(figures.used_ratio, 1.0);
}

TEST(Limiter, AnsweringTwiceOrAStrangersTicketChangesNothing) {
  Bench b(window(10));
  const auto asked = b.ask(Rank::read);
  b.limiter.answered(asked.ticket, b.now);
  b.limiter.answered(asked.ticket, b.now);
  b.limiter.unsent(asked.ticket, b.now);
  b.limiter.unsent(999, b.now);
  EXPECT_EQ(b.limiter.figures(Rank::urgent, b.now).remaining, 9u);
}

}  // namespace
}  // namespace bridge55::gateway
