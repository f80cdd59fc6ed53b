// A placement as the journal keeps it: what an app asked for, order by order, and what became of it. It
// outlives the events' retention (`trades.keep`). Plain data.
#pragma once

#include "daemon/base/clock.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace bridge55::events {

// Numbers are stored: they never change their meaning.
enum class Fate : std::uint8_t {
  open = 0,      // sent or about to be, nothing known
  placed = 1,    // upstream has it
  declined = 2,  // upstream refused it
  unplaced = 3,  // looked up after its time: upstream never had it
  unsent = 4,    // refused before a byte left
};

struct TradeOrder {
  std::string uuid;  // lower case: the identity
  Fate fate = Fate::open;
  std::string entry;  // upstream's JSON about it; empty while there is none
};

struct TradeRecord {
  std::uint64_t id = 0;  // increases over the life of the journal
  std::string upstream, app, request_id;
  WallMicros at = 0;     // when it arrived
  bool open = true;      // some order's fate is open
  std::string body;      // of the request, byte for byte
  unsigned status = 0;   // of the answer to the app; 0: none yet
  bool settled = false;  // a look-up decided some of it
  std::string content_type, answer;
  std::string steps = "[]";  // JSON: what happened, in order
  std::vector<TradeOrder> orders;
};

// What a start keeps in memory of each order of the last 24 h.
struct TradeMemory {
  std::string uuid, upstream, app;
  std::uint64_t trade = 0;
  WallMicros at = 0;
  Fate fate = Fate::open;
};

}  // namespace bridge55::events
