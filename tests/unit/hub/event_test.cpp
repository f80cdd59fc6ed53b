#include "daemon/events/event.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace bridge55::events {
namespace {

Facts order_update(std::string_view frame) {
  Facts facts;
  facts.source = "abp";
  facts.channel = "orders";
  facts.name = "UPDATE";
  facts.key = "327";
  facts.seq = "1";
  facts.ts = "1771183909789";
  facts.subscription = "1";
  facts.raw = frame;
  const auto at = frame.find("\"payload\":") + 10;
  facts.payload = frame.substr(at, frame.size() - at - 1);
  return facts;
}

Event::Stamp stamp() {
  Event::Stamp s{1771183909789001, 1771183909789001, {}};
  for (std::size_t i = 0; i < s.message_id.size(); ++i)
    s.message_id[i] = static_cast<std::uint8_t>(i * 17);
  return s;
}

EventPtr through_journal(const Event& event) {
  const std::string meta = event.encode_meta();
  return Event::from_row({event.id(), event.received_at(), event.source(), event.channel(), event.name(),
                          event.key(), meta, event.raw()});
}

TEST(Event, EnvelopeIsWhatTheContractShows) {
  const auto event =
      Event::make(stamp(), order_update(R"({"type":"data","payload":{"orderId":327, "a":1.50}})"));
  EXPECT_EQ(
      event->envelope(),
      R"({"id":"1771183909789001","message_id":"00112233445566778899aabbccddeeff","source":"abp","channel":"orders",)"
      R"("event":"UPDATE","key":"327","received_at":"2026-02-15T19:31:49.789001Z",)"
      R"("upstream":{"seq":1,"ts":1771183909789,"subscription":1},"payload":{"orderId":327, "a":1.50}})");
}

TEST(Event, WhatUpstreamDidNotSendIsAbsent) {
  Facts facts;
  facts.source = "bridge";
  facts.channel = "session";
  facts.name = "UP";
  facts.payload = R"({"source":"abp"})";
  const auto json = nlohmann::json::parse(Event::make(stamp(), facts)->envelope());
  EXPECT_FALSE(json.contains("key"));
  EXPECT_FALSE(json.contains("upstream"));
  EXPECT_FALSE(json.contains("old"));
  EXPECT_FALSE(json.contains("recovered"));
}

TEST(Event, EveryStreamFormHoldsTheSameEnvelope) {
  const auto event = Event::make(stamp(), order_update(R"({"payload":{"x":"y"}})"));
  const std::string envelope(event->envelope());
  EXPECT_EQ(event->line(), envelope + "\n");
  EXPECT_EQ(std::string(event->sse_head()) + std::string(event->sse_body()),
            "id: 1771183909789001\ndata: " + envelope + "\n\n");
  ASSERT_GT(envelope.size(), 125u);
  const std::string frame(event->ws_frame());
  EXPECT_EQ(static_cast<unsigned char>(frame[0]), 0x81);
  EXPECT_EQ(static_cast<unsigned char>(frame[1]), 126);
  EXPECT_EQ(static_cast<unsigned char>(frame[2]) * 256u + static_cast<unsigned char>(frame[3]),
            envelope.size());
  EXPECT_EQ(frame.substr(4), envelope);
}

TEST(Event, LineBreaksBetweenTokensBecomeSpacesInLineFramedFormsOnly) {
  const auto event = Event::make(stamp(), order_update("{\"payload\":{\r\n\"x\":\n1}}"));
  EXPECT_EQ(event->payload(), "{\r\n\"x\":\n1}");
  EXPECT_NE(event->envelope().find("{\r\n\"x\":\n1}"), std::string_view::npos);
  EXPECT_NE(event->ws_frame().find("{\r\n\"x\":\n1}"), std::string_view::npos);
  const std::string_view line = event->line();
  EXPECT_NE(line.find("{  \"x\": 1}"), std::string_view::npos);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  EXPECT_EQ(event->sse_body().substr(0, line.size()), line);
}

TEST(Event, NamesThatNeedEscapesAreEscapedInTheEnvelope) {
  Facts facts = order_update(R"({"payload":1})");
  facts.channel = "od\"d\n\x01";
  const auto json = nlohmann::json::parse(Event::make(stamp(), facts)->line());
  EXPECT_EQ(json["channel"], "od\"d\n\x01");
}

TEST(Event, TheJournalsRowGivesBackEveryByte) {
  Facts facts = order_update(R"({"type":"broadcast","old":{"a":0},"payload":{"orderId":327}})");
  facts.old = facts.raw.substr(facts.raw.find("{\"a\""), 7);
  facts.recovered = true;
  facts.relay = R"({"node_id":"x"})";
  facts.about = "abp";
  const auto event = Event::make(stamp(), facts);
  const auto again = through_journal(*event);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->envelope(), event->envelope());
  EXPECT_EQ(again->raw(), event->raw());
  EXPECT_EQ(again->facts().about, "abp");
  EXPECT_EQ(again->message_id(), event->message_id());
}

TEST(Event, PayloadsThatAreNoPartOfTheFrameSurviveTheJournal) {
  Facts facts;
  facts.source = "feed";
  facts.channel = "feed";
  facts.name = "MESSAGE";
  facts.raw = std::string_view("\x01\x02\xff", 3);
  facts.payload = "\"AQL/\"";
  facts.base64 = true;
  const auto event = Event::make(stamp(), facts);
  const auto again = through_journal(*event);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->envelope(), event->envelope());
  EXPECT_EQ(again->raw(), std::string_view("\x01\x02\xff", 3));
}

TEST(Event, DamagedRowsAreRefusedAtEveryByteCount) {
  const auto event = Event::make(stamp(), order_update(R"({"payload":{"orderId":327}})"));
  const std::string meta = event->encode_meta();
  for (std::size_t cut = 0; cut < meta.size(); ++cut) {
    EXPECT_FALSE(Event::from_row(
        {1, 1, "abp", "orders", "UPDATE", "327", std::string_view(meta).substr(0, cut), event->raw()}))
        << cut;
  }
  EXPECT_FALSE(Event::from_row({1, 1, "abp", "orders", "UPDATE", "327", meta, event->raw().substr(0, 12)}));
}

}  // namespace
}  // namespace bridge55::events
