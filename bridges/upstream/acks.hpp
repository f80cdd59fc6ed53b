// Which acknowledgements a commit of the journal sets free (contract, section 8): nothing is acknowledged
// upstream before it is durable. The vendor names acknowledgements but documents no shape for them, so the
// message is a template of the config. Pure.
#pragma once

#include "daemon/events/event.hpp"
#include "daemon/events/json_template.hpp"

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace bridge55::upstream {

class Acks {
 public:
  // Throws std::invalid_argument where the template is no JSON (the config's check has refused that already).
  explicit Acks(std::string_view ack_template);

  // A new subscription: what was open belongs to the one before, and comes again.
  void restart(bool on, bool batch);
  bool on() const { return on_; }

  // A message of this subscription, taken as event `id`; `subscription` is the login answer's token.
  void taken(events::EventId id, std::string_view seq, std::string_view channel,
             std::string_view subscription);
  // A redelivery that was dropped: safe as soon as everything taken before it is.
  void repeated(std::string_view seq, std::string_view channel, std::string_view subscription);
  // What was taken under a provisional id has this one.
  void settled(events::EventId provisional, events::EventId id);
  // The messages to send once everything up to `id` is durable.
  std::vector<std::string> durable(events::EventId id);

  std::size_t open() const { return open_.size(); }

 private:
  struct Open {
    events::EventId id = 0;
    std::string seq, channel, subscription;
  };
  std::string render(const Open& message) const;

  events::JsonTemplate template_;
  bool on_ = false, batch_ = false;
  std::deque<Open> open_;
  events::EventId last_taken_ = 0, durable_ = 0;
};

}  // namespace bridge55::upstream
