#include "bridges/scraping/standing/script.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace bridge55::scraping::standing {
namespace {

using namespace std::chrono_literals;

struct Recorder final : Script::Actions {
  void answer(ws::Kind kind, std::string_view data) override {
    const char* name = kind == ws::Kind::text ? "text " : kind == ws::Kind::ping ? "ping " : "pong ";
    did.push_back(name + std::string(data));
  }
  void take(const ws::Message& message) override { did.push_back("event " + std::string(message.data)); }
  std::vector<std::string> take_all() { return std::exchange(did, {}); }
  std::vector<std::string> did;
};
using Did = std::vector<std::string>;

struct ScriptTest : testing::Test {
  void open() {
    script.emplace(Script::Parts{relay, keep_alive, actions});
    script->opened(now);
  }
  void hear(ws::Kind kind, std::string_view data, std::uint16_t code = 0) {
    ws::Message message;
    message.kind = kind;
    message.data = data;
    message.size = data.size();
    message.close_code = code;
    script->received(message, now);
  }
  void run_for(std::chrono::milliseconds time) {
    const SteadyTime until = now + time;
    while (!script->end() && script->next_tick() <= until) {
      now = std::max(now, script->next_tick());
      script->tick(now);
    }
    now = std::max(now, until);
  }
  Cause cause() const { return script->end() ? script->end()->cause : Cause::stopped; }

  config::Relay relay;
  config::KeepAlive keep_alive;
  Recorder actions;
  std::optional<Script> script;
  SteadyTime now{1000s};
};

TEST_F(ScriptTest, TheFirstFramesGoOutInOrder) {
  relay.on_connect = {"a", "b"};
  open();
  EXPECT_EQ(actions.take_all(), (Did{"text a", "text b"}));
  EXPECT_TRUE(script->is_open());
}

TEST_F(ScriptTest, EveryMessageIsAnEvent) {
  open();
  hear(ws::Kind::text, "x");
  hear(ws::Kind::binary, "y");
  hear(ws::Kind::too_large, "z");
  EXPECT_EQ(actions.take_all(), (Did{"event x", "event y", "event z"}));
}

TEST_F(ScriptTest, AReplyNeedsTheWholeTextFrame) {
  relay.reply = {{"2", "3"}, {"ping", "pong"}};
  open();
  hear(ws::Kind::text, "2");
  hear(ws::Kind::text, "2probe");
  hear(ws::Kind::binary, "2");
  hear(ws::Kind::text, "ping");
  EXPECT_EQ(actions.take_all(),
            (Did{"event 2", "text 3", "event 2probe", "event 2", "event ping", "text pong"}));
}

TEST_F(ScriptTest, APingIsAnswered) {
  open();
  hear(ws::Kind::ping, "abc");
  hear(ws::Kind::pong, "abc");
  EXPECT_EQ(actions.take_all(), Did{"pong abc"});
}

TEST_F(ScriptTest, ACloseOfTheTargetIsTheTargets) {
  open();
  hear(ws::Kind::close, "bye", 4999);
  EXPECT_EQ(cause(), Cause::target);
  EXPECT_EQ(script->end()->close_code, 4999);
  EXPECT_EQ(script->end()->reason, "the target closed with 4999: bye");
  EXPECT_FALSE(script->is_open());
}

TEST_F(ScriptTest, ACloseWithoutACodeIsTheTargetsToo) {
  open();
  hear(ws::Kind::close, "", 1005);
  EXPECT_EQ(script->end()->reason, "the target closed without a code");
}

TEST_F(ScriptTest, ACrashedAgentIsTheNetworks) {
  open();
  hear(ws::Kind::close, "", 1011);
  EXPECT_EQ(cause(), Cause::agent);
}

TEST_F(ScriptTest, AnErrorMessageBeforeTheCloseSaysWhoseItIs) {
  for (const auto& [message, code, expected] : {std::tuple{"agent crashed", 1011, Cause::agent},
                                                {"Rate limit exceeded", 1008, Cause::limited},
                                                {"Invalid or missing API key", 1008, Cause::refused},
                                                {"whatever", 1000, Cause::target}}) {
    open();
    hear(ws::Kind::text, R"({"type":"error","message":")" + std::string(message) + "\"}");
    hear(ws::Kind::close, "", static_cast<std::uint16_t>(code));
    EXPECT_EQ(cause(), expected) << message;
  }
}

TEST_F(ScriptTest, AnErrorMessageThatTheTargetWentOnFromWasTheTargets) {
  open();
  hear(ws::Kind::text, R"({"type":"error","message":"Rate limit exceeded"})");
  hear(ws::Kind::text, "more");
  hear(ws::Kind::close, "", 1008);
  EXPECT_EQ(cause(), Cause::target);
}

TEST_F(ScriptTest, AQuietRelayIsPingedAndASilentOneIsDead) {
  open();
  run_for(74s);
  EXPECT_EQ(actions.take_all(), (Did{"ping bridge55", "ping bridge55"}));
  run_for(2s);
  EXPECT_EQ(cause(), Cause::silent);
}

TEST_F(ScriptTest, APongKeepsItAlive) {
  open();
  for (int i = 0; i < 10; ++i) {
    run_for(31s);
    hear(ws::Kind::pong, "bridge55");
  }
  EXPECT_FALSE(script->end());
}

TEST_F(ScriptTest, ATargetThatSaysNothingForTheIdleTimeoutEndsIt) {
  relay.idle_timeout = 5s;
  open();
  run_for(5s);
  hear(ws::Kind::text, "x");
  run_for(6s);
  hear(ws::Kind::pong, "no message");
  EXPECT_FALSE(script->end());
  run_for(2s);
  EXPECT_EQ(cause(), Cause::idle);
  EXPECT_EQ(script->end()->reason, "no message of the target for 5 s");
}

TEST_F(ScriptTest, ATrickleIsSilenceAndALongTransferIsNot) {
  relay.idle_timeout = 5s;
  open();
  for (int i = 0; i < 10 && !script->end(); ++i) {
    script->progress(100'000, now);
    run_for(4s);
  }
  EXPECT_FALSE(script->end());
  for (int i = 0; i < 10 && !script->end(); ++i) {
    script->progress(1, now);
    run_for(4s);
  }
  EXPECT_EQ(cause(), Cause::idle);
}

TEST_F(ScriptTest, AfterAPauseOfOursSilenceBeginsAnew) {
  relay.idle_timeout = 5s;
  open();
  now += 100s;
  script->read_again(now);
  script->tick(now);
  EXPECT_FALSE(script->end());
}

TEST_F(ScriptTest, NothingIsHeardAfterTheEnd) {
  open();
  hear(ws::Kind::close, "", 1000);
  hear(ws::Kind::text, "x");
  hear(ws::Kind::close, "", 1011);
  EXPECT_EQ(actions.take_all(), Did{});
  EXPECT_EQ(script->end()->close_code, 1000);
}

TEST_F(ScriptTest, ItOpensAgainAfterAnEnd) {
  relay.on_connect = {"a"};
  open();
  hear(ws::Kind::close, "", 1000);
  script->opened(now);
  EXPECT_TRUE(script->is_open());
  EXPECT_EQ(actions.take_all(), (Did{"text a", "text a"}));
}

}  // namespace
}  // namespace bridge55::scraping::standing
