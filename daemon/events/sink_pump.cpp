#include "daemon/events/sink_pump.hpp"

#include "daemon/base/crash_point.hpp"
#include "daemon/base/log.hpp"
#include "daemon/base/metrics.hpp"
#include "daemon/events/json.hpp"

#include <algorithm>

namespace bridge55::events {
namespace {

constexpr std::size_t kBatch = 256;  // deliveries given to the sink at once

const char* event_name(bridges::SinkState state) {
  switch (state) {
    case bridges::SinkState::up:
      return "UP";
    case bridges::SinkState::blocked:
      return "BLOCKED";
    default:
      return "DOWN";
  }
}

}  // namespace

SinkPump::SinkPump(Hub& hub, metrics::Registry& metrics, std::string name,
                   std::unique_ptr<bridges::Sink> sink, SinkRoutes routes)
    : hub_(hub),
      name_(std::move(name)),
      sink_(std::move(sink)),
      routes_(std::move(routes)),
      since_(wall_now()),
      up_(metrics.gauge("bridge55_sink_up", "1 while the sink takes events.", {{"sink", name_}})),
      confirmed_total_(metrics.counter("bridge55_sink_confirmed_total", "Events that the sink has confirmed.",
                                       {{"sink", name_}})),
      unroutable_total_(metrics.counter("bridge55_sink_unroutable_total",
                                        "Messages that no queue was bound for.", {{"sink", name_}})),
      latency_(metrics.histogram("bridge55_delivery_seconds", "From receipt to delivery.",
                                 {{"endpoint", "sink:" + name_}})) {
  metrics.computed("bridge55_sink_lag_events", "Events in the journal that the sink has not confirmed.",
                   {{"sink", name_}}, [this] { return static_cast<double>(status().lag_events); });
}

SinkPump::~SinkPump() = default;

void SinkPump::start(EventId after) {
  confirmed_ = offered_ = after;
  published_at_start_ = hub_.published();
  cursor_ = std::make_unique<Cursor>(hub_, after, Cursor::Reads::durable, [this] { pump(); });
  hub_.journal().count_after(after, [this, alive = std::weak_ptr(alive_)](std::uint64_t count) {
    if (alive.expired()) return;
    backlog_ = count;
    published_at_start_ = hub_.published();
  });
  bridges::Sink::Handlers handlers;
  handlers.confirmed = [this](EventId id) { confirmed(id); };
  handlers.room = [this] { pump(); };
  handlers.state = [this](bridges::SinkState state, const std::string& reason) { changed(state, reason); };
  handlers.unroutable = [this](std::size_t route, const std::string& key, const std::string& why) {
    unroutable(route, key, why);
  };
  sink_->start(std::move(handlers));
  pump();
}

void SinkPump::pump() {
  if (pumping_ || stopping_ || !cursor_) return;
  pumping_ = true;
  for (std::size_t room = sink_->room(); room > 0 && !stopping_; room = sink_->room()) {
    const auto events = cursor_->next(std::min(room, kBatch));
    if (cursor_->has_loss()) {
      say_loss();
      continue;
    }
    if (events.empty()) break;
    offer(events);
  }
  pumping_ = false;
}

void SinkPump::offer(std::span<const EventPtr> events) {
  std::vector<bridges::Delivery> deliveries;
  deliveries.reserve(events.size());
  Batch batch;
  for (const EventPtr& event : events) {
    targets_.clear();
    routes_.targets(*event, targets_);
    for (Target& target : targets_) {
      deliveries.push_back({event, std::move(target.exchange), std::move(target.routing_key), target.body,
                            target.route, false});
    }
    if (targets_.empty()) continue;
    deliveries.back().last_of_event = true;
    ++batch.wanted;
  }
  batch.last = events.back()->id();
  batch.received_at = events.back()->received_at();
  batch.events = static_cast<std::uint32_t>(events.size());
  cursor_->advance(events.size());
  if (batch.wanted == 0 && !batches_.empty() &&
      batches_.back().wanted == 0) {  // a sink that wants little stays small
    batch.events += batches_.back().events;
    batches_.pop_back();
  }
  batches_.push_back(batch);
  if (!deliveries.empty()) {
    offered_ = deliveries.back().event->id();
    crash_point("sink.offer.before");
    sink_->offer(std::move(deliveries));
  } else if (confirmed_ >= offered_) {
    confirmed(batch.last);  // nothing in this batch was for this sink
  }
}

void SinkPump::confirmed(EventId id) {
  if (stopping_) return;  // the cursor may belong to a successor already
  // Once all that was offered is confirmed, what was skipped behind it is done with too.
  const EventId reached = id >= offered_ ? std::max(id, cursor_->position()) : id;
  if (reached <= confirmed_) return;
  confirmed_ = reached;
  while (!batches_.empty() && batches_.front().last <= confirmed_) {
    const Batch& batch = batches_.front();
    done_ += batch.events;
    confirmed_total_.add(batch.wanted);
    if (batch.wanted > 0) latency_.record_micros(wall_now() - batch.received_at);
    batches_.pop_front();
  }
  crash_point("sink.confirmed.before");
  hub_.journal().store_cursor(name_, confirmed_);
  crash_point("sink.confirmed.after");
  stop_if_done();
}

void SinkPump::changed(bridges::SinkState state, const std::string& reason) {
  up_.set(state == bridges::SinkState::up ? 1 : 0);
  if (stopping_) return;
  if (state == state_ && reason == reason_) return;
  const bool worth_saying = state != state_ && state != bridges::SinkState::connecting;
  if (state != bridges::SinkState::connecting) state_ = state;
  reason_ = reason;
  if (!worth_saying) return;
  since_ = wall_now();
  if (state == bridges::SinkState::up) {
    log::info("sink up", {{"sink", name_}});
  } else {
    log::warning(state == bridges::SinkState::blocked ? "sink blocked by the broker" : "sink down",
                 {{"sink", name_}, {"reason", reason}});
  }
  hub_.say("sink", event_name(state),
           R"({"sink":)" + json::quoted(name_) + R"(,"reason":)" + json::quoted(reason) + '}', name_);
  stop_if_done();
}

void SinkPump::unroutable(std::size_t route, const std::string& routing_key, const std::string& why) {
  unroutable_total_.add();
  if (said_unroutable_.size() <= route) said_unroutable_.resize(route + 1);
  if (said_unroutable_[route]) return;
  said_unroutable_[route] = true;
  log::warning("messages of a route reach no queue; they are counted and stay in the journal",
               {{"sink", name_}, {"route", route}, {"routing_key", routing_key}, {"reason", why}});
}

void SinkPump::say_loss() {
  const Cursor::Loss loss = cursor_->take_loss();
  log::error("retention deleted events before the sink had them", {{"sink", name_},
                                                                   {"after", cursor_->position()},
                                                                   {"gone_through", loss.gone_through},
                                                                   {"oldest", loss.oldest}});
  hub_.say("gap", "UNRECOVERED",
           R"({"sink":)" + json::quoted(name_) + R"(,"reason":"retention","after":")" +
               std::to_string(cursor_->position()) + R"(","gone_through":")" +
               std::to_string(loss.gone_through) + R"(","oldest":")" + std::to_string(loss.oldest) + "\"}",
           name_);
}

// A sink that is up gets what is durable by now; one that is not finds it in the journal after the next
// start.
void SinkPump::stop(std::chrono::milliseconds deadline, std::function<void()> stopped) {
  stop_after_ = hub_.durable_id();
  stop_deadline_ = SteadyClock::now() + deadline;
  stopped_ = std::move(stopped);
  if (deadline.count() > 0) pump();
  stop_if_done();
}

void SinkPump::stop_if_done() {
  if (!stopped_ || stopping_) return;
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(stop_deadline_ - SteadyClock::now());
  if (state_ == bridges::SinkState::up && confirmed_ < stop_after_ && left.count() > 0)
    return;  // the next confirm asks again
  stopping_ = true;
  sink_->stop(std::max(left, std::chrono::milliseconds(0)), [this] { stopped_(); });
}

SinkPump::Status SinkPump::status() const {
  Status status{name_, state_, reason_, since_, confirmed_, 0, 0};
  const std::uint64_t all = backlog_ + hub_.published() - published_at_start_;
  if (confirmed_ < hub_.last_id()) status.lag_events = all > done_ ? all - done_ : 0;
  if (status.lag_events > 0) {
    // The age of the oldest that waits; where none is in hand yet, the id of the last confirmed one is its
    // time.
    const WallMicros oldest =
        batches_.empty() ? static_cast<WallMicros>(confirmed_) : batches_.front().received_at;
    status.lag_seconds = static_cast<double>(std::max<WallMicros>(wall_now() - oldest, 0)) / 1e6;
  }
  return status;
}

}  // namespace bridge55::events
