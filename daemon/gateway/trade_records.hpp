// The desk's records in the journal. An intent goes ahead of everything; what became of a trade is stored
// behind the events that say so: a crash between the two leaves the record open, and the next start tells
// what became of it. Until then reads see the newer word. I/O thread only; its callbacks may outlive it.
#pragma once

#include "daemon/events/journal.hpp"
#include "daemon/gateway/desk.hpp"

#include <map>
#include <memory>

namespace bridge55::gateway {

class TradeRecords : public std::enable_shared_from_this<TradeRecords> {
 public:
  explicit TradeRecords(events::Journal& journal) : journal_(journal) {}
  Records records();

 private:
  struct Waiting {
    events::TradeRecord record;
    unsigned version = 0;
  };
  void store(events::TradeRecord record, std::function<void()> durable);
  void read(std::string uuid, std::function<void(std::optional<events::TradeRecord>)> then);
  void store_now(std::uint64_t id, unsigned version);

  events::Journal& journal_;
  std::map<std::uint64_t, Waiting> waiting_;  // by trade: given, and not yet in the journal
};

}  // namespace bridge55::gateway
