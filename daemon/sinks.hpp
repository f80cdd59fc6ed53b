// The outgoing side of a config: a pump for each RabbitMQ sink, a feed of the local server for each UNIX
// sink. Starts, replaces and stops them; I/O thread only.
#pragma once

#include "bridges/rabbitmq/requests.hpp"
#include "config/config.hpp"
#include "daemon/events/hub.hpp"
#include "daemon/events/sink_pump.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace boost::asio {
class io_context;
}

namespace bridge55 {

namespace local {
class Server;
}

class Sinks {
 public:
  using Routes = std::optional<std::vector<config::Route>>;

  Sinks(boost::asio::io_context& io, events::Hub& hub, metrics::Registry& metrics, local::Server& server);
  ~Sinks();

  // The largest request that a queue may hold, from here on: http.max_body.
  void set_max_message(std::size_t bytes) { max_message_ = bytes; }
  // `cursors`: where each sink stood. A sink that was never seen before begins with what comes from now on.
  void start(const std::vector<config::Sink>& wanted, const Routes& routes,
             const std::map<std::string, events::EventId>& cursors);
  // Sinks that are not down and whose own settings did not change keep their connection; changed routes count
  // for events not yet offered.
  void apply(const std::vector<config::Sink>& wanted, const Routes& routes);
  // No more requests are taken from queues; those under way are answered.
  void pause_requests();
  void stop(std::chrono::milliseconds deadline, std::function<void()> stopped);
  std::vector<events::SinkPump::Status> status() const;
  // The lowest confirmed id of all sinks that keep a cursor; nothing where there is none.
  std::optional<events::EventId> lowest_cursor() const;

 private:
  void add(const config::Sink& settings, const Routes& routes, events::EventId after);
  void add_requests(const config::Sink& settings);
  void remove(const config::Sink& settings);

  boost::asio::io_context& io_;
  events::Hub& hub_;
  metrics::Registry& metrics_;
  local::Server& server_;
  std::vector<config::Sink> settings_;
  std::map<std::string, std::unique_ptr<events::SinkPump>> pumps_;
  rabbitmq::RequestDesk desk_;
  std::map<std::string, std::unique_ptr<rabbitmq::Requests>> requests_;  // by sink
  std::size_t max_message_ = 0;
  std::map<std::string, events::EventId> cursors_;  // of sinks whose pump is being replaced
  std::map<std::string, WallMicros> feeds_;         // UNIX sinks, since when
};

}  // namespace bridge55
