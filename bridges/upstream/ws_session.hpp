// An upstream event session over a WebSocket: the thin coroutine that connects, feeds the pure parts and does
// what they ask for. Owned by the daemon; I/O thread only. It reads as much as the socket has, hands over
// every message, then flushes the host once.
#pragma once

#include "bridges/source.hpp"
#include "config/config.hpp"
#include "daemon/base/metrics.hpp"

#include <functional>
#include <memory>

namespace boost::asio {
class io_context;
}

namespace bridge55::upstream {

class WsSession final : public bridges::Source {
 public:
  struct Parts {
    boost::asio::io_context& io;  // these three must outlive the session
    bridges::SourceHost& host;
    metrics::Registry& metrics;
    unsigned slot = 0;
    std::string opening_gap;  // reason of the gap that it begins with; empty: none
  };
  WsSession(const Parts& parts, config::Upstream settings);
  // Without `stop` before it, it cuts the connection; the host and the metrics are not touched any more.
  ~WsSession() override;

  void start() override;
  void durable(events::EventId id) override;
  void settled(events::EventId provisional, events::EventId id) override;
  void resume() override;
  bridges::SessionStatus status() const override;
  void stop(std::function<void()> stopped) override;

 private:
  class Run;
  std::shared_ptr<Run>
      run_;  // shared with its coroutine, which may outlive this object by one turn of the loop
};

}  // namespace bridge55::upstream
