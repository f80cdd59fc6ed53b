#include "daemon/local/query.hpp"

#include <gtest/gtest.h>

namespace bridge55::local {
namespace {

Target target(std::string_view text) {
  auto parsed = parse_target(text);
  EXPECT_TRUE(std::holds_alternative<Target>(parsed)) << text;
  return std::holds_alternative<Target>(parsed) ? std::get<Target>(parsed) : Target{};
}

template <class T>
bool refused(const std::variant<T, Refusal>& result) {
  return std::holds_alternative<Refusal>(result) && std::get<Refusal>(result).status == 400;
}

StreamQuery stream(std::string_view query, std::string_view last_event_id = {}) {
  auto parsed = parse_stream_query(target("/events?" + std::string(query)).query, last_event_id);
  EXPECT_TRUE(std::holds_alternative<StreamQuery>(parsed)) << query;
  return std::holds_alternative<StreamQuery>(parsed) ? std::get<StreamQuery>(parsed) : StreamQuery{};
}

TEST(Target, PathsAndQueriesAreDecoded) {
  const Target t = target("/events/page?source=abp%2Cmm&where=payload.a%3Aeq%3A1+2&empty&=x");
  EXPECT_EQ(t.path, "/events/page");
  const Params expected = {{"source", "abp,mm"}, {"where", "payload.a:eq:1 2"}, {"empty", ""}, {"", "x"}};
  EXPECT_EQ(t.query, expected);
}

TEST(Target, WhatHidesAnotherPathIsRefused) {
  for (const char* text : {"/a%2fb", "/a%2Fb", "/a%5cb", "/%2e%2e/a", "/a/%2E/b", "/../a", "/a/..", "/./a",
                           "/a%00", "/a%0d%0a", "/a%", "/a%2", "/a%zz", "/a?b=%", "/a?b=%g1"}) {
    EXPECT_TRUE(refused(parse_target(text))) << text;
  }
}

TEST(StreamQuery, ListsAreJoinedAndConditionsAdded) {
  const StreamQuery query = stream("source=abp,mm&source=scraping&where=payload.a:eq:1&where=payload.b:gt:2");
  EXPECT_FALSE(query.filter.everything());
  EXPECT_TRUE(stream("").filter.everything());
}

TEST(StreamQuery, AfterIsAnIdOrAWord) {
  EXPECT_EQ(stream("").start.kind, Start::Kind::unset);
  EXPECT_EQ(stream("after=earliest").start.kind, Start::Kind::earliest);
  EXPECT_EQ(stream("after=latest").start.kind, Start::Kind::now);
  EXPECT_EQ(stream("after=1771183909789001").start.id, 1771183909789001u);
}

TEST(StreamQuery, LastEventIdWins) {
  EXPECT_EQ(stream("after=earliest", "42").start.id, 42u);
  EXPECT_EQ(stream("after=7", "").start.id, 7u);
  EXPECT_TRUE(refused(parse_stream_query({}, "x")));
}

TEST(StreamQuery, WhatIsWrongIsRefusedWithWords) {
  for (const char* text :
       {"after=", "after=-1", "after=now", "after=99999999999999999999", "consumer=", "consumer=a/b",
        "consumer=a%20b", "named=maybe", "snapshot=true", "chanel=orders", "limit=3", "where=payload.a",
        "where=payload.a:like:x", "where=payload.a:matches:(", "where="}) {
    const auto result = parse_stream_query(target("/events?" + std::string(text)).query, {});
    ASSERT_TRUE(refused(result)) << text;
    EXPECT_FALSE(std::get<Refusal>(result).message.empty());
  }
}

TEST(StreamQuery, FlagsMayStandAlone) {
  EXPECT_TRUE(stream("named").named);
  EXPECT_TRUE(stream("named=1").named);
  EXPECT_FALSE(stream("named=false&snapshot=false").named);
}

TEST(PageQuery, HasItsOwnParametersAndDefaults) {
  const auto parsed = parse_page_query(
      target(
          "/p?after=5&before=9&limit=1000&key=1,2&from=2026-02-15T19:31:49Z&to=2026-02-15T20:31:49%2B01:00")
          .query);
  ASSERT_TRUE(std::holds_alternative<PageQuery>(parsed));
  const PageQuery& query = std::get<PageQuery>(parsed);
  EXPECT_EQ(query.start.id, 5u);
  EXPECT_EQ(query.before, 9u);
  EXPECT_EQ(query.limit, 1000u);
  EXPECT_EQ(query.from, query.to);
  EXPECT_EQ(std::get<PageQuery>(parse_page_query({})).limit, 100u);
  for (const char* text : {"limit=0", "limit=1001", "limit=x", "before=0", "before=x", "from=yesterday",
                           "to=2026-02-30T00:00:00Z", "named=true"}) {
    EXPECT_TRUE(refused(parse_page_query(target("/p?" + std::string(text)).query))) << text;
  }
}

TEST(Rfc3339, TimesAreReadToTheMicrosecond) {
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:01.5Z"), 1'500'000);
  EXPECT_EQ(parse_rfc3339("2026-02-15T19:31:49.789001Z"), 1771183909789001);
  EXPECT_EQ(parse_rfc3339("2026-02-15t19:31:49.7890019z"), 1771183909789001);
  EXPECT_EQ(parse_rfc3339("2026-02-15T21:31:49.789001+02:00"), 1771183909789001);
  EXPECT_EQ(parse_rfc3339("2026-02-15T21:31:49.789001 02:00"), 1771183909789001)
      << "a query turned + into a space";
  EXPECT_EQ(parse_rfc3339("2026-02-15T18:01:49.789001-01:30"), 1771183909789001);
}

TEST(Rfc3339, EverythingElseIsNoTime) {
  for (const char* text : {"", "2026", "2026-02-15", "2026-02-15T19:31:49", "2026-13-15T19:31:49Z",
                           "2026-02-29T19:31:49Z", "2026-02-15T24:31:49Z", "2026-02-15T19:60:49Z",
                           "2026-02-15T19:31:49.Z", "2026-02-15T19:31:49+2:00", "2026-02-15T19:31:49+25:00",
                           "2026-02-15T19:31:49Zx", "2026/02/15T19:31:49Z", "x026-02-15T19:31:49Z"}) {
    EXPECT_FALSE(parse_rfc3339(text)) << text;
  }
}

TEST(ConsumerName, IsShortAndPlain) {
  EXPECT_TRUE(valid_consumer_name("risk-engine.1:eu@host~_"));
  EXPECT_FALSE(valid_consumer_name(""));
  EXPECT_FALSE(valid_consumer_name("a b"));
  EXPECT_FALSE(valid_consumer_name("a/b"));
  EXPECT_TRUE(valid_consumer_name(std::string(128, 'a')));
  EXPECT_FALSE(valid_consumer_name(std::string(129, 'a')));
}

}  // namespace
}  // namespace bridge55::local
