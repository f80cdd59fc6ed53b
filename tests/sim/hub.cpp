#include "tests/sim/hub.hpp"

#include <algorithm>

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

namespace {

bool reads(Connection& connection, Api api) {
  const Session* session = connection.session();
  return session != nullptr && session->api() == api && session->subscribed() && connection.takes_more() &&
         !connection.stalled();
}

}  // namespace

bool Hub::has_readers(Api api) const {
  return std::any_of(connections_.begin(), connections_.end(),
                     [api](const auto& entry) { return reads(*entry.second, api); });
}

bool Hub::is_full(Api api, std::size_t high_water) const {
  const std::size_t messages = vendor_.options.queue == 0 ? SIZE_MAX : vendor_.options.queue;
  return std::any_of(connections_.begin(), connections_.end(), [&](const auto& entry) {
    Connection& connection = *entry.second;
    if (!reads(connection, api)) return false;
    const auto waiting = connection.queued() + connection.session()->waiting();
    return connection.queued_bytes() >= high_water || waiting + 1 >= messages;
  });
}

}  // namespace bridge55::sim
