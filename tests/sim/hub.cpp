#include "tests/sim/hub.hpp"

#include <vector>

namespace bridge55::sim {

void Hub::broadcast(const Message& message) {
  for (const auto& [id, connection] : connections_) {
    Session* session = connection->session();
    if (session != nullptr && session->api() == message.api) session->deliver(message);
  }
}

void Hub::each(Api api, const std::function<void(Connection&)>& visit) {
  for (const auto& [id, connection] : connections_) {
    Session* session = connection->session();
    if (session != nullptr && session->api() == api) visit(*connection);
  }
}

void Hub::each_connection(const std::function<void(Connection&)>& visit) {
  for (const auto& [id, connection] : connections_)
    visit(*connection);
}

void Hub::tick(TimePoint now) {
  for (const auto& [id, connection] : connections_)
    connection->tick(now);
}

bool Hub::has_subscribers(Api api) const {
  for (const auto& [id, connection] : connections_) {
    const Session* session = connection->session();
    if (session != nullptr && session->api() == api && session->subscribed() && connection->takes_more())
      return true;
  }
  return false;
}

bool Hub::wants_more(Api api, std::size_t high_water) const {
  bool any = false;
  const std::size_t messages = vendor_.options.queue == 0 ? SIZE_MAX : vendor_.options.queue;
  for (const auto& [id, connection] : connections_) {
    const Session* session = connection->session();
    const bool counts = session != nullptr && session->api() == api && session->subscribed() &&
                        connection->takes_more() && !connection->stalled();
    if (!counts) continue;
    any = true;
    const bool full =
        connection->queued_bytes() >= high_water || connection->queued() + session->waiting() + 1 >= messages;
    if (full) return false;
  }
  return any;
}

}  // namespace bridge55::sim
