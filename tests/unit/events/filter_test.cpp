#include "daemon/events/filter.hpp"

#include "tests/unit/events/make_event.hpp"

#include <string>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

namespace bridge55 {
namespace {

using config::Operator;
using events::Filter;

Filter compiled(const config::Match& match) {
  auto result = Filter::compile(match);
  if (const auto* wrong = std::get_if<std::string>(&result)) ADD_FAILURE() << *wrong;
  return std::get<Filter>(result);
}

Filter where(std::string field, Operator op, std::vector<std::string> values) {
  config::Match match;
  match.where.push_back({std::move(field), op, std::move(values)});
  return compiled(match);
}

// `v` under `payload.v` of an otherwise plain order.
bool holds(std::string_view token, Operator op, std::vector<std::string> values) {
  const auto event = test::order("{\"v\":" + std::string(token) + "}");
  return where("payload.v", op, std::move(values)).matches(*event);
}

bool absent_holds(Operator op, std::vector<std::string> values) {
  return where("payload.v", op, std::move(values)).matches(*test::order("{}"));
}

std::string shown(const events::Event& event, std::string_view path) {
  std::string scratch;
  const events::FieldValue value = events::field(event, path, scratch);
  return !value.present ? "-" : value.plain ? "'" + std::string(value.token) + "'" : std::string(value.token);
}

TEST(Field, EveryMemberOfTheEnvelopeHasItsPath) {
  events::Facts facts;
  facts.source = "abp";
  facts.channel = "orders";
  facts.name = "UPDATE";
  facts.key = "327";
  facts.seq = "1";
  facts.ts = "1771183909789";
  facts.subscription = "\"s1\"";
  facts.payload = R"({"a":{"b":[1.50,"x"]}})";
  facts.old = R"({"a":null})";
  facts.relay = R"({"node_id":"de1"})";
  facts.recovered = true;
  const auto event = test::event_of(facts);
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"id", "'1771183909789001'"},
      {"message_id", "'9f0c0000000000000000000000000000'"},
      {"source", "'abp'"},
      {"channel", "'orders'"},
      {"event", "'UPDATE'"},
      {"key", "'327'"},
      {"received_at", "'2026-02-15T19:31:49.789001Z'"},
      {"upstream.seq", "1"},
      {"upstream.ts", "1771183909789"},
      {"upstream.subscription", "\"s1\""},
      {"upstream", R"({"seq":1,"ts":1771183909789,"subscription":"s1"})"},
      {"payload", R"({"a":{"b":[1.50,"x"]}})"},
      {"payload.a.b.0", "1.50"},
      {"payload.a.b.1", "\"x\""},
      {"old.a", "null"},
      {"relay.node_id", "\"de1\""},
      {"recovered", "true"}};
  for (const auto& [path, expected] : cases)
    EXPECT_EQ(shown(*event, path), expected) << path;
}

TEST(Field, WhatTheEnvelopeLacksIsNotThere) {
  const auto event = test::event_named("mm", "orders", "UPDATE");
  for (const char* path : {"key", "upstream", "upstream.seq", "old", "old.a", "relay", "relay.node_id",
                           "recovered", "encoding", "payload.x", "nothing", "source.x", "id.0", "",
                           "channel.", "payload.", "upstream.", "upstream.seq.x"}) {
    EXPECT_EQ(shown(*event, path), "-") << path;
  }
}

TEST(Filter, AnEmptyMatchIsEverything) {
  const Filter filter = compiled({});
  EXPECT_TRUE(filter.everything());
  EXPECT_TRUE(filter.matches(*test::order("{}")));
  EXPECT_TRUE(filter.matches(*test::event_named("bridge", "session", "UP")));
  EXPECT_TRUE(Filter().everything());
}

TEST(Filter, ListsAdmitWhatTheyHoldAndAllMustAdmit) {
  config::Match match;
  match.source = {"abp", "mm"};
  match.channel = {"orders"};
  match.event = {"UPDATE", "INSERT"};
  match.key = {"327"};
  EXPECT_TRUE(compiled(match).matches(*test::order("{}")));
  EXPECT_FALSE(compiled(match).everything());
  for (auto list :
       {&config::Match::source, &config::Match::channel, &config::Match::event, &config::Match::key}) {
    config::Match other = match;
    other.*list = {"else"};
    EXPECT_FALSE(compiled(other).matches(*test::order("{}")));
  }
}

TEST(Filter, LongListsWorkAsShortOnes) {
  config::Match match;
  for (int key = 0; key < 500; ++key)
    match.key.push_back(std::to_string(key));
  EXPECT_TRUE(compiled(match).matches(*test::order("{}")));
  match.key.erase(match.key.begin() + 327);
  EXPECT_FALSE(compiled(match).matches(*test::order("{}")));
}

TEST(Filter, NumbersAreEqualByValue) {
  EXPECT_TRUE(holds("5.0", Operator::eq, {"5"}));
  EXPECT_TRUE(holds("5", Operator::eq, {"5.0"}));
  EXPECT_TRUE(holds("50e-1", Operator::in, {"4", "5"}));
  EXPECT_FALSE(holds("5.0", Operator::ne, {"5"}));
  EXPECT_FALSE(holds("5.0", Operator::not_in, {"4", "5"}));
  EXPECT_FALSE(holds("9007199254740993", Operator::eq, {"9007199254740992"}));
  EXPECT_TRUE(holds("9007199254740993", Operator::ne, {"9007199254740992"}));
  EXPECT_FALSE(holds("5", Operator::eq, {"five"}));
  EXPECT_FALSE(holds("5", Operator::eq, {"05"}));
}

TEST(Filter, StringsAreEqualAsDecodedText) {
  EXPECT_TRUE(holds(R"("FILLED")", Operator::eq, {"FILLED"}));
  EXPECT_FALSE(holds(R"("FILLED")", Operator::eq, {"filled"}));
  EXPECT_TRUE(holds(R"("a\u00e9\n")", Operator::eq, {"aé\n"}));
  EXPECT_TRUE(holds(R"("5")", Operator::eq, {"5"}));
  EXPECT_FALSE(holds(R"("5.0")", Operator::eq, {"5"}));
  EXPECT_TRUE(holds(R"("")", Operator::eq, {""}));
  EXPECT_TRUE(holds(R"("B")", Operator::in, {"A", "B"}));
  EXPECT_TRUE(holds(R"("C")", Operator::not_in, {"A", "B"}));
}

TEST(Filter, BooleansAndNullCompareWithTheirNames) {
  EXPECT_TRUE(holds("true", Operator::eq, {"true"}));
  EXPECT_FALSE(holds("true", Operator::eq, {"false"}));
  EXPECT_TRUE(holds("null", Operator::eq, {"null"}));
  EXPECT_TRUE(holds("null", Operator::ne, {"x"}));
  EXPECT_TRUE(holds("null", Operator::exists, {"true"}));
  for (const Operator op : {Operator::gt, Operator::gte, Operator::lt, Operator::lte}) {
    EXPECT_FALSE(holds("null", op, {"null"}));
    EXPECT_FALSE(holds("true", op, {"true"}));
    EXPECT_FALSE(holds("[1]", op, {"[1]"}));
  }
}

TEST(Filter, OrderIsByValueForNumbersHoweverSent) {
  EXPECT_TRUE(holds("10", Operator::gt, {"9"}));
  EXPECT_FALSE(holds("9", Operator::gt, {"9.0"}));
  EXPECT_TRUE(holds("9", Operator::gte, {"9.0"}));
  EXPECT_TRUE(holds("-1", Operator::lt, {"0"}));
  EXPECT_TRUE(holds("1.95", Operator::lte, {"1.95"}));
  EXPECT_TRUE(holds("1e400", Operator::gt, {"1e399"}));
  EXPECT_TRUE(holds(R"("10.5")", Operator::gt, {"9"}));
  EXPECT_FALSE(holds(R"("3332684214")", Operator::lt, {"4"}));
}

TEST(Filter, OrderIsByTextForTimesAndNames) {
  EXPECT_TRUE(holds(R"("2026-02-15T19:31:49Z")", Operator::gt, {"2026-02-15T00:00:00Z"}));
  EXPECT_TRUE(holds(R"("apple")", Operator::lt, {"banana"}));
  EXPECT_TRUE(holds(R"("b")", Operator::lte, {"b"}));
}

TEST(Filter, ANumberIsNeitherAboveNorBelowAWord) {
  for (const Operator op : {Operator::gt, Operator::gte, Operator::lt, Operator::lte})
    EXPECT_FALSE(holds("5", op, {"word"}));
}

TEST(Filter, AMissingFieldMatchesOnlyTheNegations) {
  EXPECT_TRUE(absent_holds(Operator::ne, {"x"}));
  EXPECT_TRUE(absent_holds(Operator::not_in, {"x", "y"}));
  EXPECT_TRUE(absent_holds(Operator::exists, {"false"}));
  EXPECT_FALSE(absent_holds(Operator::exists, {"true"}));
  EXPECT_FALSE(absent_holds(Operator::matches, {".*"}));
  for (const Operator op :
       {Operator::eq, Operator::in, Operator::gt, Operator::gte, Operator::lt, Operator::lte}) {
    EXPECT_FALSE(absent_holds(op, {""}));
    EXPECT_FALSE(absent_holds(op, {"null"}));
  }
}

TEST(Filter, PatternsSearchTheText) {
  EXPECT_TRUE(holds(R"("strategy-7")", Operator::matches, {"tegy"}));
  EXPECT_TRUE(holds(R"("strategy-7")", Operator::matches, {R"(^strategy-\d$)"}));
  EXPECT_FALSE(holds(R"("strategy-7")", Operator::matches, {"^tegy"}));
  EXPECT_TRUE(holds("1.950", Operator::matches, {R"(^1\.950$)"}));
  EXPECT_TRUE(holds(R"("a\u00e9")", Operator::matches, {"^aé$"}));
  EXPECT_TRUE(holds(R"("(")", Operator::matches, {R"(\()"}));
}

TEST(Filter, ABadPatternIsSaidAndCostsNothing) {
  config::Match match;
  match.where.push_back({"payload.a", Operator::matches, {"("}});
  EXPECT_NE(std::get<std::string>(Filter::compile(match)).find("payload.a: bad regular expression"),
            std::string::npos);
  match.where[0].values = {"((((((((a{1000}){1000}){1000}))))))"};
  EXPECT_TRUE(std::holds_alternative<std::string>(Filter::compile(match)));
}

TEST(Filter, ConditionsWithTheWrongValuesAreRefused) {
  for (const config::Condition& condition :
       std::vector<config::Condition>{{"", Operator::eq, {"x"}},
                                      {"a", Operator::eq, {}},
                                      {"a", Operator::gt, {"1", "2"}},
                                      {"a", Operator::in, {}},
                                      {"a", Operator::exists, {"yes"}}}) {
    config::Match match;
    match.where.push_back(condition);
    EXPECT_TRUE(std::holds_alternative<std::string>(Filter::compile(match)));
  }
}

TEST(Filter, AllConditionsMustHold) {
  config::Match match;
  match.where = {{"payload.v", Operator::gt, {"1"}}, {"payload.w", Operator::eq, {"x"}}};
  EXPECT_TRUE(compiled(match).matches(*test::order(R"({"v":2,"w":"x"})")));
  EXPECT_FALSE(compiled(match).matches(*test::order(R"({"v":2,"w":"y"})")));
  EXPECT_FALSE(compiled(match).matches(*test::order(R"({"v":1,"w":"x"})")));
}

TEST(Filter, TheLastOfDuplicateFieldsIsWhatIsCompared) {
  const Filter filter = where("payload.v", Operator::eq, {"2"});
  EXPECT_TRUE(filter.matches(*test::order(R"({"v":1,"v":2})")));
  EXPECT_FALSE(filter.matches(*test::order(R"({"v":2,"v":1})")));
}

TEST(Filter, EnvelopeFieldsCanBeCompared) {
  EXPECT_TRUE(where("upstream.seq", Operator::eq, {"1.0"}).matches(*test::order("{}")));
  EXPECT_TRUE(where("event", Operator::in, {"UPDATE", "DELETE"}).matches(*test::order("{}")));
  EXPECT_TRUE(where("id", Operator::gt, {"99"}).matches(*test::order("{}")));
  EXPECT_TRUE(where("old.orderStatus", Operator::ne, {"FILLED"}).matches(*test::order("{}")));
  EXPECT_FALSE(where("recovered", Operator::exists, {"true"}).matches(*test::order("{}")));
}

TEST(Filter, AGapReachesEveryStreamOfItsSourceWhateverTheFilter) {
  config::Match match;
  match.channel = {"orders"};
  match.key = {"327"};
  match.where = {{"payload.v", Operator::eq, {"1"}}};
  EXPECT_TRUE(compiled(match).matches(*test::gap("abp")));
  match.source = {"abp"};
  for (const char* name : {"DETECTED", "RECOVERED", "UNRECOVERED"}) {
    EXPECT_TRUE(compiled(match).matches(*test::gap("abp", name)));
    EXPECT_FALSE(compiled(match).matches(*test::gap("mm", name)));
  }
  EXPECT_FALSE(compiled(match).matches(*test::event_named("bridge", "session", "DOWN")));
}

TEST(Filter, AGapOfNothingInParticularReachesEveryStream) {
  config::Match match;
  match.source = {"abp"};
  match.channel = {"orders"};
  EXPECT_TRUE(compiled(match).matches(*test::gap("")));
}

TEST(Filter, AStreamOfTheBridgeIsFilteredLikeAnyOther) {
  config::Match match;
  match.source = {"bridge"};
  EXPECT_TRUE(compiled(match).matches(*test::gap("abp")));
  match.channel = {"session"};
  EXPECT_FALSE(compiled(match).matches(*test::gap("abp")));
  EXPECT_FALSE(compiled(match).matches_plainly(*test::gap("abp")));
}

config::Condition condition_of(std::string_view text) {
  auto result = Filter::parse_where(text);
  if (const auto* wrong = std::get_if<std::string>(&result)) ADD_FAILURE() << *wrong;
  return std::get<config::Condition>(result);
}

TEST(WhereQuery, FieldOperatorAndValueAreTakenApart) {
  EXPECT_EQ(condition_of("payload.userRef:eq:x"),
            (config::Condition{"payload.userRef", Operator::eq, {"x"}}));
  EXPECT_EQ(condition_of("received_at:gt:2026-02-15T19:31:49Z"),
            (config::Condition{"received_at", Operator::gt, {"2026-02-15T19:31:49Z"}}));
  EXPECT_EQ(condition_of("a:in:x,y,,z"), (config::Condition{"a", Operator::in, {"x", "y", "", "z"}}));
  EXPECT_EQ(condition_of("a:not_in:x"), (config::Condition{"a", Operator::not_in, {"x"}}));
  EXPECT_EQ(condition_of("a:eq:x,y"), (config::Condition{"a", Operator::eq, {"x,y"}}));
  EXPECT_EQ(condition_of("a:eq:"), (config::Condition{"a", Operator::eq, {""}}));
  EXPECT_EQ(condition_of("a:exists:false"), (config::Condition{"a", Operator::exists, {"false"}}));
  EXPECT_EQ(condition_of("a:exists"), (config::Condition{"a", Operator::exists, {"true"}}));
  EXPECT_EQ(condition_of("a:matches:^x:y$"), (config::Condition{"a", Operator::matches, {"^x:y$"}}));
}

TEST(WhereQuery, EveryOperatorHasItsName) {
  const std::pair<std::string_view, Operator> cases[] = {
      {"eq", Operator::eq},         {"ne", Operator::ne},   {"in", Operator::in},
      {"not_in", Operator::not_in}, {"gt", Operator::gt},   {"gte", Operator::gte},
      {"lt", Operator::lt},         {"lte", Operator::lte}, {"matches", Operator::matches}};
  for (const auto& [name, op] : cases)
    EXPECT_EQ(condition_of("a:" + std::string(name) + ":1").op, op) << name;
}

TEST(WhereQuery, WhatIsNoConditionIsRefusedWithWhatWasExpected) {
  for (const char* text :
       {"", "a", ":eq:x", "a:eq", "a:like:x", "a::x", "a:EQ:x", "a:exists:maybe", "a:matches:("}) {
    EXPECT_TRUE(std::holds_alternative<std::string>(Filter::parse_where(text))) << text;
  }
  EXPECT_EQ(std::get<std::string>(Filter::parse_where("a:like:x")),
            "`like` is no operator; expected eq, ne, in, not_in, gt, gte, lt, lte, exists or matches");
}

}  // namespace
}  // namespace bridge55
