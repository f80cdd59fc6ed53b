// The contract between the daemon and one outgoing party (a RabbitMQ connection). The daemon reads the
// journal, applies the routes and offers deliveries in id order; the sink publishes them, keeps them until
// they are confirmed, and reports back. Every method and every handler runs on the I/O thread; a sink with a
// thread of its own posts.
#pragma once

#include "config/config.hpp"
#include "daemon/events/event.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace bridge55::bridges {

struct Delivery {
  events::EventPtr event;
  std::string exchange;  // empty: the sink's own
  std::string routing_key;
  config::BodyMode body = config::BodyMode::envelope;
  std::size_t route = 0;      // position in the config's list
  bool last_of_event = true;  // the event is confirmed once its last delivery and all before it are
};

enum class SinkState { connecting, up, blocked, down };

class Sink {
 public:
  struct Handlers {
    std::function<void(events::EventId id)>
        confirmed;               // everything offered up to this event is safe with the far side
    std::function<void()> room;  // there is room again after `room()` was 0
    std::function<void(SinkState state, const std::string& reason)> state;
    std::function<void(std::size_t route, const std::string& routing_key, const std::string& why)>
        unroutable;  // counted for every one
  };

  virtual ~Sink() = default;
  virtual void start(Handlers handlers) = 0;
  // How many deliveries may be offered now: the window less what is unconfirmed.
  virtual std::size_t room() const = 0;
  virtual void offer(std::vector<Delivery> deliveries) = 0;
  // Waits for outstanding confirms until the deadline, then closes; `stopped` is called once, on the I/O
  // thread.
  virtual void stop(std::chrono::milliseconds deadline, std::function<void()> stopped) = 0;
};

}  // namespace bridge55::bridges
