// Moves one sink along the journal: reads durable events, applies the routes, offers deliveries while the
// sink has room, and stores the cursor as confirms come in. One for each sink; I/O thread only. Whoever
// destroys it drops its metrics (label `sink`) first.
#pragma once

#include "bridges/sink.hpp"
#include "daemon/events/cursor.hpp"
#include "daemon/events/routes.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace bridge55::events {

class SinkPump {
 public:
  struct Status {
    std::string name;
    bridges::SinkState state = bridges::SinkState::connecting;
    std::string reason;
    WallMicros since = 0;
    EventId confirmed_id = 0;
    std::uint64_t lag_events = 0;
    double lag_seconds = 0;
  };

  SinkPump(Hub& hub, metrics::Registry& metrics, std::string name, std::unique_ptr<bridges::Sink> sink,
           SinkRoutes routes);
  ~SinkPump();

  // Goes on after the stored cursor (0: from the earliest event held).
  void start(EventId after);
  void set_routes(SinkRoutes routes) { routes_ = std::move(routes); }  // for events not yet offered
  void stop(std::chrono::milliseconds deadline, std::function<void()> stopped);
  const std::string& name() const { return name_; }
  EventId confirmed_id() const { return confirmed_; }
  Status status() const;

 private:
  void pump();
  void offer(std::span<const EventPtr> events);
  void confirmed(EventId id);
  void changed(bridges::SinkState state, const std::string& reason);
  void unroutable(std::size_t route, const std::string& routing_key, const std::string& why);
  void say_loss();
  void stop_if_done();

  Hub& hub_;
  std::string name_;
  std::unique_ptr<bridges::Sink> sink_;
  SinkRoutes routes_;
  std::unique_ptr<Cursor> cursor_;
  EventId confirmed_ = 0;      // everything up to here is safe with the far side, or was not for it
  EventId offered_ = 0;        // the last event that was given to the sink
  std::uint64_t backlog_ = 0;  // events in the journal behind the cursor when it started
  std::uint64_t published_at_start_ = 0;
  std::uint64_t done_ = 0;  // events since the start that are confirmed or were not for this sink
  struct Batch {            // what was offered at once and is not yet confirmed as a whole
    EventId last = 0;
    WallMicros received_at = 0;  // of the last
    std::uint32_t events = 0, wanted = 0;
  };
  std::deque<Batch> batches_;
  bridges::SinkState state_ = bridges::SinkState::connecting;
  std::string reason_;
  WallMicros since_ = 0;
  bool pumping_ = false, stopping_ = false;
  EventId stop_after_ = 0;
  SteadyTime stop_deadline_;
  std::function<void()> stopped_;  // set once a stop was asked for
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::vector<bool> said_unroutable_;
  std::vector<Target> targets_;
  metrics::Value &up_, &confirmed_total_, &unroutable_total_;
  metrics::Histogram& latency_;
};

}  // namespace bridge55::events
