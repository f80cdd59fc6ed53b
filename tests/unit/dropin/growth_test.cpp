// Apps that want channels which the daemon has not asked upstream for.
#include "tests/unit/dropin/stage.hpp"

namespace bridge55::test {
namespace {

using dropin::Growth;

std::string error(std::string_view text) {
  return dropin::error_text(text);
}

class Growing : public DropInStage {
 protected:
  Growing() {
    settings.channels = {"orders"};
    line->configured(settings);
    upstream_up({"orders", "emergency"});
  }
  using Channels = std::vector<std::string>;
};

TEST_F(Growing, AnAppThatWantsMoreMakesTheSubscriptionGrowAndIsThenAnswered) {
  begin();
  hear(R"({"type":"login","channels":["bets","orders"]})");
  ASSERT_EQ(growths, (std::vector<Channels>{{"orders", "emergency", "bets"}}));
  EXPECT_TRUE(voice.said.empty());
  line->granted({"\"demo\"", "{}", {"orders", "bets", "emergency"}, true});
  line->grown(Growth::done, now);
  line->admit(now);
  EXPECT_NE(voice.last().find(R"("channels":["bets","orders"])"), std::string::npos) << voice.last();
  EXPECT_EQ(growths.size(), 1u);
}

TEST_F(Growing, WhatUpstreamDoesNotGrantIsNotAskedForAgain) {
  for (int i = 0; i < 3; ++i) {
    begin();
    hear(R"({"type":"login","channels":["horses"]})");
    line->grown(Growth::done, now);
    line->admit(now);
    EXPECT_NE(voice.last().find(R"("channels":[])"), std::string::npos) << voice.last();
  }
  EXPECT_EQ(growths.size(), 1u);
}

TEST_F(Growing, OneGrowthAtATimeAndTheNextTakesAllThatWait) {
  FakeVoice voices[3];
  std::vector<std::unique_ptr<dropin::Session>> sessions;
  const char* channels[] = {"bets", "balance", "status"};
  for (int i = 0; i < 3; ++i) {
    sessions.push_back(std::make_unique<dropin::Session>(line));
    sessions.back()->begin(voices[i], now);
    sessions.back()->heard(std::string(R"({"type":"login","channels":[")") + channels[i] + R"("]})", now);
  }
  EXPECT_EQ(growths, (std::vector<Channels>{{"orders", "emergency", "bets"}}));
  line->grown(Growth::done, now);
  line->admit(now);
  ASSERT_EQ(growths.size(), 2u);
  EXPECT_EQ(growths[1], (Channels{"orders", "emergency", "bets", "balance", "status"}));
  EXPECT_EQ(voices[0].said.size(), 1u);
  EXPECT_TRUE(voices[1].said.empty());
  line->grown(Growth::done, now);
  line->admit(now);
  EXPECT_EQ(voices[1].said.size() + voices[2].said.size(), 2u);
}

TEST_F(Growing, TheConnectionLimitIsSaidInTheVendorsWordsAndNotTriedAgainFor60Seconds) {
  begin();
  hear(R"({"type":"login","channels":["bets"]})");
  line->grown(Growth::connection_limit, now);
  EXPECT_EQ(voice.last(), error("Connection limit exceeded"));
  EXPECT_EQ(voice.code, 1008);
  now += 59s;
  begin();
  hear(R"({"type":"login","channels":["bets"]})");
  EXPECT_EQ(growths.size(), 1u);
  EXPECT_EQ(voice.last(), error("Connection limit exceeded"));
  now += 1s;
  begin();
  hear(R"({"type":"login","channels":["bets"]})");
  EXPECT_EQ(growths.size(), 2u);
}

TEST_F(Growing, AFailureEndsOnlyTheLoginsThatNeededIt) {
  begin();
  hear(R"({"type":"login","channels":["bets"]})");
  FakeVoice other;
  dropin::Session plain(line);
  plain.begin(other, now);
  plain.heard(R"({"type":"login","channels":["orders"]})", now);
  EXPECT_NE(other.last().find("login_ok"), std::string::npos);
  line->grown(Growth::unavailable, now);
  EXPECT_EQ(voice.last(), error("Service unavailable"));
  EXPECT_EQ(voice.code, 1011);
  EXPECT_EQ(other.code, 0);
}

TEST_F(Growing, AnAppThatTookWhatThereWasIsNotSentWhatAnotherAskedForLater) {
  begin();
  login();
  FakeVoice other;
  dropin::Session more(line);
  more.begin(other, now);
  more.heard(R"({"type":"login","channels":["bets"]})", now);
  line->grown(Growth::done, now);
  line->admit(now);
  EXPECT_EQ(
      offer({order(1), order(2, "{}", "bets"), order(3, "{}", "emergency"), order(4, "{}", "unheard-of")})
          .size(),
      3u);
}

TEST_F(Growing, AReloadInTheMiddleOfAGrowthLeavesNobodyWaiting) {
  begin();
  hear(R"({"type":"login","channels":["bets"]})");
  line->went_down(now);
  settings.channels = {"orders", "balance"};
  line->configured(settings);
  upstream_up({"orders", "balance", "emergency"});
  ASSERT_EQ(growths.size(), 2u);
  EXPECT_EQ(growths[1], (Channels{"orders", "balance", "emergency", "bets"}));
  line->grown(Growth::done, now);
  line->admit(now);
  EXPECT_NE(voice.last().find("login_ok"), std::string::npos);
}

TEST_F(Growing, TheListOfWhatIsAskedForIsBounded) {
  for (int i = 0; i < 100; ++i) {
    begin();
    hear(R"({"type":"login","channels":["c)" + std::to_string(i) + R"("]})");
    line->grown(Growth::done, now);
    line->admit(now);
    EXPECT_NE(voice.last().find("login_ok"), std::string::npos);
  }
  EXPECT_EQ(growths.size(), 62u);
}

}  // namespace
}  // namespace bridge55::test
