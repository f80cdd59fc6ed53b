#include "daemon/local/context.hpp"

#include <algorithm>

namespace bridge55::local {

Context::Context(boost::asio::io_context& loop, events::Hub& events, metrics::Registry& metrics,
                 Consumers::Effects effects)
    : io(loop),
      hub(events),
      clients(std::nullopt, NameService::system()),
      consumers(std::move(effects)),
      feeds(loop, metrics) {}

events::EventId resolve(const Start& start, const events::Hub& hub) {
  switch (start.kind) {
    case Start::Kind::earliest:
      return hub.gone_through();
    case Start::Kind::after:
      // To a cursor 0 is "the earliest held"; an app that names an id wants to hear what is gone since.
      return std::clamp<events::EventId>(start.id, 1, std::max<events::EventId>(hub.last_id(), 1));
    case Start::Kind::unset:
    case Start::Kind::now:
      break;
  }
  return hub.last_id();
}

std::uint64_t lag_events(events::EventId position, events::Hub& hub) {
  const events::Tail& tail = hub.tail();
  std::uint64_t at = 0;
  if (tail.find_after(position, at)) return tail.end() - at;
  const events::JournalStats stats = hub.journal().stats();
  const std::uint64_t held = tail.end() - tail.begin();
  const std::uint64_t before_tail = stats.events > held ? stats.events - held : 0;
  if (stats.oldest_id == 0 || position <= stats.oldest_id) return held + before_tail;
  const events::EventId tail_begin = tail.evicted_through();
  if (position >= tail_begin || tail_begin <= stats.oldest_id) return held;
  // Ids are times: between the oldest and the tail they are taken to be spread evenly.
  const double share =
      static_cast<double>(tail_begin - position) / static_cast<double>(tail_begin - stats.oldest_id);
  return held + static_cast<std::uint64_t>(share * static_cast<double>(before_tail));
}

}  // namespace bridge55::local
