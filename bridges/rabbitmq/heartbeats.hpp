// When to send a heartbeat and when the broker is dead (AMQP 0-9-1, 4.2.7). Pure: time is a parameter.
#pragma once

#include "daemon/base/clock.hpp"

#include <algorithm>
#include <chrono>

namespace bridge55::rabbitmq {

class Heartbeats {
 public:
  // `interval`: as negotiated; zero turns both off.
  Heartbeats(std::chrono::milliseconds interval, SteadyTime now)
      : interval_(interval), sent_(now), received_(now) {}

  void sent(SteadyTime now) { sent_ = now; }
  void received(SteadyTime now) { received_ = now; }
  // Half the interval, as brokers do themselves: one late packet is no death.
  bool due(SteadyTime now) const { return on() && now - sent_ >= interval_ / 2; }
  // Nothing at all within two intervals. RabbitMQ sends one each half interval, so four were missed.
  bool dead(SteadyTime now) const { return on() && now - received_ >= 2 * interval_; }
  // When to look again; `can_send`: nothing is in the way of a heartbeat.
  SteadyTime next(bool can_send, SteadyTime far) const {
    if (!on()) return far;
    const SteadyTime death = received_ + 2 * interval_;
    return can_send ? std::min(sent_ + interval_ / 2, death) : death;
  }

 private:
  bool on() const { return interval_.count() > 0; }
  std::chrono::milliseconds interval_;
  SteadyTime sent_, received_;
};

}  // namespace bridge55::rabbitmq
