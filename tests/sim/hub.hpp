#pragma once
// The register of connections: broadcasts reach them through it, and faults find their targets in it.

#include "tests/sim/connection.hpp"
#include "tests/sim/vendor.hpp"

#include <functional>
#include <map>
#include <memory>

namespace bridge55::sim {

class Hub {
 public:
  explicit Hub(Vendor& vendor) : vendor_(vendor) {}

  std::uint64_t next_id() { return ++last_id_; }
  void add(const std::shared_ptr<Connection>& connection) {
    connections_[connection->id()] = connection.get();
  }
  void remove(std::uint64_t id) { connections_.erase(id); }

  /// Gives the message to every subscription of its API that wants it.
  void broadcast(const Message& message);
  /// Visits WebSocket connections of an API; `visit` may end them.
  void each(Api api, const std::function<void(Connection&)>& visit);
  /// Visits every vendor connection, those that hang in a handshake included.
  void each_connection(const std::function<void(Connection&)>& visit);
  void tick(TimePoint now);

  /// Whether a subscription exists, and whether all of them have less than `high_water` bytes waiting
  /// (stalled ones aside): then more may be made for them.
  bool has_subscribers(Api api) const;
  bool wants_more(Api api, std::size_t high_water) const;

 private:
  Vendor& vendor_;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, Connection*> connections_;  // each removes itself when it ends
};

}  // namespace bridge55::sim
