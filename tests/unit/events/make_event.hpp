// Events for tests of filters and routes: what upstream sent, in one line.
#pragma once

#include "daemon/events/event.hpp"

#include <string_view>

namespace bridge55::test {

inline constexpr events::EventId kId = 1771183909789001;

inline events::EventPtr event_of(const events::Facts& facts) {
  return events::Event::make({kId, 1771183909789001, {0x9f, 0x0c}}, facts);
}

inline events::EventPtr order(std::string_view payload) {
  events::Facts facts;
  facts.source = "abp";
  facts.channel = "orders";
  facts.name = "UPDATE";
  facts.key = "327";
  facts.seq = "1";
  facts.ts = "1771183909789";
  facts.payload = payload;
  facts.old = R"({"orderStatus":"PENDING"})";
  return event_of(facts);
}

inline events::EventPtr event_named(std::string_view source, std::string_view channel,
                                    std::string_view name) {
  events::Facts facts;
  facts.source = source;
  facts.channel = channel;
  facts.name = name;
  facts.payload = "{}";
  return event_of(facts);
}

inline events::EventPtr gap(std::string_view about, std::string_view name = "DETECTED") {
  events::Facts facts;
  facts.source = "bridge";
  facts.channel = "gap";
  facts.name = name;
  facts.about = about;
  facts.payload = R"({"reason":"seq"})";
  return event_of(facts);
}

}  // namespace bridge55::test
