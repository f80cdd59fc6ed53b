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
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace bridge55::upstream {

class HandOver {
 public:
  static constexpr std::chrono::seconds kPatience{8};  // below Merge::kMemory: a late twin is still known
  static constexpr std::size_t kMostHeld = 20'000, kMostBytes = 16u << 20;

  // Whether the first session's arrival is to be published.
  bool first_brings(const events::Facts& facts, SteadyTime now);
  // The same of the second's. `new_channel`: the first one does not have it.
  bool second_brings(const events::Facts& facts, bool new_channel, SteadyTime now);
  // The same once the first is gone.
  bool second_brings_late(const events::Facts& facts, SteadyTime now);

  // Hands out what has waited too long or takes too much room, or all, in order.
  using Release = std::function<void(const events::Facts& facts)>;
  void release_overdue(SteadyTime now, const Release& release);
  void release_all(const Release& release);
  // The first session is not behind the second by more than a moment.
  bool caught_up(SteadyTime now) const;
  std::size_t held() const { return held_.size(); }

 private:
  struct Held {
    SteadyTime at;
    Merge::Print print;
    std::string bytes;  // of all the views
    events::Facts facts;
  };
  static std::unique_ptr<Held> hold(const events::Facts& facts, SteadyTime now);
  void release_first(const Release& release);

  static constexpr unsigned kFirst = 0, kSecond = 1;
  Merge merge_;
  std::deque<std::unique_ptr<Held>> held_;
  std::size_t held_bytes_ = 0;
};

}  // namespace bridge55::upstream
