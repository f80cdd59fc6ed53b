// A request that came with a name of its own (an AMQP message_id), as the journal keeps it: begun, or
// answered. What is asked under the same name again gets the answer of the first. Plain data.
#pragma once

#include "daemon/base/clock.hpp"

#include <cstdint>
#include <string>

namespace bridge55::events {

struct RequestRecord {
  std::string sink, name;   // together the identity
  WallMicros until = 0;     // kept so long
  std::uint64_t print = 0;  // of what was asked: another request under the same name is told apart
  unsigned status = 0;      // of the answer; 0: begun, and what became of it is not known here
  std::string answer;       // as it went out
};

}  // namespace bridge55::events
