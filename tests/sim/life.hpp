#pragma once
// Where events come from: a life of orders and bets with a book behind it, or pre-rendered events for
// benchmarks.

#include "tests/sim/book.hpp"
#include "tests/sim/options.hpp"
#include "tests/sim/types.hpp"

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace bridge55::sim {

/// Tells the next event. Views in the message hold until the next call. One thread.
class EventSource {
 public:
  virtual ~EventSource() = default;
  virtual Message next() = 0;
};

/// splitmix64: small, fast and the same on every machine, so that a seed names a story.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  bool one_in(std::uint64_t n) { return n != 0 && below(n) == 0; }
  template <class List>
  const auto& pick(const List& list) {
    return list[below(list.size())];
  }
  std::string hex(std::size_t digits);
  std::string uuid();

 private:
  std::uint64_t state_;
};

/// Fixtures with scores, shared in shape by ABP's `fixtures` and MM's `scores`.
struct Fixture {
  std::string id, home, away, tournament;
  std::int64_t home_goals = 0, away_goals = 0, minute = 1;
};

std::vector<Fixture> make_fixtures();

/// The frame's beginning, up to the payload.
std::string frame_head(Api api, unsigned channel, std::string_view event);

std::unique_ptr<EventSource> make_abp_life(const Options& options, Book& book);
std::unique_ptr<EventSource> make_mm_life(const Options& options, Book& book);
std::unique_ptr<EventSource> make_bench(Api api, const Options& options);

}  // namespace bridge55::sim
