// What events look like, how they are counted, held back and acknowledged.
#include "tests/unit/dropin/stage.hpp"

namespace bridge55::test {
namespace {

class DropInEvents : public DropInStage {
 protected:
  DropInEvents() {
    upstream_up();
    begin();
  }
  static std::string frame(std::string_view payload, std::uint64_t seq) {
    return R"({"type":"data","channel":"orders","event":"UPDATE","payload":)" + std::string(payload) +
           R"(,"ts":1771183909789,"seq":)" + std::to_string(seq) + "}";
  }
};

TEST_F(DropInEvents, PayloadAndTsAreTheBytesThatUpstreamSent) {
  login();
  const std::string odd = "{ \"a\" :\n1.10, \"a\":123456789012345678901234567890e-7 }";
  EXPECT_EQ(offer({order(1, odd), order(2, "null")}),
            (std::vector<std::string>{frame(odd, 1), frame("null", 2)}));
  events::Facts facts;
  facts.source = "abp", facts.channel = "x", facts.name = "E", facts.payload = "1", facts.ts = "1.5e3",
  facts.old = "[ ]";
  EXPECT_EQ(offer({event_of(3, facts)}).front(),
            R"({"type":"data","channel":"x","event":"E","payload":1,"old":[ ],"ts":1.5e3,"seq":3})");
  facts.ts = {}, facts.old = {};
  EXPECT_EQ(offer({event_of(4, facts)}).front(),
            R"({"type":"data","channel":"x","event":"E","payload":1,"seq":4})");
}

TEST_F(DropInEvents, OnlyThisUpstreamsEventsAreOffered) {
  login();
  events::Facts facts;
  facts.source = "other", facts.channel = "orders", facts.name = "UPDATE", facts.payload = "1";
  EXPECT_TRUE(offer({event_of(1, facts), gap(2, "{}"), gap(3, R"({"source":"other","missed":5})")}).empty());
  EXPECT_EQ(offer({order(4)}).front(), frame("{}", 1));
}

TEST_F(DropInEvents, AnEventOfEverySizeIsOneFrame) {
  login();
  for (const std::size_t size : {0u, 60u, 125u, 126u, 127u, 65535u, 65536u, 300'000u}) {
    const std::string payload = '"' + std::string(size, 'x') + '"';
    EXPECT_EQ(offer({order(size + 1, payload)}).size(), 1u);
  }
}

TEST_F(DropInEvents, WhatWasNotWrittenIsNumberedAgain) {
  login();
  const std::vector<events::EventPtr> events = {order(1), order(2), order(3)};
  EXPECT_EQ(offer(events, 1).size(), 1u);
  EXPECT_EQ(offer({events[1], events[2]}, 0).size(), 0u);
  EXPECT_EQ(offer({events[1], events[2]}), (std::vector<std::string>{frame("{}", 2), frame("{}", 3)}));
}

TEST_F(DropInEvents, AHoleUpstreamIsAHoleInSeqByItsSize) {
  login();
  const std::string hole = R"({"source":"abp","reason":"seq","missed":7})";
  EXPECT_EQ(offer({order(1), gap(2, hole), gap(3, hole, "UNRECOVERED"), order(4)}).back(), frame("{}", 9));
  // One that is not passed over yet counts again.
  offer({gap(5, hole), order(6)}, 0);
  EXPECT_EQ(offer({gap(5, hole), order(6)}).back(), frame("{}", 17));
  EXPECT_EQ(offer({gap(7, R"({"source":"abp","missed":18446744073709551615})"), order(8)}).back(),
            frame("{}", 1'000'018));
  EXPECT_EQ(offer({gap(9, R"({"source":"abp","reason":"disconnected"})"), order(10)}).back(),
            frame("{}", 1'000'019));
}

TEST_F(DropInEvents, RecoveredEventsGoOutLikeOthers) {
  login();
  events::Facts facts;
  facts.source = "abp", facts.channel = "orders", facts.name = "UPDATE", facts.payload = "{}",
  facts.ts = "1771183909789";
  facts.recovered = true;
  EXPECT_EQ(offer({event_of(1, facts)}).front(), frame("{}", 1));
}

TEST_F(DropInEvents, TheWindowIsAHundred) {
  login(R"(,"reliableDelivery":true)");
  std::vector<events::EventPtr> events;
  for (events::EventId id = 1; id <= 150; ++id)
    events.push_back(order(id * 10));
  const auto frames = offer(events);
  ASSERT_EQ(frames.size(), 100u);
  EXPECT_TRUE(frames.back().ends_with(R"("seq":100,"requireAck":true})"));
  EXPECT_TRUE(session->holds());
  events.erase(events.begin(), events.begin() + 100);
  EXPECT_TRUE(offer(events).empty());
  const int before = voice.went_on;
  hear(R"({"type":"ack","seqs":[1,50]})");
  EXPECT_GT(voice.went_on, before);
  EXPECT_FALSE(session->holds());
  EXPECT_EQ(offer(events).size(), 2u);
  hear(R"({"type":"ack","seq":102})");
  events.erase(events.begin(), events.begin() + 2);
  EXPECT_EQ(offer(events).size(), 48u);
  EXPECT_TRUE(voice.acknowledged.empty());  // nothing durable to move
}

TEST_F(DropInEvents, EventsThatAreNotWantedDoNotFillTheWindow) {
  hear(R"({"type":"login","channels":["orders"],"reliableDelivery":true})");
  std::vector<events::EventPtr> events;
  for (events::EventId id = 1; id <= 400; ++id)
    events.push_back(order(id, "{}", id % 2 == 0 ? "orders" : "bets"));
  EXPECT_EQ(offer(events).size(), 100u);
}

TEST_F(DropInEvents, ADurableConsumersPlaceIsWhatItAcknowledged) {
  login(R"(,"consumer":"risk")");
  EXPECT_EQ(voice.consumer, "risk");
  offer({order(10), order(20), order(30)});
  hear(R"({"type":"ack","seqs":[2]})");
  EXPECT_TRUE(voice.acknowledged.empty());
  hear(R"({"type":"ack","seqs":[1]})");
  hear(R"({"type":"ack","seq":99})");
  hear(R"({"type":"ack","seq":99})");
  EXPECT_EQ(voice.acknowledged, (std::vector<events::EventId>{20, 30}));
}

TEST_F(DropInEvents, AcksWithoutReliableDeliveryAreAnError) {
  hear(R"({"type":"ack","seq":1})");
  EXPECT_EQ(voice.last(), dropin::error_text("Login required"));
  login();
  hear(R"({"type":"ack","seq":1})");
  EXPECT_EQ(voice.last(), dropin::error_text("Reliable delivery is not enabled"));
  EXPECT_EQ(voice.code, 0);
}

TEST_F(DropInEvents, WhatRetentionTookIsPassedOverWithAHole) {
  login(R"(,"consumer":"risk")");
  offer({order(10)});
  session->lost({500, 600});
  EXPECT_EQ(voice.acknowledged, (std::vector<events::EventId>{500}));
  EXPECT_TRUE(offer({order(600)}).front().ends_with(R"("seq":3})"));
}

class MmDropInEvents : public DropInStage {
 protected:
  MmDropInEvents() : DropInStage(true) {
    upstream_up();
    begin();
  }
  static events::EventPtr fill(events::EventId id) {
    events::Facts facts;
    facts.source = "mm", facts.channel = "orders", facts.name = "UPDATE", facts.payload = "{ }",
    facts.old = "{\"a\": 1}";
    return event_of(id, facts);
  }
};

TEST_F(MmDropInEvents, BroadcastsHaveOldAndNoSeq) {
  hear(R"({"type":"subscribe","api_key":"k"})");
  EXPECT_EQ(offer({fill(1)}).front(),
            R"({"type":"broadcast","channel":"orders","event":"UPDATE","payload":{ },"old":{"a": 1}})");
}

TEST_F(MmDropInEvents, WhoAcknowledgesIsGivenNumbers) {
  hear(R"({"type":"subscribe","api_key":"k","consumer":"risk"})");
  EXPECT_TRUE(offer({fill(1)}).front().ends_with(R"(,"old":{"a": 1},"seq":1})"));
  hear(R"({"type":"unsubscribe"})");
  hear(R"({"type":"subscribe","api_key":"k","reliableDelivery":true})");
  EXPECT_TRUE(offer({fill(2)}).front().ends_with(R"(,"seq":1,"requireAck":true})"));
}

}  // namespace
}  // namespace bridge55::test
