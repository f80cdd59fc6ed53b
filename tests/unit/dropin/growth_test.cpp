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
  void grown(Channels granted) {
    line->granted({"\"demo\"", "{}", std::move(granted), true}, now);
    line->grown(Growth::done, now);
    line->admit(now);
  }
  void ask(const std::string& channels) {
    begin();
    hear(R"({"type":"login","channels":[)" + channels + "]}");
  }
  // An app that makes up names, as upstream treats it.
  void invent(const std::string& stem) {
    std::string names;
    for (int i = 0; i < 10; ++i)
      names += (i == 0 ? "\"" : ",\"") + stem + std::to_string(i) + '"';
    ask(names);
    line->grown(Growth::done, now);
    line->admit(now);
    EXPECT_NE(voice.last().find(R"("channels":[])"), std::string::npos) << voice.last();
  }
};

TEST_F(Growing, AnAppThatWantsMoreMakesTheSubscriptionGrowAndIsThenAnswered) {
  begin();
  hear(R"({"type":"login","channels":["bets","orders"]})");
  ASSERT_EQ(growths, (std::vector<Channels>{{"orders", "emergency", "bets"}}));
  EXPECT_TRUE(voice.said.empty());
  line->granted({"\"demo\"", "{}", {"orders", "bets", "emergency"}, true}, now);
  line->grown(Growth::done, now);
  line->admit(now);
  EXPECT_NE(voice.last().find(R"("channels":["bets","orders"])"), std::string::npos) << voice.last();
  EXPECT_EQ(growths.size(), 1u);
}

TEST_F(Growing, WhatUpstreamDoesNotGrantIsForgottenAndNotAskedForAgainFor60Seconds) {
  ask(R"("horses")");
  grown({"orders", "emergency"});
  EXPECT_NE(voice.last().find(R"("channels":[])"), std::string::npos) << voice.last();
  now += 59s;
  ask(R"("horses")");
  EXPECT_NE(voice.last().find(R"("channels":[])"), std::string::npos) << voice.last();
  ask(R"("bets","horses")");
  grown({"orders", "emergency", "bets"});
  EXPECT_NE(voice.last().find(R"("channels":["bets"])"), std::string::npos) << voice.last();
  now += 1s;
  ask(R"("horses")");
  EXPECT_EQ(growths, (std::vector<Channels>{{"orders", "emergency", "horses"},
                                            {"orders", "emergency", "bets"},
                                            {"orders", "emergency", "bets", "horses"}}));
}

TEST_F(Growing, WhatUpstreamGrantsNoMoreIsAskedForAgainAfter60Seconds) {
  ask(R"("bets")");
  grown({"orders", "emergency", "bets"});
  line->granted({"\"demo\"", "{}", {"orders", "emergency"}, true}, now);
  ask(R"("bets")");
  EXPECT_NE(voice.last().find(R"("channels":[])"), std::string::npos) << voice.last();
  now += 60s;
  ask(R"("bets")");
  EXPECT_EQ(growths.size(), 2u);
}

TEST_F(Growing, NewSettingsMayBeGrantedWhatTheOnesBeforeWereNot) {
  ask(R"("bets")");
  grown({"orders", "emergency"});
  line->configured(settings);
  ask(R"("bets")");
  EXPECT_EQ(growths.size(), 2u);
}

TEST_F(Growing, WhatCannotBeAChannelIsNeverAskedFor) {
  const std::string longest(64, 'x');
  ask(R"("with space","a/b","é","a\u0000b",")" + longest + "x\"");
  EXPECT_NE(voice.last().find(R"("channels":[])"), std::string::npos) << voice.last();
  EXPECT_TRUE(growths.empty());
  EXPECT_FALSE(dropin::may_be_channel(""));
  EXPECT_TRUE(dropin::may_be_channel(longest));
  EXPECT_TRUE(dropin::may_be_channel("Aa0_.:-"));
}

TEST_F(Growing, NamesThatAppsMakeUpKeepNoDocumentedChannelFromOthers) {
  for (int k = 0; k < 50; ++k) {
    invent("x" + std::to_string(k) + "-");
    now += 100ms;
  }
  EXPECT_EQ(growths.size(), dropin::Denied::kMostInVain);
  ask(R"("bets")");
  EXPECT_EQ(growths.back(), (Channels{"orders", "emergency", "bets"}));
  grown({"orders", "emergency", "bets"});
  EXPECT_NE(voice.last().find(R"("channels":["bets"])"), std::string::npos) << voice.last();
  // A channel that is too new for the docs: once the made-up ones are a minute old.
  now += 60s;
  ask(R"("positions")");
  grown({"orders", "emergency", "bets", "positions"});
  EXPECT_NE(voice.last().find(R"("channels":["positions"])"), std::string::npos) << voice.last();
}

TEST_F(Growing, AGrowthFullOfMadeUpNamesMakesOthersWaitAndRefusesNone) {
  std::vector<std::unique_ptr<dropin::Session>> inventors;
  std::vector<std::unique_ptr<FakeVoice>> voices;
  for (int k = 0; k < 3; ++k) {
    voices.push_back(std::make_unique<FakeVoice>());
    inventors.push_back(std::make_unique<dropin::Session>(line));
    inventors.back()->begin(*voices.back(), now);
    std::string names;
    for (int i = 0; i < 60; ++i)
      names += (i == 0 ? "\"n" : ",\"n") + std::to_string(k * 60 + i) + '"';
    inventors.back()->heard(R"({"type":"login","channels":[)" + names + "]}", now);
  }
  ask(R"("bets","positions")");
  EXPECT_TRUE(voice.said.empty());
  FakeVoice other;
  dropin::Session late(line);
  late.begin(other, now);
  late.heard(R"({"type":"login","channels":["positions"]})", now);
  Channels granted{"orders", "emergency"};
  for (int i = 0; i < 5 && voice.said.empty(); ++i) {
    ASSERT_LE(growths.back().size(), 2u + 64u + 1u);
    for (const char* real : {"bets", "positions"}) {
      if (std::ranges::find(growths.back(), real) != growths.back().end()) granted.emplace_back(real);
    }
    grown(granted);
  }
  EXPECT_NE(voice.last().find(R"("channels":["bets","positions"])"), std::string::npos) << voice.last();
  EXPECT_NE(other.last().find(R"("channels":["positions"])"), std::string::npos) << other.last();
}

TEST_F(Growing, WhatIsAskedForWhileAGrowthWaitsForItsTurnIsAskedForTogether) {
  int begun = 0;
  const auto waiting = std::make_shared<dropin::Line>("abp", abp::make_dropin(), [&begun] { ++begun; });
  waiting->configured(settings);
  waiting->granted({"\"demo\"", "{}", {"orders", "emergency"}, true}, now);
  waiting->come_up();
  FakeVoice voices[3];
  std::vector<std::unique_ptr<dropin::Session>> sessions;
  const char* channels[] = {"bets", "balance", "status"};
  for (int i = 0; i < 3; ++i) {
    sessions.push_back(std::make_unique<dropin::Session>(waiting));
    sessions.back()->begin(voices[i], now);
    sessions.back()->heard(std::string(R"({"type":"login","channels":[")") + channels[i] + R"("]})", now);
  }
  EXPECT_EQ(begun, 1);
  EXPECT_EQ(waiting->next_channels(), (Channels{"orders", "emergency", "bets", "balance", "status"}));
  waiting->granted({"\"demo\"", "{}", {"orders", "emergency", "bets", "balance", "status"}, true}, now);
  waiting->grown(Growth::done, now);
  waiting->admit(now);
  for (const FakeVoice& one : voices)
    EXPECT_NE(one.last().find("login_ok"), std::string::npos) << one.last();
  EXPECT_EQ(begun, 1);
}

TEST_F(Growing, TheMemoryOfWhatIsDeniedIsBounded) {
  dropin::Denied denied;
  for (int i = 0; i < 5000; ++i)
    denied.add(std::to_string(i), now);
  EXPECT_EQ(denied.size(), dropin::Denied::kMost);
  EXPECT_TRUE(denied.holds("4999", now));
  denied.add("later", now + 61s);
  EXPECT_EQ(denied.size(), 1u);
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
  grown({"orders", "emergency", "bets"});
  ASSERT_EQ(growths.size(), 2u);
  EXPECT_EQ(growths[1], (Channels{"orders", "emergency", "bets", "balance", "status"}));
  EXPECT_EQ(voices[0].said.size(), 1u);
  EXPECT_TRUE(voices[1].said.empty());
  grown({"orders", "emergency", "bets", "balance", "status"});
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
  grown({"orders", "emergency", "bets"});
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

TEST_F(Growing, AReloadEndsTheSessionsOfChannelsThatItDropsAndNoOthers) {
  settings.channels = {"orders", "balance"};
  const auto reload = [this] {
    line->went_down(now);
    line->configured(settings);
    upstream_up({"orders", "balance", "emergency"});
  };
  begin();
  hear(R"({"type":"login","channels":["bets"]})");
  FakeVoice other;
  dropin::Session plain(line);
  plain.begin(other, now);
  plain.heard(R"({"type":"login","channels":["orders"]})", now);
  line->granted({"\"demo\"", "{}", {"orders", "bets", "emergency"}, true}, now);
  line->grown(Growth::done, now);
  line->admit(now);
  ASSERT_NE(voice.last().find("login_ok"), std::string::npos);
  reload();
  after(1s);
  plain.tick(now);
  EXPECT_EQ(voice.code, 1012);
  EXPECT_EQ(other.code, 0);
}

TEST_F(Growing, AReloadThatAsksForWhatAnAppHadAddedEndsNobody) {
  begin();
  hear(R"({"type":"login","channels":["bets"]})");
  line->granted({"\"demo\"", "{}", {"orders", "bets", "emergency"}, true}, now);
  line->grown(Growth::done, now);
  line->admit(now);
  settings.channels = {"orders", "bets"};
  line->configured(settings);
  after(1s);
  EXPECT_EQ(voice.code, 0);
}

TEST_F(Growing, WhereUpstreamDoesNotSayWhatItGrantsTheListIsBoundedButForDocumentedChannels) {
  line->granted({}, now);
  for (int i = 0; i < 100; ++i) {
    begin();
    hear(R"({"type":"login","channels":["c)" + std::to_string(i) + R"("]})");
    line->grown(Growth::done, now);
    line->admit(now);
    EXPECT_NE(voice.last().find("login_ok"), std::string::npos);
  }
  EXPECT_EQ(growths.size(), 62u);
  EXPECT_NE(voice.last().find(R"("channels":[])"), std::string::npos) << voice.last();
  ask(R"("bets")");
  EXPECT_EQ(growths.size(), 63u);
}

}  // namespace
}  // namespace bridge55::test
