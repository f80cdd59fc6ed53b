#include "bridges/upstream/vendor_frame.hpp"
#include "tests/unit/upstream/support.hpp"

#include <random>

#include <gtest/gtest.h>

namespace bridge55 {
namespace {

using config::UpstreamKind;
using test::Padded;
using upstream::Incoming;
using Type = upstream::Incoming::Type;

class Reading {
 public:
  Reading(config::Upstream settings, std::string_view frame)
      : settings_(std::move(settings)), protocol_(upstream::make_protocol(settings_)), text_(frame) {
    protocol_->read(text_.view(), in);
  }
  Incoming in;
  std::string_view frame() const { return text_.view(); }

 private:
  config::Upstream settings_;
  std::unique_ptr<upstream::Protocol> protocol_;
  Padded text_;
};

Reading abp(std::string_view frame) {
  return {test::upstream_of(UpstreamKind::abp, "abp"), frame};
}
Reading mm(std::string_view frame) {
  return {test::upstream_of(UpstreamKind::mm, "mm"), frame};
}

std::string login_of(const config::Upstream& settings, bool reliable = false) {
  return upstream::make_protocol(settings)->login(reliable);
}

TEST(AbpLogin, SendsKeyAndChannelsAsDocumented) {
  auto settings = test::upstream_of(UpstreamKind::abp, "abp");
  EXPECT_EQ(login_of(settings), R"({"type":"login","apiKey":"canary-key","channels":[]})");
  EXPECT_EQ(login_of(settings, true),
            R"({"type":"login","apiKey":"canary-key","channels":[],"reliableDelivery":true})");
}

TEST(AbpLogin, AListOfChannelsAlwaysHoldsEmergency) {
  auto settings = test::upstream_of(UpstreamKind::abp, "abp");
  settings.channels = {"orders", "bets"};
  EXPECT_EQ(login_of(settings),
            R"({"type":"login","apiKey":"canary-key","channels":["orders","bets","emergency"]})");
}

TEST(AbpLogin, TheConfigsLoginReplacesAddsAndRemoves) {
  auto settings = test::upstream_of(UpstreamKind::abp, "abp");
  settings.login = R"({"channels":["x"],"apiKey":null,"key":"other", "filter":{"a":1.50}})";
  EXPECT_EQ(login_of(settings), R"({"type":"login","channels":["x"],"key":"other","filter":{"a":1.50}})");
}

TEST(MmLogin, SendsTheKeyInBothSpellingsAndEveryDocumentedChannel) {
  auto settings = test::upstream_of(UpstreamKind::mm, "mm");
  EXPECT_EQ(
      login_of(settings),
      R"({"type":"subscribe","api_key":"canary-key","apiKey":"canary-key","channels":["orders","bets","accounts","scores","emergency"]})");
  settings.login = R"({"apiKey":null})";
  settings.channels = {"orders", "emergency"};
  EXPECT_EQ(login_of(settings),
            R"({"type":"subscribe","api_key":"canary-key","channels":["orders","emergency"]})");
}

TEST(FeedLogin, IsTheConfigsMessageAsItStandsOrNothing) {
  auto settings = test::upstream_of(UpstreamKind::websocket, "feed");
  EXPECT_EQ(login_of(settings), "");
  settings.login = R"({"op": "subscribe", "n": 1.0})";
  EXPECT_EQ(login_of(settings), settings.login);
}

TEST(AbpFrame, DataIsCutByteForByte) {
  const auto r = abp(
      R"({"type": "data", "channel": "orders", "event": "INSERT", "payload": {"orderId": 327, "p":1.9500, "p":1e2},
          "ts": 1771183909789, "seq": 1, "requireAck": true, "old": [1 ,2], "extra": 1})");
  ASSERT_EQ(r.in.type, Type::data);
  EXPECT_EQ(r.in.facts.channel, "orders");
  EXPECT_EQ(r.in.facts.name, "INSERT");
  EXPECT_EQ(r.in.facts.payload, R"({"orderId": 327, "p":1.9500, "p":1e2})");
  EXPECT_EQ(r.in.facts.old, "[1 ,2]");
  EXPECT_EQ(r.in.facts.ts, "1771183909789");
  EXPECT_EQ(r.in.facts.seq, "1");
  EXPECT_EQ(r.in.facts.key, "327");
  EXPECT_EQ(r.in.facts.raw, r.frame());
}

TEST(AbpFrame, EscapesInNamesAndMembersAreResolved) {
  const auto r = abp(
      R"({"\u0074ype":"d\u0061ta","channel":"or\u0064ers","event":"A\"B","payload":{"order\u0049d":"x\n"}})");
  ASSERT_EQ(r.in.type, Type::data);
  EXPECT_EQ(r.in.facts.channel, "orders");
  EXPECT_EQ(r.in.facts.name, "A\"B");
  EXPECT_EQ(r.in.facts.key, "x\n");
}

TEST(AbpFrame, TheAnswerToTheLoginIsRead) {
  const auto r = abp(
      R"({"type":"login_ok","clientName":"demo","channels":["orders"],"subscriptionId":17,"features":{"messageOrdering":true,"acknowledgments":true,"batchAck":true}})");
  ASSERT_EQ(r.in.type, Type::ready);
  EXPECT_EQ(r.in.subscription, "17");
  EXPECT_TRUE(r.in.acknowledgments && r.in.batch_ack);
  EXPECT_FALSE(abp(R"({"type":"login_ok","features":{"acknowledgments":false}})").in.acknowledgments);
}

TEST(MmFrame, BothEditionsOfTheAnswerAreRead) {
  EXPECT_EQ(mm(R"({"type":"subscribed","subscription_id":1,"channels":["orders"]})").in.subscription, "1");
  EXPECT_EQ(mm(R"({"type":"subscribed","subscriptionId":"a"})").in.subscription, "\"a\"");
}

TEST(MmFrame, BroadcastsCarryOld) {
  const auto r = mm(
      R"({"type":"broadcast","channel":"orders","event":"UPDATE","payload":{"id": 123,"orderStatus":"FILLED"},"old":{"orderStatus":"PLACED"}})");
  ASSERT_EQ(r.in.type, Type::data);
  EXPECT_EQ(r.in.facts.old, R"({"orderStatus":"PLACED"})");
  EXPECT_EQ(r.in.facts.key, "123");
  EXPECT_EQ(r.in.facts.seq, "");
}

TEST(VendorFrame, KeepAliveOfBothEditionsIsKnown) {
  EXPECT_EQ(abp(R"({"type":"ping"})").in.type, Type::ping);
  EXPECT_EQ(abp(R"({"type":"pong"})").in.type, Type::alive);
  EXPECT_EQ(abp(R"({"type":"heartbeat","ts":1})").in.type, Type::alive);
}

TEST(VendorFrame, ErrorsOfEveryEditionHaveWords) {
  EXPECT_EQ(abp(R"({"type":"error","message":"Invalid API key"})").in.message, "Invalid API key");
  EXPECT_EQ(abp(R"({"detail":{"message":"Invalid API key","code":"UNAUTHORIZED"}})").in.message,
            "Invalid API key (UNAUTHORIZED)");
  EXPECT_EQ(abp(R"({"detail":"Missing API key"})").in.message, "Missing API key");
  EXPECT_EQ(abp(R"({"error":"Invalid API key","code":401})").in.message, "Invalid API key (401)");
  EXPECT_EQ(abp(R"({"type":"error"})").in.type, Type::error);
}

TEST(VendorFrame, AnUnknownTypeWithChannelAndPayloadIsAnEvent) {
  const auto r = abp(R"({"type":"UPDATE","channel":"odds","payload":[1]})");
  ASSERT_EQ(r.in.type, Type::data);
  EXPECT_EQ(r.in.facts.name, "UPDATE");
  EXPECT_EQ(abp(R"({"channel":"odds","event":"X","payload":1})").in.facts.name, "X");
  EXPECT_EQ(abp(R"({"channel":"odds","payload":1})").in.facts.name, "MESSAGE");
}

TEST(VendorFrame, AnUnknownTypeWithoutThemIsNamed) {
  const auto r = abp(R"({"type":"welcome","payload":1})");
  EXPECT_EQ(r.in.type, Type::other);
  EXPECT_EQ(r.in.type_name, "welcome");
}

TEST(VendorFrame, ADataFrameWithoutPayloadIsAnEventOfNull) {
  const auto r = abp(R"({"type":"data","channel":"orders","event":"DELETE","old":{"orderId":5}})");
  ASSERT_EQ(r.in.type, Type::data);
  EXPECT_EQ(r.in.facts.payload, "null");
  EXPECT_EQ(r.in.facts.key, "5");
}

TEST(VendorFrame, WhatCannotBeUnderstoodHasAReason) {
  for (const std::string_view frame :
       {"", "{", R"({"x":tru})", "[1,2}", R"({"a" "b"})", "{}x", "[1]", "\"text\"", "17",
        R"({"type":"data","payload":1})", R"({"type":"data","channel":5,"payload":1})",
        R"({"type":"data","channel":"","payload":1})"}) {
    const auto r = abp(frame);
    EXPECT_EQ(r.in.type, Type::broken) << frame;
    EXPECT_FALSE(r.in.reason.empty()) << frame;
  }
  EXPECT_EQ(abp(std::string(1'000'000, '[')).in.type, Type::broken);
}

struct KeyCase {
  UpstreamKind kind;
  std::string_view channel, payload, key;
};

TEST(Keys, AreThoseOfTheContract) {
  const KeyCase cases[] = {
      {UpstreamKind::abp, "orders", R"({"orderId":327})", "327"},
      {UpstreamKind::abp, "orders", R"({"id":327})", ""},
      {UpstreamKind::abp, "orders", R"({"orderId":9007199254740993123})", "9007199254740993123"},
      {UpstreamKind::abp, "orders", R"({"orderId":null})", ""},
      {UpstreamKind::abp, "orders", R"({"orderId":1,"orderId":2})", "2"},
      {UpstreamKind::abp, "orders", "[1]", ""},
      {UpstreamKind::abp, "bets", R"({"betId":"b1"})", "b1"},
      {UpstreamKind::abp, "settlements", R"({"betId":73})", "73"},
      {UpstreamKind::abp, "accounts", R"({"username":"u","bookmaker":"pinnacle"})", "pinnacle/u"},
      {UpstreamKind::abp, "balance", R"({"bookmaker":"pinnacle","username":"u"})", "pinnacle/u"},
      {UpstreamKind::abp, "balance", R"({"bookmaker":"pinnacle"})", ""},
      {UpstreamKind::abp, "fixtures", R"({"fixtureId":"id1"})", "id1"},
      {UpstreamKind::abp, "betslip", R"({"fixtureId":"id1","outcomeId":103,"playerId":0})", "id1:103:0"},
      {UpstreamKind::abp, "betslip", R"({"futureId":"fut","outcomeId":0,"playerId":0,"participantId":5})",
       "fut:0:0:5"},
      {UpstreamKind::abp, "betslip", R"({"fixtureId":null,"futureId":"fut","outcomeId":0,"playerId":0})",
       "fut:0:0"},
      {UpstreamKind::abp, "betslip", R"({"fixtureId":"id1","outcomeId":103})", ""},
      {UpstreamKind::abp, "currencies", "{}", "-"},
      {UpstreamKind::abp, "status", "{}", "-"},
      {UpstreamKind::abp, "emergency", R"({"active":true})", "-"},
      {UpstreamKind::abp, "news", R"({"orderId":1})", ""},
      {UpstreamKind::mm, "orders", R"({"orderId":123})", "123"},
      {UpstreamKind::mm, "orders", R"({"id":123})", "123"},
      {UpstreamKind::mm, "bets", R"({"betId":456,"id":1})", "456"},
      {UpstreamKind::mm, "accounts", R"({"exchange":"polymarket","username":"u"})", "polymarket/u"},
      {UpstreamKind::mm, "scores", R"({"fixtureId":"id1"})", "id1"},
      {UpstreamKind::mm, "emergency", "{}", "-"},
  };
  for (const KeyCase& one : cases) {
    const std::string frame = "{\"type\":\"data\",\"channel\":\"" + std::string(one.channel) +
                              "\",\"event\":\"UPDATE\",\"payload\":" + std::string(one.payload) + "}";
    const Reading r(test::upstream_of(one.kind, "x"), frame);
    EXPECT_EQ(r.in.facts.key, one.key) << frame;
  }
}

// AddressSanitizer is the judge; what is published must be valid JSON inside the frame.
TEST(VendorFrame, MutatedFramesNeverCrashNorPublishAnythingInvalid) {
  const std::string seeds[] = {
      R"({"type":"data","channel":"betslip","event":"UPDATE","payload":{"futureId":"f\u0041","outcomeId":0,"playerId":-1.5e3},"old":[{}],"ts":1,"seq":"2"})",
      R"({"type":"login_ok","subscriptionId":1,"features":{"acknowledgments":true,"batchAck":false},"channels":["a"]})",
      R"({"detail":{"message":"Invalid API key","code":"X"},"error":null})"};
  std::mt19937 random(55);
  const auto settings = test::upstream_of(UpstreamKind::abp, "abp");
  const auto protocol = upstream::make_protocol(settings);
  upstream::Incoming in;
  for (int round = 0; round < 30'000; ++round) {
    std::string frame = seeds[random() % 3];
    for (unsigned changes = random() % 4; changes > 0; --changes) {
      const std::size_t at = random() % frame.size();
      switch (random() % 3) {
        case 0:
          frame[at] = "{}[]\",:0e\\ \n"[random() % 12];
          break;
        case 1:
          frame.erase(at, 1 + random() % 3);
          break;
        default:
          frame.insert(at, frame.substr(random() % frame.size(), random() % 9));
      }
    }
    const Padded text(frame);
    protocol->read(text.view(), in);
    if (in.type != Type::data) continue;
    ASSERT_EQ(json::validate_copy(in.facts.payload), "") << frame;
    for (const std::string_view token : {in.facts.old, in.facts.seq}) {
      if (token.empty()) continue;
      ASSERT_EQ(json::validate_copy(token), "") << frame;
    }
  }
}

TEST(Feed, EveryFrameIsAnEventOfTheUpstreamsName) {
  const Reading r(test::upstream_of(UpstreamKind::websocket, "odds"), R"([1, {"type":"ping"}])");
  ASSERT_EQ(r.in.type, Type::data);
  EXPECT_EQ(r.in.facts.channel, "odds");
  EXPECT_EQ(r.in.facts.name, "MESSAGE");
  EXPECT_EQ(r.in.facts.payload, r.frame());
  EXPECT_EQ(r.in.facts.key, "");
}

TEST(Feed, FieldsArePathsIntoTheFrame) {
  auto settings = test::upstream_of(UpstreamKind::websocket, "odds");
  settings.fields = {"h.c", "h.e", "h.n", "h.t", "body"};
  const Reading r(settings, R"({"h":{"c":"prices","e":7,"n":12,"t":1.50},"body":{"a" : 1}})");
  EXPECT_EQ(r.in.facts.channel, "prices");
  EXPECT_EQ(r.in.facts.name, "7");
  EXPECT_EQ(r.in.facts.seq, "12");
  EXPECT_EQ(r.in.facts.ts, "1.50");
  EXPECT_EQ(r.in.facts.payload, R"({"a" : 1})");
  const Reading missing(settings, R"({"x":1})");
  EXPECT_EQ(missing.in.facts.channel, "odds");
  EXPECT_EQ(missing.in.facts.name, "MESSAGE");
  EXPECT_EQ(missing.in.facts.payload, R"({"x":1})");
}

TEST(Feed, TextThatIsNotJsonIsBroken) {
  EXPECT_EQ(Reading(test::upstream_of(UpstreamKind::websocket, "odds"), "hello").in.type, Type::broken);
}

}  // namespace
}  // namespace bridge55
