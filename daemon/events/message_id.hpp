// What consumers deduplicate on (contract, section 3): 128 bits of SHA-256 over the length-prefixed raw
// fields and the count of equal facts in the last ten minutes. Pure: time is a parameter. I/O thread only.
#pragma once

#include "daemon/events/event.hpp"
#include "daemon/events/journal.hpp"

#include <cstdint>
#include <memory>

namespace bridge55::events {

class MessageIds {
 public:
  // At most this many facts are remembered (about 16 bytes each); where ten minutes hold more, counting
  // begins again.
  explicit MessageIds(std::size_t limit = 1'500'000);
  ~MessageIds();

  struct Result {
    MessageId id{};
    Fingerprint fingerprint = 0;
    std::uint32_t equal_before = 0;  // how many equal facts were accepted before
  };
  // Works it out and counts the fact as accepted. Where upstream sent no `ts`, `event_id` stands in and
  // nothing is counted.
  Result accept(const Facts& facts, EventId event_id, WallMicros now);
  // How many equal facts are remembered, without counting this one.
  std::uint32_t seen(const Facts& facts, WallMicros now);
  Fingerprint fingerprint_of(const Facts& facts) const;
  void restore(WallMicros at, Fingerprint fingerprint);  // from the journal, oldest first

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bridge55::events
