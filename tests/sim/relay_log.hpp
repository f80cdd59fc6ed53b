#pragma once
// What GET /relays tells: every relay and AMQP stream, open or past, and the hands by which faults reach the
// open ones. One thread.

#include "tests/sim/http.hpp"
#include "tests/sim/relay_frames.hpp"

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>

namespace bridge55::sim {

class Relay;
class AmqpStream;

struct RelayRecord {
  std::uint64_t id = 0;
  std::uint64_t connection = 0;
  std::string state = "accepted";  ///< accepted, connecting, open, closed
  std::string connect;             ///< the connect message, keys masked
  std::string key, url, agent, subprotocol;
  std::string error;     ///< what the client was told
  std::string ended_by;  ///< README.md lists them
  Fields upgrade;        ///< of the client's handshake, keys masked
  Fields sent;           ///< to the target
  std::optional<CloseSaid> from_client, from_target, to_client, to_target;
  FrameCounts up, down;  ///< client to target, target to client
  std::int64_t accepted_us = 0, connected_us = 0, ended_us = 0;
};

struct AmqpRecord {
  std::uint64_t id = 0;
  std::uint64_t connection = 0;
  std::string state = "connecting";  ///< connecting, open, closed
  std::string key, broker, exchange, routing_key, queue, agent;
  std::string error;  ///< of the error event
  std::string ended_by;
  std::uint64_t messages = 0, acked = 0, body_bytes = 0, sse_bytes = 0;
  std::int64_t accepted_us = 0, connected_us = 0, ended_us = 0;
};

/// Records of one kind with those that are still open.
template <class Record, class Open>
class RelayList {
 public:
  Record& add(Open* open, std::uint64_t connection) {
    auto& record = records_.emplace_back();
    record.id = ++last_;
    record.connection = connection;
    open_[record.id] = open;
    return record;
  }
  /// The record stays readable until it is one of the oldest of too many.
  void end(Record& record) {
    record.state = "closed";
    open_.erase(record.id);
    for (auto it = records_.begin(); records_.size() > kKept + open_.size() && it != records_.end();)
      it = open_.contains(it->id) ? std::next(it) : records_.erase(it);
  }
  const std::list<Record>& records() const { return records_; }
  const std::map<std::uint64_t, Open*>& open() const { return open_; }
  std::uint64_t last() const { return last_; }

 private:
  static constexpr std::size_t kKept = 2000;
  std::list<Record> records_;  // list: records keep their address
  std::map<std::uint64_t, Open*> open_;
  std::uint64_t last_ = 0;
};

struct RelayLog {
  RelayList<RelayRecord, Relay> relays;
  RelayList<AmqpRecord, AmqpStream> streams;
};

}  // namespace bridge55::sim
