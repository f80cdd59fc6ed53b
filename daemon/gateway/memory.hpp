// Which orders were seen in the last 24 hours, whose they are and what became of them, so that none is sent
// twice (contract, section 6). One an upstream; bounded. Pure: time is a parameter.
#pragma once

#include "daemon/base/clock.hpp"
#include "daemon/events/trade_record.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace bridge55::gateway {

class Memory {
 public:
  static constexpr std::chrono::hours kKeep{24};
  struct Known {
    std::string app;
    std::uint64_t trade = 0;
    events::Fate fate = events::Fate::open;
    SteadyTime at{};
  };

  explicit Memory(std::size_t limit) : limit_(limit) {}

  // Null: not seen in the last 24 h, or forgotten for want of room.
  const Known* find(const std::string& uuid, SteadyTime now) const;
  void put(const std::string& uuid, Known known);
  // Of that trade's order only: a later trade may have the uuid by now.
  void set_fate(const std::string& uuid, std::uint64_t trade, events::Fate fate);
  // That trade's order was never sent: it takes no room from those that were.
  void erase(const std::string& uuid, std::uint64_t trade);
  // Whether an order of the last 24 h may have been forgotten: then the record must be asked.
  bool has_forgotten(SteadyTime now) const { return forgot_ && *forgot_ + kKeep > now; }
  void expire(SteadyTime now);
  std::size_t size() const { return known_.size(); }

 private:
  struct Seen {
    SteadyTime at;
    std::string uuid;
    std::uint64_t trade;
  };
  void drop_oldest();

  std::size_t limit_;
  std::unordered_map<std::string, Known> known_;
  std::deque<Seen> order_;  // as they were put; an entry that was put again has a later one
  std::optional<SteadyTime> forgot_;
};

}  // namespace bridge55::gateway
