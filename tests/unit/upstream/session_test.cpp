#include <gtest/gtest.h>

#include "bridges/upstream/session.hpp"
#include "tests/unit/upstream/support.hpp"

namespace bridge55 {
namespace {

using namespace std::chrono_literals;
using config::UpstreamKind;
using upstream::Cause;
using upstream::Counter;
using upstream::Now;

constexpr const char* kLoginOk = R"({"type":"login_ok","subscriptionId":7,"features":{"acknowledgments":false}})";
constexpr const char* kReliable = R"({"type":"login_ok","subscriptionId":7,"features":{"acknowledgments":true}})";

// A session with a virtual clock.
class SessionTest : public ::testing::Test {
 protected:
  explicit SessionTest(UpstreamKind kind = UpstreamKind::abp) : settings(test::upstream_of(kind, "abp")) {}

  void open() {
    protocol = upstream::make_protocol(settings);
    session = std::make_unique<upstream::Session>(upstream::Session::Parts{settings, 0, *protocol, did});
    session->opened(now);
  }
  void log_in(const char* answer = kLoginOk) {
    if (!session) open();
    text(answer);
    ASSERT_TRUE(session->is_up());
  }
  void message(ws::Kind kind, std::string_view data, bool utf8 = true) {
    const test::Padded padded(data);
    ws::Message m;
    m.kind = kind;
    m.data = padded.view();
    m.size = data.size();
    m.valid_utf8 = utf8;
    session->received(m, now);
  }
  void text(std::string_view data) { message(ws::Kind::text, data); }
  void close(std::uint16_t code, std::string_view reason = "") {
    ws::Message m;
    m.kind = ws::Kind::close;
    m.close_code = code;
    m.data = reason;
    session->received(m, now);
  }
  void data(const std::string& seq, const std::string& payload = "{}") {
    text(R"({"type":"data","channel":"orders","event":"UPDATE","payload":)" + payload + R"(,"ts":1,"seq":)" + seq + "}");
  }
  void pass(std::chrono::milliseconds time) {
    now.steady += time;
    now.wall += time.count() * 1000;
  }
  // Ticks at every time that the session asks for, until `time` has passed.
  void run_for(std::chrono::milliseconds time) {
    const SteadyTime until = now.steady + time;
    while (!session->end() && session->next_tick() <= until) {
      if (session->next_tick() > now.steady) pass(std::chrono::ceil<std::chrono::milliseconds>(session->next_tick() - now.steady));
      session->tick(now);
    }
    if (now.steady < until) pass(std::chrono::ceil<std::chrono::milliseconds>(until - now.steady));
  }
  Cause cause() const { return session->end() ? session->end()->cause : Cause::stopped; }

  config::Upstream settings;
  test::Recorder did;
  std::unique_ptr<upstream::Protocol> protocol;
  std::unique_ptr<upstream::Session> session;
  Now now{SteadyTime(1000s), 1'771'183'909'789'001};
};

TEST_F(SessionTest, LogsInAsSoonAsTheSocketIsOpenAndIsUpWithTheAnswer) {
  open();
  EXPECT_EQ(did.sent, std::vector<std::string>{R"({"type":"login","apiKey":"canary-key","channels":[]})"});
  EXPECT_FALSE(session->is_up());
  log_in();
  EXPECT_EQ(did.logins, std::vector<std::string>{"7"});
}

TEST_F(SessionTest, ALoginThatIsNotAnsweredEndsAtItsDeadline) {
  open();
  text(R"({"type":"ping"})");
  run_for(29s);
  EXPECT_FALSE(session->end());
  run_for(2s);
  EXPECT_EQ(cause(), Cause::login);
}

TEST_F(SessionTest, ARefusalIsToldFromOtherErrors) {
  open();
  text(R"({"type":"error","message":"Invalid API key"})");
  EXPECT_EQ(cause(), Cause::refused_key);
  session->opened(now);
  text(R"({"type":"error","message":"Connection limit exceeded"})");
  EXPECT_EQ(cause(), Cause::connection_limit);
  session->opened(now);
  text(R"({"type":"error","message":"Internal error"})");
  EXPECT_EQ(cause(), Cause::login);
}

TEST_F(SessionTest, AfterTheLoginOnlyARefusalEndsTheSession) {
  log_in();
  text(R"({"type":"error","message":"Unknown message type: ping"})");
  EXPECT_FALSE(session->end());
  text(R"({"type":"error","message":"API key has expired"})");
  EXPECT_EQ(cause(), Cause::refused_key);
}

TEST_F(SessionTest, AKeyThatIsRepeatedToUsIsMasked) {
  open();
  text(R"({"type":"error","message":"Invalid API key canary-key"})");
  EXPECT_EQ(session->end()->reason, "Invalid API key ***");
}

TEST_F(SessionTest, DataIsPublishedWithSourceAndSubscription) {
  log_in();
  data("1", R"({"orderId":327})");
  ASSERT_EQ(did.published.size(), 1u);
  EXPECT_EQ(did.published[0].source, "abp");
  EXPECT_EQ(did.published[0].subscription, "7");
  EXPECT_EQ(did.published[0].key, "327");
  EXPECT_FALSE(did.published[0].may_repeat);
  EXPECT_EQ(session->seq(), "1");
}

TEST_F(SessionTest, PingsOfBothKindsAreAnswered) {
  log_in();
  did.sent.clear();
  text(R"({"type":"ping"})");
  message(ws::Kind::ping, "abc");
  EXPECT_EQ(did.sent, std::vector<std::string>{R"({"type":"pong"})"});
  EXPECT_EQ(did.controls, std::vector<std::string>{"pong abc"});
}

TEST_F(SessionTest, SendsItsOwnPingWheneverItWasSilentForAnInterval) {
  log_in();
  did.sent.clear();
  for (int i = 0; i < 9; ++i) {
    text(R"({"type":"heartbeat"})");
    run_for(10s);
  }
  EXPECT_EQ(did.sent, std::vector<std::string>(3, R"({"type":"ping"})"));
  EXPECT_FALSE(session->end());
}

TEST_F(SessionTest, NoTrafficForTwoAndAHalfIntervalsIsADeadSession) {
  log_in();
  run_for(74s);
  EXPECT_FALSE(session->end());
  run_for(2s);
  EXPECT_EQ(cause(), Cause::silent);
}

TEST_F(SessionTest, ATrickleIsNoTraffic) {
  log_in();
  for (int i = 0; i < 80; ++i) {
    session->progress(1, now);
    run_for(1s);
  }
  EXPECT_EQ(cause(), Cause::silent);
}

TEST_F(SessionTest, ALargeMessageOnASlowLinkIsTraffic) {
  log_in();
  for (int i = 0; i < 80; ++i) {
    session->progress(10'000, now);
    run_for(1s);
  }
  EXPECT_FALSE(session->end());
}

TEST_F(SessionTest, AHoleIsSaidBeforeTheEventThatShowsIt) {
  log_in();
  data("1");
  data("4");
  ASSERT_EQ(did.events_of("gap"), (std::vector<std::string>{"DETECTED", "UNRECOVERED"}));
  EXPECT_EQ(did.said[0].at("reason"), "seq");
  EXPECT_EQ(did.said[0].at("expected"), "2");
  EXPECT_EQ(did.said[0].at("received"), "4");
  EXPECT_EQ(did.said[0].at("missed"), "2");
  EXPECT_EQ(did.said[0].at("source"), "abp");
  EXPECT_EQ(did.published.size(), 2u);
}

TEST_F(SessionTest, ARepeatedSeqIsDroppedOnlyWithEqualBytes) {
  log_in();
  data("1");
  data("2");
  data("2");
  EXPECT_EQ(did.published.size(), 2u);
  EXPECT_EQ(did.counted(Counter::duplicate), 1);
  data("2", R"({"other":1})");
  data("2", R"({"another":1})");
  EXPECT_EQ(did.published.size(), 4u);
  EXPECT_EQ(did.logged.size(), 1u);
  EXPECT_TRUE(did.events_of("gap").empty());
}

TEST_F(SessionTest, AResetCounterIsAGap) {
  log_in();
  for (const char* seq : {"1", "2", "3"}) data(seq);
  data("1", R"({"new":1})");
  EXPECT_EQ(did.said.at(0).at("reason"), "seq_reset");
  data("2", R"({"new":2})");
  EXPECT_EQ(did.events_of("gap").size(), 2u);
  EXPECT_EQ(did.published.size(), 5u);
}

TEST_F(SessionTest, ANewLoginCountsAnewWithoutAGap) {
  log_in();
  data("50");
  session->opened(now);
  log_in();
  data("1");
  EXPECT_TRUE(did.events_of("gap").empty());
}

TEST_F(SessionTest, UnknownThingsAreNotedOnceAndNeverAnError) {
  log_in();
  for (int i = 0; i < 5; ++i) text(R"({"type":"welcome"})");
  text(R"({"type":"other"})");
  EXPECT_EQ(did.logged.size(), 2u);
  EXPECT_EQ(did.counted(Counter::ignored), 6);
  text(R"({"type":"new","channel":"news","event":"X","payload":{}})");
  EXPECT_EQ(did.published.size(), 1u);
  EXPECT_FALSE(session->end());
}

TEST_F(SessionTest, WhatCannotBeUnderstoodIsKeptAndTheSessionGoesOn) {
  log_in();
  text("not json \"canary-key\"");
  message(ws::Kind::text, "caf\xe9", false);
  message(ws::Kind::binary, "\x01\x02");
  ws::Message large;
  large.kind = ws::Kind::too_large;
  large.data = "first bytes";
  large.size = 64'000'000;
  session->received(large, now);
  ASSERT_EQ(did.events_of("quarantine").size(), 4u);
  EXPECT_EQ(did.said[0].at("text"), "not json \"***\"");
  EXPECT_EQ(did.said[1].at("reason"), "not UTF-8");
  EXPECT_EQ(did.said[1].at("base64"), "Y2Fm6Q==");
  EXPECT_EQ(did.said[2].at("base64"), "AQI=");
  EXPECT_EQ(did.said[3].at("reason"), "too large");
  EXPECT_EQ(did.said[3].at("size"), "64000000");
  EXPECT_EQ(did.counted(Counter::quarantined), 4);
  for (const auto& said : did.said) EXPECT_EQ(json::validate_copy(said.payload), "");
  data("1");
  EXPECT_EQ(did.published.size(), 1u);
}

TEST_F(SessionTest, AnAnnouncedRestartIsToldFromABreak) {
  log_in();
  text(R"({"type":"reconnect","reason":"server_upgrade"})");
  data("1");
  EXPECT_EQ(did.published.size(), 1u);
  close(1000);
  EXPECT_EQ(cause(), Cause::server_restart);
  session->opened(now);
  log_in();
  session->broke({Cause::reset, "gone", 0, {}});
  EXPECT_EQ(cause(), Cause::reset);
}

class ReliableTest : public SessionTest {
 protected:
  ReliableTest() { settings.reliable_delivery = true; }
};

TEST_F(ReliableTest, AcksGoOutOnlyOnceTheEventIsDurable) {
  log_in(kReliable);
  EXPECT_NE(did.sent.at(0).find("\"reliableDelivery\":true"), std::string::npos);
  did.sent.clear();
  data("1");
  data("2");
  EXPECT_TRUE(did.sent.empty());
  session->durable(1, now);
  EXPECT_EQ(did.sent, std::vector<std::string>{R"({"type":"ack","seq":1})"});
}

TEST_F(ReliableTest, NothingIsAcknowledgedWhereTheServerDoesNotOfferIt) {
  log_in(kLoginOk);
  did.sent.clear();
  data("1");
  session->durable(1, now);
  EXPECT_TRUE(did.sent.empty());
}

TEST_F(ReliableTest, ARedeliveryIsPossibleRightBehindTheLoginAndIsAcknowledgedAgain) {
  log_in(kReliable);
  did.drop_as_duplicate = true;
  did.sent.clear();
  data("1");
  EXPECT_TRUE(did.published.at(0).may_repeat);
  EXPECT_EQ(did.sent, std::vector<std::string>{R"({"type":"ack","seq":1})"});
  pass(11s);
  data("2");
  EXPECT_FALSE(did.published.at(1).may_repeat);
}

TEST_F(ReliableTest, AStallAtTheWindowEndsWithALoginWithoutReliableDelivery) {
  log_in(kReliable);
  for (int i = 1; i <= 100; ++i) data(std::to_string(i));
  session->durable(100, now);
  for (int i = 0; i < 2; ++i) {
    run_for(4s);
    text(R"({"type":"heartbeat"})");
  }
  EXPECT_FALSE(session->end());
  run_for(3s);
  EXPECT_EQ(cause(), Cause::stall);
  did.sent.clear();
  session->opened(now);
  EXPECT_EQ(did.sent.at(0).find("reliableDelivery"), std::string::npos);
}

TEST_F(ReliableTest, AWindowThatMovedOrIsOursToMoveIsNoStall) {
  log_in(kReliable);
  for (int i = 1; i <= 150; ++i) data(std::to_string(i));
  session->durable(150, now);
  run_for(20s);
  EXPECT_FALSE(session->end());
  session->opened(now);
  log_in(kReliable);
  for (int i = 1; i <= 100; ++i) data(std::to_string(i));
  run_for(20s);  // the journal has not committed: no ack was sent
  EXPECT_FALSE(session->end());
}

class FeedTest : public SessionTest {
 protected:
  FeedTest() : SessionTest(UpstreamKind::websocket) { settings.name = "feed"; }
};

TEST_F(FeedTest, IsUpWithTheUpgradeAndPingsByWebSocket) {
  open();
  EXPECT_TRUE(session->is_up());
  EXPECT_TRUE(did.sent.empty());
  run_for(31s);
  EXPECT_EQ(did.controls, std::vector<std::string>{"ping bridge55"});
}

TEST_F(FeedTest, BinaryFramesAreEventsAsBase64AndOtherTextIsKept) {
  open();
  message(ws::Kind::binary, "\x01\x02");
  ASSERT_EQ(did.published.size(), 1u);
  EXPECT_EQ(did.published[0].payload, "\"AQI=\"");
  EXPECT_TRUE(did.published[0].base64);
  EXPECT_EQ(did.published[0].channel, "feed");
  text(R"({"type":"ping"})");
  EXPECT_EQ(did.published.size(), 2u);
  text("hello");
  EXPECT_EQ(did.events_of("quarantine").size(), 1u);
}

}  // namespace
}  // namespace bridge55
