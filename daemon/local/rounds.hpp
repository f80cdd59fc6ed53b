// Which of many TCP streams are written to when an event comes. A write to a loopback TCP socket costs 3 to 5
// µs whatever it carries (one to a UNIX socket a third of that: those never wait), so a hundred streams at a
// thousand events a second would take half a core. Where streams are many and events come quickly, each
// stream takes its turn every k-th time and then gets k events in one write; an event waits for kLongest at
// most, and not at all where streams are few or events are rare. Pure: time is a parameter.
#pragma once

#include "daemon/base/clock.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace bridge55::local {

class Rounds {
 public:
  static constexpr std::size_t kMany = 48;  // fewer are written to in under a quarter of a millisecond
  static constexpr std::chrono::microseconds kLongest{1100};
  static constexpr std::uint64_t kMostGroups = 16;

  // Events came, and all streams are about to be woken.
  void begin(SteadyTime now, std::size_t streams) {
    // Averaged over a few rounds: one burst is no rate. A pause counts as its end.
    const auto gap = std::min<SteadyClock::duration>(now - began_, 8 * kLongest);
    began_ = now;
    average_ += (gap - average_) / 4;
    ++round_;
    groups_ =
        streams < kMany
            ? 1
            : std::min<std::uint64_t>(
                  1 + static_cast<std::uint64_t>(kLongest / std::max(average_, SteadyClock::duration(1))),
                  kMostGroups);
  }
  // Whether the stream with this number is written to in this round.
  bool takes_turn(std::uint64_t number) const { return (number + round_) % groups_ == 0; }
  std::uint64_t groups() const { return groups_; }
  SteadyTime began() const { return began_; }

 private:
  SteadyTime began_{};
  SteadyClock::duration average_ = 8 * kLongest;
  std::uint64_t round_ = 0, groups_ = 1;
};

}  // namespace bridge55::local
