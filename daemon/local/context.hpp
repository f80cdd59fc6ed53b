// What the parts of the door share. The server makes it; connections and streams hold it, because their
// coroutines end a turn of the event loop after they are told to. I/O thread only.
#pragma once

#include "config/config.hpp"
#include "daemon/events/hub.hpp"
#include "daemon/local/auth.hpp"
#include "daemon/local/connection.hpp"
#include "daemon/local/consumers.hpp"
#include "daemon/local/feeds.hpp"
#include "daemon/local/seat.hpp"
#include "daemon/local/server.hpp"

#include <memory>

namespace bridge55::local {

struct Context : std::enable_shared_from_this<Context> {
  Context(boost::asio::io_context& loop, events::Hub& events, metrics::Registry& metrics,
          Consumers::Effects effects);

  boost::asio::io_context& io;
  events::Hub& hub;
  Providers providers;
  config::Http http;
  Clients clients;
  Consumers consumers;
  Feeds feeds;
  Connections connections;
  Seats seats;
  bool draining = false;
};

inline Now now() {
  return {wall_now(), SteadyClock::now()};
}

// The id after which a stream or page begins.
events::EventId resolve(const Start& start, const events::Hub& hub);
// How many connections, streams and taken sockets there are: what http.max_connections bounds.
inline std::size_t connection_count(const Context& context) {
  return context.connections.size() + context.feeds.size() + context.seats.size();
}
// How many events a position is behind: exact while the tail holds them, else estimated from the journal's
// size.
std::uint64_t lag_events(events::EventId position, events::Hub& hub);

}  // namespace bridge55::local
