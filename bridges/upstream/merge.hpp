// Parallel sessions of one upstream, merged into one stream without duplicates (contract, section 3): an
// arrival is dropped only if its bytes equal an event accepted in the last 10 s that its session has not
// matched yet. Two equal events that really happened stay two: each session brings both. Of a flood beyond
// `kMostRemembered` the oldest are forgotten, and a session that is so far behind repeats them. Pure: time is
// a parameter.
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
  static constexpr std::size_t kMostRemembered = 1u << 17;  // some 20 MB

  // Stands for an event's bytes.
  struct Print {
    std::uint64_t a = 0, b = 0;
    friend bool operator==(const Print&, const Print&) = default;
  };
  struct Hash {
    std::size_t operator()(const Print& print) const { return print.a; }
  };
  static Print print_of(const events::Facts& facts);

  // Whether this arrival is news. `session` is below 32 and may be used again for another session once
  // kMemory has passed.
  bool arrives(unsigned session, const events::Facts& facts, SteadyTime now);

 private:
  struct Accepted {
    SteadyTime at;
    Print print;
  };
  struct Copy {
    SteadyTime at;
    std::uint32_t matched = 0;  // a bit a session
  };
  void forget(SteadyTime before);
  void forget_oldest();

  std::deque<Accepted> accepted_;                              // oldest first
  std::unordered_map<Print, std::vector<Copy>, Hash> copies_;  // of each, oldest first
};

}  // namespace bridge55::upstream
