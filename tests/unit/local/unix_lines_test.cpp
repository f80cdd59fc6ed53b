#include "daemon/local/unix_lines.hpp"

#include <gtest/gtest.h>

namespace bridge55::local {
namespace {

Command good(std::string_view line) {
  auto parsed = parse_command(line);
  EXPECT_TRUE(std::holds_alternative<Command>(parsed))
      << line << ": " << (parsed.index() ? std::get<std::string>(parsed) : "");
  return parsed.index() ? Command{} : std::get<Command>(parsed);
}

TEST(UnixLines, MembersComeTogetherOrAlone) {
  const Command command = good(
      R"( {"consumer": "risk", "after": "earliest", "source": "abp,mm", "channel": ["orders", "bets"], "where": "payload.a:eq:1"} )");
  EXPECT_EQ(command.consumer, "risk");
  EXPECT_EQ(command.start.kind, Start::Kind::earliest);
  EXPECT_EQ(command.source, (std::vector<std::string>{"abp", "mm"}));
  EXPECT_EQ(command.channel, (std::vector<std::string>{"orders", "bets"}));
  ASSERT_EQ(command.where->size(), 1u);
  EXPECT_TRUE(command.repositions());
  EXPECT_TRUE(command.changes_filter());
  EXPECT_EQ(good(R"({"ack":"17"})").ack, 17u);
  EXPECT_EQ(good(R"({"ack":17})").ack, 17u);
  EXPECT_FALSE(good(R"({"ack":17})").repositions());
  EXPECT_EQ(good(R"({"\u0061ck":17})").ack, 17u) << "names are compared with their escapes resolved";
  EXPECT_EQ(good(R"({"after":123})").start.id, 123u);
  good(R"({"snapshot":false})");
}

TEST(UnixLines, AFilterMemberReplacesThatMemberAndAnEmptyOneClearsIt) {
  config::Match match;
  good(R"({"source":"abp","channel":"orders"})").apply_to(match);
  good(R"({"channel":"bets","key":"1"})").apply_to(match);
  EXPECT_EQ(match.source, std::vector<std::string>{"abp"});
  EXPECT_EQ(match.channel, std::vector<std::string>{"bets"});
  good(R"({"channel":[],"source":"","key":[],"where":[]})").apply_to(match);
  EXPECT_EQ(match, config::Match{});
}

TEST(UnixLines, WhatIsNotUnderstoodIsSaidInWords) {
  for (const char* line : {"",
                           "x",
                           "[]",
                           "{}",
                           "\"ack\"",
                           "1",
                           "{\"ack\":}",
                           R"({"ack":"x"})",
                           R"({"ack":-1})",
                           R"({"ack":1.5})",
                           R"({"ack":null})",
                           R"({"consumer":1})",
                           R"({"consumer":""})",
                           R"({"consumer":"a b"})",
                           R"({"after":"now"})",
                           R"({"after":true})",
                           R"({"snapshot":true})",
                           R"({"source":{}})",
                           R"({"source":[[]]})",
                           R"({"where":"x"})",
                           R"({"where":"a:like:b"})",
                           R"({"unknown":1})",
                           R"({"ack":"1"} x)"}) {
    const auto parsed = parse_command(line);
    ASSERT_EQ(parsed.index(), 1u) << line;
    EXPECT_FALSE(std::get<std::string>(parsed).empty());
  }
}

TEST(UnixLines, ErrorLinesAreJson) {
  EXPECT_EQ(error_line("a \"b\"\n"), "{\"error\":\"a \\\"b\\\"\\n\"}");
}

}  // namespace
}  // namespace bridge55::local
