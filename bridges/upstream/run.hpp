// The inside of WsSession, shared by ws_session.cpp (reading, writing) and run.cpp (connecting, doing what
// the deciding parts ask for).
#pragma once

#include "bridges/upstream/lifecycle.hpp"
#include "bridges/upstream/session.hpp"
#include "bridges/upstream/ws_session.hpp"
#include "daemon/net/stream.hpp"

#include <functional>
#include <memory>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

namespace bridge55::net {
struct Endpoint;
}

namespace bridge55::upstream {

namespace asio = boost::asio;
using boost::asio::awaitable;
using boost::system::error_code;

class WsSession::Run final : public Actions, public std::enable_shared_from_this<Run> {
 public:
  Run(const Parts& parts, config::Upstream settings);

  asio::io_context& io() { return io_; }
  void starting() { started_ = true; }
  awaitable<void> run();
  void durable(events::EventId id);
  void settled(events::EventId provisional, events::EventId id);
  void resume();
  bridges::SessionStatus status() const;
  void stop(std::function<void()> stopped);
  void abandon();

 private:
  awaitable<End> live();
  awaitable<bool> open(End& end);  // false: `end` says why
  awaitable<bool> connect(const net::Endpoint& endpoint, End& end);
  awaitable<bool> upgrade(const net::Endpoint& endpoint, End& end);
  awaitable<void> read();
  awaitable<void> pause();
  awaitable<void> say_goodbye(const End& end);
  static awaitable<void> write_rest(std::shared_ptr<Run> self, std::uint64_t connection);
  void take_messages();
  void flush();
  End end_of_read(const error_code& error) const;
  End failure(Cause cause, std::string_view what, const error_code& error) const;
  void wake();
  void drop_stream();
  void count_reconnect(Cause cause);

  // Actions
  void send(std::string_view text) override;
  void send_control(ws::Kind kind, std::string_view data) override;
  events::EventId publish(const events::Facts& facts, bool may_repeat) override;
  void say(std::string_view channel, std::string_view event, std::string_view payload) override;
  void log(bool warning, std::string_view message, std::string_view about) override;
  void count(Counter counter) override;
  void answered(std::string_view login_answer) override;
  void logged_in(std::string_view subscription, std::string_view channels) override;

  asio::io_context& io_;
  bridges::SourceHost& host_;
  metrics::Registry& metrics_;
  const config::Upstream settings_;
  const std::unique_ptr<Protocol> protocol_;
  Session session_;
  Lifecycle lifecycle_;
  std::shared_ptr<net::TlsContext> tls_;

  std::unique_ptr<net::Stream> stream_;
  std::uint64_t connection_ = 0;  // counts streams, so that a writer of an old one knows
  ws::FrameReader reader_;
  std::string outgoing_;
  bool corked_ = false, writing_ = false;
  std::uint16_t violated_ = 0;  // close code for a violation
  asio::steady_timer timer_;    // retry delay, or a pause

  bool started_ = false, stopping_ = false, abandoned_ = false, pausing_ = false, counted_up_ = false;
  std::function<void()> stopped_;
  metrics::Value *up_ = nullptr, *last_message_ = nullptr, *counters_[5] = {};
};

}  // namespace bridge55::upstream
