// A circuit breaker for one class of requests to one upstream. Closed until `failures` failures follow each
// other; then open for `open`, then half-open: one probe at a time, whose success closes it and whose failure
// opens it again. Pure. Cancels have one, too, for the figures, and never ask it.
#pragma once

#include "config/config.hpp"
#include "daemon/base/clock.hpp"

#include <chrono>

namespace bridge55::gateway {

class Breaker {
 public:
  enum class State { closed, open, half_open };

  explicit Breaker(const config::Breaker& settings) : settings_(settings) {}
  void configure(const config::Breaker& settings) { settings_ = settings; }

  // True: send it (while half-open: as the probe), and tell what became of it. A probe of which nothing is
  // heard for as long as the breaker stays open is given up for another.
  bool may(SteadyTime now);
  void success(SteadyTime now);
  void failure(SteadyTime now);
  void abandoned(SteadyTime now);  // it left without an outcome (never sent, the app went away): no verdict

  State state(SteadyTime now) const;
  std::chrono::milliseconds retry_after(SteadyTime now) const;  // until the next probe; zero where one may go

 private:
  config::Breaker settings_;
  State state_ = State::closed;
  unsigned failures_ = 0;
  SteadyTime probe_at_{};  // open and half-open: when the next probe may go
};

}  // namespace bridge55::gateway
