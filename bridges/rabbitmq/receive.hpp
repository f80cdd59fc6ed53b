// Reading what a broker says, as every session here does it: without waiting, a few reads at a time, whatever
// the broker sends. The session's own thread.
#pragma once

#include "bridges/rabbitmq/broker_frames.hpp"
#include "bridges/rabbitmq/connection.hpp"
#include "bridges/rabbitmq/heartbeats.hpp"
#include "bridges/rabbitmq/trouble.hpp"

#include <cstddef>
#include <optional>

namespace bridge55::rabbitmq {

inline constexpr int kReads = 16;  // before anything else gets its turn

// Hands each frame to `heard`, which returns a Trouble to end the session. `more` is set where there may be
// more to read at once.
template <class Heard>
std::optional<Trouble> receive_frames(Connection& connection, FrameReader& reader, Heartbeats& heartbeats,
                                      bool& more, Heard&& heard) {
  for (int i = 0; i < kReads; ++i) {
    std::size_t count = 0;
    const auto space = reader.space();
    const Connection::Io result = connection.read(space, count);
    if (result == Connection::Io::again) return std::nullopt;
    if (result == Connection::Io::closed) return Trouble{connection.why_closed()};
    reader.received(count);
    heartbeats.received(SteadyClock::now());
    BrokerSaid said;
    FrameReader::Next next = reader.next(said);
    for (; next == FrameReader::Next::frame; next = reader.next(said)) {
      if (auto trouble = heard(said)) return trouble;
    }
    if (next == FrameReader::Next::malformed) return Trouble{"the broker sent a malformed frame"};
    // A short read emptied the socket; asking once more would only be told so. TLS may hold more than it
    // gave.
    if (count < space.size() && !connection.tls()) return std::nullopt;
  }
  more = true;
  return std::nullopt;
}

}  // namespace bridge55::rabbitmq
