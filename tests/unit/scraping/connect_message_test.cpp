#include "bridges/scraping/connect_message.hpp"

#include <gtest/gtest.h>

namespace bridge55::scraping {
namespace {

using namespace std::chrono_literals;

AppMessage rewritten(std::string_view message) {
  auto result = rewrite_connect_message(message, "ours");
  EXPECT_TRUE(std::holds_alternative<AppMessage>(result)) << message;
  return std::holds_alternative<AppMessage>(result) ? std::get<AppMessage>(result) : AppMessage{};
}

TEST(ConnectMessage, HoldsTheKeyAndWhatWasAskedForAndNothingElse) {
  EXPECT_EQ(connect_message({.url = "wss://t/x", .headers = {}, .cookies = {}, .geo = {}, .agent = {}}, "k"),
            R"({"apiKey":"k","url":"wss://t/x"})");
  const RelayAsk all{.url = "ws://t",
                     .headers = {{"Origin", "https://t"}, {"X-A", "say \"hi\""}},
                     .cookies = {{"session", "abc123"}},
                     .geo = "US,DE",
                     .agent = "de1",
                     .idle = 1500ms};
  EXPECT_EQ(connect_message(all, "k"),
            R"({"apiKey":"k","url":"ws://t","headers":{"Origin":"https://t","X-A":"say \"hi\""},)"
            R"("cookies":{"session":"abc123"},"geo":"US,DE","agent":"de1","idle_timeout":1.5})");
}

TEST(ConnectMessage, AnAppsKeyBecomesOursAndEveryOtherByteStays) {
  const AppMessage app =
      rewritten(R"({ "apiKey" : "theirs", "url":"wss:\/\/t", "idle_timeout": 0.50e1 , "x":[1, 2]})");
  EXPECT_EQ(app.text, R"({"apiKey":"ours","url":"wss:\/\/t","idle_timeout":0.50e1,"x":[1, 2]})");
  EXPECT_EQ(app.key, "theirs");
  EXPECT_EQ(app.url, "wss://t");
}

TEST(ConnectMessage, EverySpellingOfTheKeyIsTakenOut) {
  EXPECT_EQ(rewritten(R"({"url":"ws://t","key":"a"})").text, R"({"apiKey":"ours","url":"ws://t"})");
  EXPECT_EQ(rewritten(R"({"api\u004bey":"a","key":"b","url":"ws://t"})").text,
            R"({"apiKey":"ours","url":"ws://t"})");
  EXPECT_EQ(rewritten(R"({"url":"ws://t","key":7})").key, "");
  EXPECT_EQ(rewritten("{}").text, R"({"apiKey":"ours"})");
}

TEST(ConnectMessage, WhatIsNoObjectIsRefusedInWords) {
  for (const std::string_view bad : {"", "hello", "[]", "\"x\"", "7", "{", R"({"a":1}x)", "{\"a\":tru}"})
    EXPECT_TRUE(std::holds_alternative<std::string>(rewrite_connect_message(bad, "k"))) << bad;
}

TEST(RelayAnswer, IsConnectedOrAnErrorOrNeither) {
  const auto connected = read_relay_answer(R"({"type":"connected","status":101,"node_id":"scraping-de1"})");
  ASSERT_TRUE(connected && std::holds_alternative<Connected>(*connected));
  EXPECT_EQ(std::get<Connected>(*connected).node_id, "scraping-de1");
  const auto error = read_relay_answer(R"({"type":"error","message":"Agent unavailable"})");
  ASSERT_TRUE(error && std::holds_alternative<RelayError>(*error));
  EXPECT_EQ(std::get<RelayError>(*error).message, "Agent unavailable");
  for (const std::string_view other : {"", "{", "[]", R"({"type":"welcome"})", R"({"status":101})"})
    EXPECT_FALSE(read_relay_answer(other)) << other;
}

}  // namespace
}  // namespace bridge55::scraping
