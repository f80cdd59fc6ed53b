#include "bridges/upstream/lifecycle.hpp"

#include "tests/unit/upstream/support.hpp"

#include <gtest/gtest.h>

namespace bridge55 {
namespace {

using namespace std::chrono_literals;
using bridges::SessionState;
using upstream::Cause;
using upstream::End;
using upstream::Lifecycle;
using upstream::Now;

class LifecycleTest : public ::testing::Test {
 protected:
  explicit LifecycleTest(const char* opening_gap = "")
      : settings(test::upstream_of(config::UpstreamKind::abp, "abp")),
        life({settings, 0, did, opening_gap, 55}) {}

  config::Duration fail(Cause cause, const std::string& reason) {
    life.trying(now);
    return life.ended({cause, reason, 0, {}}, now, now.wall);
  }
  void up() {
    life.trying(now);
    life.came_up(now, "7", "[]");
  }
  config::Duration lose(Cause cause, const std::string& reason = "gone") {
    return life.ended({cause, reason, 0, {}}, now, now.wall);
  }
  void pass(std::chrono::milliseconds time) {
    now.steady += time;
    now.wall += time.count() * 1000;
  }
  std::vector<std::string> states() const { return did.events_of("session"); }
  using Names = std::vector<std::string>;

  config::Upstream settings;
  test::Recorder did;
  Lifecycle life;
  Now now{SteadyTime(1000s), 1'771'183'909'789'001};
};

TEST_F(LifecycleTest, AStartThatWorksSaysConnectingAndUp) {
  up();
  EXPECT_EQ(states(), (Names{"CONNECTING", "UP"}));
  EXPECT_EQ(did.said[1].payload, R"({"source":"abp","slot":0,"subscription":7,"channels":[]})");
  EXPECT_EQ(life.status().state, SessionState::up);
  EXPECT_TRUE(did.events_of("gap").empty());
}

TEST_F(LifecycleTest, AnUnreachableServerIsSaidOnceHoweverOftenItIsTried) {
  for (int i = 0; i < 100; ++i)
    fail(Cause::connect, "connection refused");
  EXPECT_EQ(states(), (Names{"CONNECTING", "DOWN"}));
  EXPECT_EQ(did.said[1].at("reason"), "connection refused");
  EXPECT_FALSE(did.said[1].at("retry_in_ms").empty());
  fail(Cause::tls, "certificate expired");
  EXPECT_EQ(states().size(), 3u);
  EXPECT_EQ(life.status().reconnects, 100u);
}

TEST_F(LifecycleTest, ReasonsThatAlwaysDifferAreBounded) {
  for (int i = 0; i < 1000; ++i)
    fail(Cause::connect, "reason " + std::to_string(i));
  EXPECT_LE(states().size(), 20u);
}

TEST_F(LifecycleTest, ALostSessionOpensAGapThatTheNextOneCloses) {
  up();
  pass(10s);
  lose(Cause::closed);
  pass(3s);
  fail(Cause::connect, "connection refused");
  up();
  EXPECT_EQ(did.events_of("gap"), (Names{"DETECTED", "UNRECOVERED"}));
  EXPECT_EQ(did.said.back().at("reason"), "disconnected");
  EXPECT_EQ(did.said.back().at("from"), "2026-02-15T19:31:59.789001Z");
  EXPECT_EQ(did.said.back().at("to"), "2026-02-15T19:32:02.789001Z");
  EXPECT_EQ(states(), (Names{"CONNECTING", "UP", "DOWN", "CONNECTING", "DOWN", "UP"}));
}

class UncleanTest : public LifecycleTest {
 protected:
  UncleanTest() : LifecycleTest("unclean_stop") {}
};

TEST_F(UncleanTest, AStartAfterAnUncleanStopOpensAGap) {
  fail(Cause::connect, "refused");
  EXPECT_EQ(did.events_of("gap"), Names{"DETECTED"});
  up();
  EXPECT_EQ(did.events_of("gap"), (Names{"DETECTED", "UNRECOVERED"}));
  EXPECT_EQ(did.said.back().at("reason"), "unclean_stop");
}

TEST_F(LifecycleTest, BackoffIsFullJitterBetweenItsBounds) {
  std::chrono::milliseconds ceiling = 250ms, largest = 0ms;
  for (int i = 0; i < 200; ++i) {
    const auto delay = fail(Cause::connect, "refused");
    EXPECT_LE(delay, ceiling);
    largest = std::max(largest, delay);
    ceiling = std::min<std::chrono::milliseconds>(ceiling * 2, 4s);
  }
  EXPECT_GT(largest, 3s);
}

TEST_F(LifecycleTest, ASessionThatHeldBeginsItsBackoffAnewAndAFlappingOneDoesNot) {
  for (int i = 0; i < 10; ++i)
    fail(Cause::connect, "refused");
  std::chrono::milliseconds largest = 0ms;
  for (int i = 0; i < 50; ++i) {
    up();
    largest = std::max(largest, lose(Cause::closed));
  }
  EXPECT_GT(largest, 1s);
  up();
  pass(6s);
  EXPECT_LE(lose(Cause::closed), 250ms);
}

TEST_F(LifecycleTest, ARefusedKeyAndTheConnectionLimitWaitAMinute) {
  EXPECT_EQ(fail(Cause::refused_key, "Invalid API key"), 60s);
  EXPECT_EQ(life.status().state, SessionState::rejected);
  pass(60s);
  EXPECT_EQ(fail(Cause::connection_limit, "Connection limit exceeded"), 60s);
  EXPECT_EQ(states(), (Names{"CONNECTING", "REJECTED", "REJECTED"}));
  EXPECT_EQ(did.said[2].at("ours"), "0");
}

TEST_F(LifecycleTest, AServerRestartIsFollowedAtOnceButNotInALoop) {
  up();
  pass(20s);
  EXPECT_EQ(lose(Cause::server_restart), 0ms);
  std::chrono::milliseconds waited = 0ms;
  for (int i = 0; i < 20; ++i) {
    up();
    waited += lose(Cause::server_restart);
  }
  EXPECT_GT(waited, 1s);
  pass(30s);
  up();
  EXPECT_EQ(lose(Cause::server_restart), 0ms);
}

TEST_F(LifecycleTest, ARetryAfterIsObeyed) {
  life.trying(now);
  EXPECT_GE(life.ended({Cause::upgrade, "503", 0, 7s}, now, 0), 7s);
}

TEST_F(LifecycleTest, APauseOfOurOwnIsAGap) {
  up();
  life.paused(now);
  life.paused(now);
  pass(5s);
  life.resumed(now);
  EXPECT_EQ(did.events_of("gap"), (Names{"DETECTED", "UNRECOVERED"}));
  EXPECT_EQ(did.said.back().at("reason"), "paused");
}

// Every growth of a subscription ends a session while its successor is up: a warning would wake somebody for
// nothing.
TEST_F(LifecycleTest, AnEndThatTheDaemonWantsIsSaidAndNotLogged) {
  up();
  did.logged.clear();
  life.stopped(now);
  EXPECT_EQ(did.said.back().event, "DOWN");
  EXPECT_TRUE(did.logged.empty());
}

TEST_F(LifecycleTest, EverythingSaidIsJson) {
  fail(Cause::connect, "quote \" and \x01 control");
  up();
  lose(Cause::closed, "r");
  life.stopped(now);
  for (const auto& said : did.said)
    EXPECT_EQ(json::validate_copy(said.payload), "") << said.payload;
}

}  // namespace
}  // namespace bridge55
