// The gateway over AMQP (contract, section 6): takes requests from the sink's queue over a connection of its
// own, with a thread of its own, and hands them to the desk. I/O thread.
#pragma once

#include "bridges/rabbitmq/requests_desk.hpp"
#include "config/config.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>

namespace bridge55::metrics {
class Registry;
}

namespace bridge55::rabbitmq {

class Requests {
 public:
  struct Setup {
    boost::asio::io_context& io;
    metrics::Registry& metrics;
    RequestDesk& desk;  // these three outlive it
    InnerDoor door;
    std::size_t max_message;  // larger ones are answered with 413
  };
  // `sink`: one that has `requests`. Throws std::invalid_argument on a URL that cannot be understood.
  Requests(Setup setup, const config::Sink& sink);
  ~Requests();
  Requests(const Requests&) = delete;
  Requests& operator=(const Requests&) = delete;

  void start();  // throws std::system_error
  void pause();  // takes no more; what was taken is answered
  // Waits for what was taken until the deadline, then closes; `stopped` is called once. What was not
  // acknowledged is delivered again.
  void stop(std::chrono::milliseconds deadline, std::function<void()> stopped);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bridge55::rabbitmq
