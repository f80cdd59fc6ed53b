// What one request costs in the limiter while 10,000 wait. The budget: ask, poll and leave below 2 µs each.
#include "daemon/gateway/limiter.hpp"

#include <benchmark/benchmark.h>
#include <chrono>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using namespace bridge55;
using gateway::Limiter;
using gateway::Rank;

struct Crowd {
  explicit Crowd(std::size_t count)
      : limiter({.rate = {.requests = 60, .window = 1min, .burst = 0}, .reserve = {}, .bucket = false}) {
    for (std::size_t i = 0; i < count; ++i)
      apps.push_back("application-number-" + std::to_string(i));
    for (std::size_t i = 0; i < 10'000; ++i) {
      const auto asked = limiter.ask(Rank::read, app(i), now + 1h + i * 7919 % 10'000 * 1ms, now);
      if (asked.granted) limiter.answered(asked.ticket, now);
    }
  }
  const std::string& app(std::size_t i) const { return apps[i % apps.size()]; }

  SteadyTime now = SteadyTime{} + 24h;
  Limiter limiter;
  std::vector<std::string> apps;
};

void ask_and_leave(benchmark::State& state) {
  Crowd crowd(static_cast<std::size_t>(state.range(0)));
  std::size_t i = 0;
  for (auto _ : state) {
    const auto asked = crowd.limiter.ask(Rank::read, crowd.app(i++), crowd.now + 30min, crowd.now);
    crowd.limiter.leave(asked.ticket);
  }
}

void poll_nothing_to_do(benchmark::State& state) {
  Crowd crowd(static_cast<std::size_t>(state.range(0)));
  Limiter::Turn turn;
  for (auto _ : state) {
    crowd.limiter.poll(crowd.now, turn);
    benchmark::DoNotOptimize(crowd.limiter.next(crowd.now));
  }
}

// A place frees, its turn comes, it is answered, and another joins the queue.
void ask_turn_and_answer(benchmark::State& state) {
  Crowd crowd(static_cast<std::size_t>(state.range(0)));
  Limiter::Turn turn;
  std::size_t i = 0;
  for (auto _ : state) {
    crowd.limiter.ask(Rank::read, crowd.app(i++), crowd.now + 24h, crowd.now);
    crowd.now = *crowd.limiter.next(crowd.now);
    turn.granted.clear();
    crowd.limiter.poll(crowd.now, turn);
    for (const auto ticket : turn.granted)
      crowd.limiter.unsent(ticket, crowd.now);
  }
}

BENCHMARK(ask_and_leave)->Arg(1)->Arg(1'000);
BENCHMARK(poll_nothing_to_do)->Arg(1)->Arg(1'000);
BENCHMARK(ask_turn_and_answer)->Arg(1)->Arg(1'000);

}  // namespace

BENCHMARK_MAIN();
