// A session over its connections: which state it is in, what is said of that, which gap is open, when to try
// again. Pure: times and random numbers are parameters. I/O thread only.
//
// What is said is bounded by what changes: in one outage CONNECTING once, and DOWN or REJECTED once for each
// different reason, however often a connection is tried.
#pragma once

#include "bridges/source.hpp"
#include "bridges/upstream/actions.hpp"
#include "bridges/upstream/ends.hpp"
#include "config/config.hpp"
#include "daemon/base/backoff.hpp"

#include <random>
#include <set>
#include <string>

namespace bridge55::upstream {

class Lifecycle {
 public:
  struct Parts {
    const config::Upstream& settings;  // must outlive it, and so must `actions`
    unsigned slot;
    Actions& actions;
    std::string opening_gap;  // why nobody knows what was missed before the start; empty: nothing was
    std::uint32_t seed;
  };
  explicit Lifecycle(const Parts& parts);

  void trying(Now now);
  void came_up(Now now, std::string_view subscription, std::string_view channels);
  // The attempt or the session ended; how long to wait until the next. `last_traffic`: when something was
  // last heard.
  config::Duration ended(const End& end, Now now, WallMicros last_traffic);
  void stopped(Now now);
  // Our own reading stopped (full inbox) for long enough that the vendor's buffers may have overflown.
  void paused(Now now);
  void resumed(Now now);

  const bridges::SessionStatus& status() const { return status_; }

 private:
  void change(bridges::SessionState state, std::string reason, Now now);
  void say_state(std::string_view event, std::string payload);
  config::Duration delay_after(const End& end, Now now);
  void open_gap(std::string_view reason, WallMicros from);
  void close_gap(Now now);

  const config::Upstream& settings_;
  unsigned slot_;
  Actions& actions_;
  std::minstd_rand random_;
  Backoff backoff_;
  bridges::SessionStatus status_;
  bool ever_tried_ = false, was_up_ = false;
  SteadyTime up_since_;
  bool returned_at_once_ = false;
  SteadyTime returned_at_;
  std::set<std::string> said_;  // reasons of this outage
  std::string gap_reason_;      // of the open gap; empty: none
  WallMicros gap_from_ = 0;
};

}  // namespace bridge55::upstream
