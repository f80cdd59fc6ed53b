// Two sessions of one upstream while the second takes over from the first, in the first one's order: a
// session that acknowledges, or whose socket is full, may lag behind one that has just logged in, and an
// order's older state must not come after its newer one. What the second brings ahead of the first waits for
// it; what the first never brings is released. Nothing is lost or repeated (Merge). Pure: time is a
// parameter.
#pragma once

#include "bridges/upstream/merge.hpp"
#include "daemon/base/clock.hpp"
#include "daemon/events/event.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <string>
#include <unordered_map>

namespace bridge55::upstream {

class HandOver {
 public:
  static constexpr std::chrono::seconds kPatience{8};  // below Merge::kMemory: a late twin is still known
  static constexpr std::size_t kMostHeld = 20'000, kMostBytes = 16u << 20;

  // `news`: to be published. `ticket`: what the second brought and waits here, or waited here and is told
  // with this; 0: nothing.
  struct Arrival {
    bool news = false;
    std::uint64_t ticket = 0;
  };
  Arrival first_brings(const events::Facts& facts, SteadyTime now);
  // `new_channel`: the first one does not have it.
  Arrival second_brings(const events::Facts& facts, bool new_channel, SteadyTime now);
  // Whether it is news, once the first is gone.
  bool second_brings_late(const events::Facts& facts, SteadyTime now);

  // Hands out what has waited too long or takes too much room, or all, in order.
  using Release = std::function<void(const events::Facts& facts, std::uint64_t ticket)>;
  void release_overdue(SteadyTime now, const Release& release);
  void release_all(const Release& release);
  // The first session is not behind the second by more than a moment.
  bool caught_up(SteadyTime now) const;
  std::size_t held() const { return held_.size(); }

 private:
  struct Held {
    std::uint64_t ticket;
    SteadyTime at;
    Merge::Print print;
    std::string bytes;  // of all the views
    events::Facts facts;
  };
  using All = std::list<Held>;
  void hold(const events::Facts& facts, SteadyTime now);
  // The oldest of those that are alike; an empty list: there is none.
  All take_out(const Merge::Print& print);
  void release_first(const Release& release);

  static constexpr unsigned kFirst = 0, kSecond = 1;
  Merge merge_;
  All held_;                                                                        // oldest first
  std::unordered_map<Merge::Print, std::deque<All::iterator>, Merge::Hash> alike_;  // oldest first
  std::size_t held_bytes_ = 0;
  std::uint64_t tickets_ = 0;
};

}  // namespace bridge55::upstream
