// Parallel sessions of one upstream, merged into one stream without duplicates (contract, section 3): an
// arrival is dropped only if its bytes equal an event accepted in the last 10 s that its session has not
// matched yet. Two equal events that really happened stay two: each session brings both. Pure: time is a
// parameter.
#pragma once

#include "daemon/base/clock.hpp"
#include "daemon/events/event.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

namespace bridge55::upstream {

class Merge {
 public:
  static constexpr std::chrono::seconds kMemory{10};
  static constexpr unsigned kMostSessions = 32;

  // Stands for an event's bytes.
  struct Print {
    std::uint64_t a = 0, b = 0;
    friend bool operator==(const Print&, const Print&) = default;
  };
  static Print print_of(const events::Facts& facts);

  // Whether this arrival is news. `session` is below kMostSessions and may be used again for another session
  // once kMemory has passed.
  bool arrives(unsigned session, const events::Facts& facts, SteadyTime now);
  std::size_t remembered() const { return accepted_.size(); }

 private:
  struct Hash {
    std::size_t operator()(const Print& print) const { return print.a; }
  };
  struct Accepted {
    SteadyTime at;
    Print print;
  };
  struct Copy {
    SteadyTime at;
    std::uint32_t matched = 0;  // a bit a session
  };
  void forget(SteadyTime before);

  std::deque<Accepted> accepted_;                              // oldest first
  std::unordered_map<Print, std::vector<Copy>, Hash> copies_;  // of each, oldest first
};

}  // namespace bridge55::upstream
