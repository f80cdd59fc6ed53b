#include "tests/unit/upstream/session_fixture.hpp"

namespace bridge55 {
namespace {

using namespace std::chrono_literals;
using config::UpstreamKind;
using test::kLoginOk;
using test::SessionTest;
using upstream::Cause;
using upstream::Counter;

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
  for (const char* seq : {"1", "2", "3"})
    data(seq);
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
  for (int i = 0; i < 5; ++i)
    text(R"({"type":"welcome"})");
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
  for (const auto& said : did.said)
    EXPECT_EQ(json::validate_copy(said.payload), "");
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
