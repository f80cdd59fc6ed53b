// Under any mix of arrivals, latencies, ranks and apps upstream never sees more than its limit, where it
// counts a request at any moment between its sending and its answer; nobody waits for ever and no timer
// spins.
#include "daemon/gateway/limiter.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <queue>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include <gtest/gtest.h>

namespace bridge55::gateway {
namespace {

using namespace std::chrono_literals;
using Ticket = Limiter::Ticket;
using Micros = std::chrono::microseconds;

struct Moment {
  SteadyTime at;
  enum class What { ask, answer, unsent, leave, timer } what;
  Ticket ticket = 0;
  bool operator<(const Moment& other) const { return at > other.at; }  // the earliest on top
};

struct World {
  World(unsigned seed, const Limiter::Settings& settings) : random(seed), s(settings), limiter(settings) {}

  Micros upto(Micros most) {
    return Micros(std::uniform_int_distribution<std::int64_t>(0, most.count())(random));
  }
  bool chance(double p) { return std::bernoulli_distribution(p)(random); }

  void run(int requests, Micros gap, Micros latency) {
    for (int i = 0; i < requests; ++i)
      moments.push({now + upto(gap * requests), Moment::What::ask, 0});
    while (!moments.empty()) {
      const Moment moment = moments.top();
      moments.pop();
      if (moment.what == Moment::What::timer && moment.at != timer) continue;
      now = moment.at;
      ASSERT_LT(++steps, requests * 40) << "a timer that spins";
      happen(moment, latency);
      Limiter::Turn turn;
      if (moment.what == Moment::What::timer || chance(0.5)) limiter.poll(now, turn);
      for (const Ticket t : turn.granted)
        granted(t, latency);
      expired += turn.expired.size();
      timer = limiter.next(now).value_or(SteadyTime::max());
      ASSERT_GE(timer, now);
      if (timer != SteadyTime::max()) moments.push({timer, Moment::What::timer, 0});
    }
    EXPECT_EQ(limiter.figures(Rank::own, now).waiting, 0u);
  }

  void happen(const Moment& moment, Micros latency) {
    switch (moment.what) {
      case Moment::What::ask: {
        const Rank rank = urgent_only ? Rank::urgent : static_cast<Rank>(upto(Micros(4)).count());
        const std::string app(1, static_cast<char>('a' + upto(Micros(3)).count()));
        const auto asked = limiter.ask(rank, app, now + upto(2 * s.rate.window), now);
        if (asked.granted) return granted(asked.ticket, latency);
        if (chance(0.1)) moments.push({now + upto(s.rate.window), Moment::What::leave, asked.ticket});
        return;
      }
      case Moment::What::answer:
        return limiter.answered(moment.ticket, now);
      case Moment::What::unsent:
        return limiter.unsent(moment.ticket, now);
      case Moment::What::leave:
        limiter.leave(moment.ticket);
        return;
      case Moment::What::timer:
        return;
    }
  }

  void granted(Ticket ticket, Micros latency) {
    const SteadyTime answer = now + upto(latency);
    if (chance(0.1)) return moments.push({now + upto(2s), Moment::What::unsent, ticket});
    // As the request arrives, as its answer leaves, or anywhere between: the extremes are what breaks limits.
    const Micros life = std::chrono::duration_cast<Micros>(answer - now);
    counted.push_back(chance(0.3) ? now : chance(0.5) ? answer : now + upto(life));
    moments.push({answer, Moment::What::answer, ticket});
  }

  std::mt19937 random;
  Limiter::Settings s;
  Limiter limiter;
  SteadyTime now = SteadyTime{} + 24h, timer{};
  std::priority_queue<Moment> moments;
  std::vector<SteadyTime> counted;  // when upstream counted
  std::size_t expired = 0;
  int steps = 0;
  bool urgent_only = false;  // they leave no reserve unused, and so the limit no slack
};

TEST(LimiterProperty, TheTrueSlidingMaximumNeverExceedsTheLimit) {
  for (unsigned seed = 0; seed < 2000; ++seed) {
    std::mt19937 random(seed);
    const std::array<unsigned, 8> limits{1, 2, 3, 4, 5, 10, 20, 60};
    const unsigned limit = limits[seed % limits.size()];
    const Micros window = seed % 3 == 0 ? 60s : 1s;
    World world(seed, {.rate = {.requests = limit,
                                .window = std::chrono::duration_cast<config::Duration>(window),
                                .burst = 0},
                       .reserve = {},
                       .bucket = false});
    world.urgent_only = seed % 7 == 0;
    const auto gap = window / limit / (1 + seed / 8 % 4);
    world.run(200, gap, window * (seed % 5) / 2);
    if (HasFatalFailure()) FAIL() << "seed " << seed;
    std::sort(world.counted.begin(), world.counted.end());
    for (std::size_t i = limit; i < world.counted.size(); ++i)
      ASSERT_GE(world.counted[i] - world.counted[i - limit], window) << "seed " << seed;
    ASSERT_GT(world.counted.size(), 20u) << "seed " << seed;
  }
}

TEST(LimiterProperty, ATokenBucketUpstreamNeverRunsEmpty) {
  for (unsigned seed = 0; seed < 2000; ++seed) {
    const std::array<unsigned, 6> rates{1, 2, 5, 10, 50, 200};
    const unsigned rate = rates[seed % rates.size()];
    const unsigned burst = seed % 2 == 0 ? 0 : 1 + seed % 30;
    World world(seed,
                {.rate = {.requests = rate, .window = 1s, .burst = burst}, .reserve = {}, .bucket = true});
    world.urgent_only = seed % 5 < 3;
    world.run(200, Micros(1s) / rate / (1 + seed / 36 % 4),
              seed / 6 % 6 * 100ms);  // counted within half a second
    if (HasFatalFailure()) FAIL() << "seed " << seed;
    std::sort(world.counted.begin(), world.counted.end());
    const double size = burst > 0 ? burst : rate;
    double level = size;
    SteadyTime last{};
    for (const SteadyTime at : world.counted) {
      level = std::min(size, level + rate * std::chrono::duration<double>(at - last).count()) - 1;
      last = at;
      ASSERT_GE(level, -1e-3) << "seed " << seed;
    }
  }
}

// With readers that are always hungry the window is used to its last shared place.
TEST(LimiterProperty, NothingThatFitsIsLeftUnused) {
  Limiter limiter({.rate = {.requests = 60, .window = 60s, .burst = 0}, .reserve = {}, .bucket = false});
  SteadyTime now = SteadyTime{} + 24h;
  const SteadyTime end = now + 10min;
  unsigned granted = 0;
  for (int i = 0; i < 1000; ++i)
    if (const auto asked = limiter.ask(Rank::read, "a", now + 1h, now); asked.granted) {
      limiter.answered(asked.ticket, now);
      ++granted;
    }
  while (const auto next = limiter.next(now)) {
    if (*next >= end) break;
    now = *next;
    Limiter::Turn turn;
    limiter.poll(now, turn);
    for (const Ticket t : turn.granted)
      limiter.answered(t, now);
    granted += static_cast<unsigned>(turn.granted.size());
  }
  EXPECT_EQ(granted, 510u);
}

}  // namespace
}  // namespace bridge55::gateway
