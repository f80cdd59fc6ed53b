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

  /// Whether anyone is subscribed whom no stall fault holds.
  bool has_readers(Api api) const;
  /// Whether one of these has `high_water` bytes or nearly its whole queue waiting: no more should be made
  /// for now.
  bool is_full(Api api, std::size_t high_water) const;

 private:
  Vendor& vendor_;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, Connection*> connections_;  // each removes itself when it ends
};

}  // namespace bridge55::sim
