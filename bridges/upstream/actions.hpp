// What the deciding parts of a session ask for. The coroutine in ws_session.cpp does it; tests record it.
#pragma once

#include "daemon/base/clock.hpp"
#include "daemon/events/event.hpp"
#include "daemon/net/ws_frames.hpp"

#include <string_view>

namespace bridge55::upstream {

// Both clocks at one moment: durations by the first, what people read by the second.
struct Now {
  SteadyTime steady;
  WallMicros wall = 0;
};

enum class Counter { duplicate, ignored, quarantined, gap_detected, gap_unrecovered };

class Actions {
 public:
  virtual ~Actions() = default;
  virtual void send(std::string_view text) = 0;                         // a text frame
  virtual void send_control(ws::Kind kind, std::string_view data) = 0;  // a ping or pong
  virtual events::EventId publish(const events::Facts& facts, bool may_repeat) = 0;
  virtual void say(std::string_view channel, std::string_view event, std::string_view payload) = 0;
  virtual void log(bool warning, std::string_view message, std::string_view about) = 0;
  virtual void count(Counter counter) = 0;
  // The login's answer as it came, ahead of `logged_in`.
  virtual void answered(std::string_view /*login_answer*/) {}
  // The login was answered, or needs no answer.
  virtual void logged_in(std::string_view subscription, std::string_view channels) = 0;
};

}  // namespace bridge55::upstream
