// A standing relay over its connections: which state it is in, what is said of that, which gap is open, when
// to try again. Pure: times and random numbers are parameters. I/O thread only.
//
// What is said is bounded by what changes: in one outage CONNECTING once, and DOWN or REJECTED once for each
// different reason.
#pragma once

#include "bridges/scraping/standing/ends.hpp"
#include "bridges/source.hpp"
#include "config/config.hpp"
#include "daemon/base/backoff.hpp"
#include "daemon/base/clock.hpp"

#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <string_view>

namespace bridge55::scraping::standing {

struct Now {
  SteadyTime steady;
  WallMicros wall = 0;
};

// Hears what a life has to say: channel `session` or `gap`; `members` is what stands in the payload behind
// source and relay, each member with a comma in front.
class Voice {
 public:
  virtual ~Voice() = default;
  virtual void say(std::string_view channel, std::string_view event, std::string_view members) = 0;
};

class Life {
 public:
  struct Parts {
    config::Retry retry;
    Voice& voice;             // must outlive it
    std::string opening_gap;  // why nobody knows what was missed before the start; empty: nothing was
    std::uint32_t seed = 0;
  };
  explicit Life(const Parts& parts);

  void trying(Now now);
  void came_up(Now now, std::string_view node);
  // The attempt or the connection ended; how long to wait until the next. `heard`: when the far side last
  // said something (0: never).
  config::Duration ended(const End& end, Now now, WallMicros heard);
  void stopped(Now now);
  // Our own reading stopped (full inbox) for so long that the vendor may have dropped something.
  void paused(Now now);
  void resumed(Now now);

  bridges::SessionState state() const { return state_; }
  const std::string& reason() const { return reason_; }  // of the last end, also while it is up again
  const std::string& node() const { return node_; }
  WallMicros since() const { return since_; }
  std::uint64_t reconnects() const { return reconnects_; }
  const std::string& gap() const { return gap_; }  // the open one's reason; empty: none
  WallMicros gap_since() const { return gap_since_; }

 private:
  void change(bridges::SessionState state, Now now);
  config::Duration delay_after(const End& end, Now now);
  void open_gap(std::string_view reason, WallMicros from, Now now);
  void close_gap(Now now);

  Voice& voice_;
  std::minstd_rand random_;
  Backoff backoff_;
  bridges::SessionState state_ = bridges::SessionState::connecting;
  WallMicros since_ = 0;
  std::string reason_, node_, opening_gap_;
  std::uint64_t reconnects_ = 0;
  bool ever_tried_ = false, was_up_ = false;
  SteadyTime up_since_;
  std::set<std::string> said_;  // reasons of this outage
  std::string gap_;
  WallMicros gap_from_ = 0, gap_since_ = 0;
};

// Members of a payload, each with a comma in front.
std::string text_member(std::string_view name, std::string_view value);
std::string number_member(std::string_view name, std::uint64_t value);
std::string time_member(std::string_view name, WallMicros value);  // empty for 0

}  // namespace bridge55::scraping::standing
