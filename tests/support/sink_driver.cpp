#include "tests/support/sink_driver.hpp"

#include <algorithm>

namespace bridge55::test {

events::EventPtr make_event(events::EventId id, const std::string& payload, const EventText& text) {
  events::Event::Stamp stamp{
      .id = id, .received_at = 1'771'183'909'789'001 + static_cast<WallMicros>(id), .message_id = {}};
  for (std::size_t i = 0; i < 8; ++i)
    stamp.message_id[15 - i] = static_cast<std::uint8_t>(id >> (8 * i));
  events::Facts facts;
  facts.source = text.source;
  facts.channel = text.channel;
  facts.name = text.name;
  facts.seq = text.seq;
  facts.payload = payload;
  facts.raw = text.raw;
  return events::Event::make(stamp, facts);
}

SinkDriver::SinkDriver(const config::Sink& settings)
    : sink(bridges::make_rabbitmq(io, settings, registry)), work_(io.get_executor()) {
  bridges::Sink::Handlers handlers;
  handlers.confirmed = [this](events::EventId id) { confirmed.push_back(id); };
  handlers.room = [this] { pump(); };
  handlers.state = [this](bridges::SinkState now, const std::string& why) {
    state = now;
    reason = why;
    states.emplace_back(now, why);
  };
  handlers.unroutable = [this](std::size_t route, const std::string& key, const std::string& why) {
    unroutable.emplace_back(route, key, why);
  };
  sink->start(std::move(handlers));
}

SinkDriver::~SinkDriver() {
  if (stopped == 0) stop(std::chrono::milliseconds(500));
}

bool SinkDriver::until(const std::function<bool()>& condition, std::chrono::seconds deadline) {
  const auto until = std::chrono::steady_clock::now() + deadline;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    io.run_one_for(std::chrono::milliseconds(20));
  }
  return true;
}

bool SinkDriver::until_state(bridges::SinkState wanted, std::chrono::seconds deadline) {
  return until([&] { return state == wanted; }, deadline);
}

bool SinkDriver::until_confirmed(events::EventId id, std::chrono::seconds deadline) {
  return until([&] { return !confirmed.empty() && confirmed.back() >= id; }, deadline);
}

void SinkDriver::offer(events::EventPtr event, const std::string& routing_key) {
  std::vector<bridges::Delivery> deliveries(1);
  deliveries[0].event = std::move(event);
  deliveries[0].routing_key = routing_key;
  sink->offer(std::move(deliveries));
}

void SinkDriver::feed(events::EventId first, events::EventId last, const std::string& routing_key) {
  next_ = first;
  last_ = last;
  routing_key_ = routing_key;
  pump();
}

void SinkDriver::pump() {
  for (std::size_t room = sink->room(); room > 0 && next_ <= last_; room = sink->room()) {
    std::vector<bridges::Delivery> deliveries;
    for (std::size_t i = std::min<std::size_t>(room, 256); i > 0 && next_ <= last_; --i, ++next_) {
      bridges::Delivery& each = deliveries.emplace_back();
      each.event = make_event(next_, R"({"n":)" + std::to_string(next_) + '}');
      each.routing_key = routing_key_;
    }
    sink->offer(std::move(deliveries));
  }
}

bool SinkDriver::stop(std::chrono::milliseconds deadline) {
  sink->stop(deadline, [this] { ++stopped; });
  return until([this] { return stopped != 0; },
               std::chrono::duration_cast<std::chrono::seconds>(deadline) + std::chrono::seconds(2));
}

}  // namespace bridge55::test
