// The local door: everything that programs on this machine connect to. Listeners, HTTP endpoints, event
// streams over SSE, WebSocket and UNIX sockets, durable consumer names (contract, sections 5, 9 and 10).
// Made, used and destroyed on the I/O thread; must not outlive the hub, the registry or the io_context.
#pragma once

#include "config/config.hpp"
#include "daemon/events/hub.hpp"
#include "daemon/events/journal.hpp"
#include "daemon/events/routes.hpp"
#include "daemon/local/app.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace boost::asio {
class io_context;
}
namespace bridge55::metrics {
class Registry;
}

namespace bridge55::local {

class Handler;
class Inner;

struct Settings {
  std::vector<config::Listen> listen;
  config::Http http;
  std::optional<std::vector<config::Client>> clients;  // absent: section 9's defaults
  config::Duration consumers_expire = std::chrono::hours(24 * 7);
  std::vector<int>
      inherited;  // listening descriptors from systemd; each serves the listener or feed whose address it has
};

// One line of /readyz. `counts`: whether it decides the answer, or is only shown by `?verbose`.
struct Check {
  std::string name;
  bool ok = true;
  std::string why;  // of a failed one, in words
  bool counts = true;
};

// What came of an admin request.
struct Outcome {
  bool ok = true;
  std::string text;  // why not, in words
};

// What the rest of the daemon tells the door and hears from it. All are called on the I/O thread; `metrics`,
// `status` and `ready` must be set, the others may be empty.
struct Providers {
  std::function<std::string()> metrics;  // Prometheus text
  std::function<std::string(const App&)>
      status;  // the JSON of /status; names of apps and consumers only for `admin`
  std::function<std::vector<Check>(const std::vector<std::string>& require)>
      ready;                                  // `require`: names of sessions and sinks, or `all`
  std::function<Outcome(const App&)> reload;  // POST /admin/reload; empty: 404
  std::function<void()> cursors_moved;        // `lowest_cursor` may have changed: hold_from
  std::vector<Handler*> handlers;             // asked in turn for paths that the door does not know itself
  // A durable name was dropped because nobody used it for `consumers.expire`: to be said loudly.
  std::function<void(const events::ConsumerRecord& consumer)> consumer_expired;
};

// One stream or durable name, for /status.
struct ConsumerStatus {
  std::string name;      // durable name; empty: none
  std::string app;       // client name; empty: not identified
  std::string endpoint;  // sse | websocket | unix | unix sink's name; empty: a durable name that nobody is
                         // connected to
  events::EventId cursor = 0;    // durable: last acknowledged; else last sent
  std::uint64_t lag_events = 0;  // exact while the tail holds them, else estimated
};

// Why a listener cannot be opened: 69 address in use or unavailable, 77 no permission, 78 a setting that
// cannot work.
class ListenError : public std::runtime_error {
 public:
  ListenError(int code, const std::string& text) : std::runtime_error(text), exit_code(code) {}
  int exit_code;
};

class Server {
 public:
  Server(boost::asio::io_context& io, Settings settings, events::Hub& hub, metrics::Registry& metrics,
         Providers providers);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // The durable names of the last run; before `start`.
  void restore(const std::vector<events::ConsumerRecord>& consumers);
  // Opens every listener and begins to serve. Throws ListenError; nothing is left open then.
  void start();
  // For requests from inside the daemon, as this app; it may be used after the server is gone.
  Inner inner(App app);
  // Where it listens, ports resolved: `127.0.0.1:5580`, `[::1]:5580`, `/run/bridge55/api.sock`; in the order
  // of the settings.
  std::vector<std::string> addresses() const;

  // A `kind: unix` sink: no routes at all is every event. Throws ListenError.
  void add_feed(const config::Sink& sink, std::optional<events::SinkRoutes> routes);
  // Other routes for a feed that stays; its consumers keep their connections.
  void set_feed_routes(const std::string& name, const std::optional<events::SinkRoutes>& routes);
  void remove_feed(const std::string& name);  // consumers are told and closed

  // A reload. Listeners that did not change keep their socket and connections; new ones open before old ones
  // close. Connections that exist keep what they were granted, apart from those whose client is gone or lost
  // a scope: these are closed. Throws ListenError, and then nothing has changed.
  void apply(Settings settings);

  // The first step of a drain: no new connections, no new streams and no requests to upstreams on those that
  // are there.
  void stop_accepting();
  // No new connections; requests in flight finish, streams are closed (WebSocket 1001); `drained` is called
  // once, at the deadline at the latest.
  void drain(std::chrono::milliseconds deadline, std::function<void()> drained);
  // Closes everything at once. Socket files are removed.
  void stop();

  std::vector<ConsumerStatus> consumers() const;
  // How many consumers a `kind: unix` sink has.
  std::size_t feed_consumers(const std::string& name) const;
  // The lowest acknowledged id of all durable names; nothing where there is none.
  std::optional<events::EventId> lowest_cursor() const;
  std::size_t connections() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bridge55::local
