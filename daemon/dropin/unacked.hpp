// What an app of a drop-in endpoint has been sent and has not acknowledged: how many, and how far a durable
// consumer's place may move. Pure.
#pragma once

#include "daemon/events/event.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>

namespace bridge55::dropin {

class Unacked {
 public:
  // Beyond this many, neighbours are kept as one: those that are done, and where an app without a window has
  // left too many open also those.
  static constexpr std::size_t kMost = 4096;

  void sent(std::uint64_t seq, events::EventId id);
  // Everything up to `seq`; or these alone. The event up to which all is acknowledged; 0: no further than
  // before.
  events::EventId acknowledge_through(std::uint64_t seq);
  events::EventId acknowledge(std::span<const std::uint64_t> seqs);
  std::size_t open() const { return open_; }
  void clear();

 private:
  struct Entry {
    std::uint64_t seq = 0;
    events::EventId id = 0;
    bool done = false;
    std::uint64_t count = 1;  // messages up to it: of several, only a cumulative acknowledgement takes all
  };
  void join_done();
  void thin();
  events::EventId pop_done();

  std::deque<Entry> entries_;  // by seq
  std::size_t open_ = 0;
  std::uint64_t stride_ = 1;
};

}  // namespace bridge55::dropin
