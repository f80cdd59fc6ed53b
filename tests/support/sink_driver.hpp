// A sink as the daemon drives it, for tests: numbered events offered while there is room, everything it
// reports kept.
#pragma once

#include "bridges/rabbitmq/make_rabbitmq.hpp"
#include "daemon/base/metrics.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

namespace bridge55::test {

struct EventText {
  std::string source = "abp", channel = "orders", name = "UPDATE", seq = "1", raw;
};
events::EventPtr make_event(events::EventId id, const std::string& payload, const EventText& text = {});

class SinkDriver {
 public:
  explicit SinkDriver(const config::Sink& settings);
  ~SinkDriver();

  // Runs the I/O thread's work here until the condition holds; false: the deadline came.
  bool until(const std::function<bool()>& condition,
             std::chrono::seconds deadline = std::chrono::seconds(20));
  bool until_state(bridges::SinkState state, std::chrono::seconds deadline = std::chrono::seconds(20));
  bool until_confirmed(events::EventId id, std::chrono::seconds deadline = std::chrono::seconds(20));

  void offer(events::EventPtr event, const std::string& routing_key = "abp.orders.update");
  // Queues events `first` to `last` and offers them as room comes, as the pump does.
  void feed(events::EventId first, events::EventId last,
            const std::string& routing_key = "abp.orders.update");
  bool stop(std::chrono::milliseconds deadline);

  boost::asio::io_context io;
  metrics::Registry registry;
  std::unique_ptr<bridges::Sink> sink;
  bridges::SinkState state = bridges::SinkState::connecting;
  std::string reason;
  std::vector<std::pair<bridges::SinkState, std::string>> states;
  std::vector<events::EventId> confirmed;
  std::vector<std::tuple<std::size_t, std::string, std::string>> unroutable;
  int stopped = 0;

 private:
  void pump();
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  events::EventId next_ = 1, last_ = 0;
  std::string routing_key_;
};

}  // namespace bridge55::test
