#include "daemon/events/routes.hpp"

#include "tests/unit/events/make_event.hpp"

#include <string>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

namespace bridge55 {
namespace {

using events::Target;
using Routes = std::optional<std::vector<config::Route>>;

std::string key_of(std::string_view text, const events::Event& event) {
  auto result = events::Template::compile(text);
  if (const auto* wrong = std::get_if<std::string>(&result)) return "error: " + *wrong;
  return std::get<events::Template>(result).routing_key(event);
}

std::string value_key(std::string_view token) {
  return key_of("{payload.v}", *test::order("{\"v\":" + std::string(token) + "}"));
}

std::vector<Target> targets(const Routes& routes, const events::EventPtr& event,
                            std::string_view sink = "rabbit") {
  auto compiled = events::SinkRoutes::compile(routes, sink);
  if (const auto* wrong = std::get_if<std::string>(&compiled)) ADD_FAILURE() << *wrong;
  std::vector<Target> out;
  std::get<events::SinkRoutes>(compiled).targets(*event, out);
  return out;
}

// "route:key" of each target.
std::vector<std::string> keys(const Routes& routes, const events::EventPtr& event,
                              std::string_view sink = "rabbit") {
  std::vector<std::string> out;
  for (const Target& target : targets(routes, event, sink))
    out.push_back(std::to_string(target.route) + ":" + target.routing_key);
  return out;
}

using Keys = std::vector<std::string>;

config::Route route(std::vector<std::string> source, std::vector<std::string> to,
                    std::string routing_key = "") {
  config::Route out;
  out.match.source = std::move(source);
  out.to = std::move(to);
  out.routing_key = std::move(routing_key);
  return out;
}

TEST(RoutingKey, ValuesOfTheEnvelopeFillTheTemplate) {
  const auto event = test::order(R"({"orderCurrency":"USD","userRef":"s7","price":1.95})");
  EXPECT_EQ(key_of("fills.{payload.orderCurrency}.{payload.userRef}", *event), "fills.USD.s7");
  EXPECT_EQ(key_of("{source}.{channel}.{event|lower}", *event), "abp.orders.update");
  EXPECT_EQ(key_of("{payload.orderCurrency|lower}-{source|upper}", *event), "usd-ABP");
  EXPECT_EQ(key_of("{upstream.seq}/{key}", *event), "1/327");
  EXPECT_EQ(key_of("plain", *event), "plain");
  EXPECT_EQ(key_of("", *event), "");
}

TEST(RoutingKey, MissingNullAndEmptyRenderAnUnderscore) {
  EXPECT_EQ(key_of("a.{payload.x}.b", *test::order("{}")), "a._.b");
  EXPECT_EQ(value_key("null"), "_");
  EXPECT_EQ(value_key("\"\""), "_");
  EXPECT_EQ(key_of("{old.nothing}.{nonsense}", *test::order("{}")), "_._");
}

TEST(RoutingKey, WhatWouldChangeTheKeysMeaningIsReplaced) {
  EXPECT_EQ(value_key(R"("a.b*c#d e")"), "a_b_c_d_e");
  EXPECT_EQ(value_key(R"("a\nb\tc\u0000d\u007fe")"), "a_b_c_d_e");
  EXPECT_EQ(value_key(R"("a\u0085b")"), "a_b");
  EXPECT_EQ(value_key(R"("é€😀\u00a0")"), "é€😀\u00a0");
  EXPECT_EQ(value_key("1.95"), "1_95");
  EXPECT_EQ(value_key("-5"), "-5");
  EXPECT_EQ(value_key("1e5"), "1e5");
  EXPECT_EQ(value_key("true"), "true");
  EXPECT_EQ(value_key("[1.5, 2]"), "[1_5,_2]");
  EXPECT_EQ(value_key("123456789012345678901234567890"), "123456789012345678901234567890");
}

TEST(RoutingKey, ARemoteMessagesOwnKeyKeepsItsWords) {
  events::Facts facts;
  facts.source = "scraping";
  facts.channel = "partner";
  facts.name = "MESSAGE";
  facts.payload = R"({"key":"a.b"})";
  facts.relay = R"({"node_id":"n","routing_key":"19454.match.1 2.*#\n","exchange":"x.y"})";
  const auto event = test::event_of(facts);
  EXPECT_EQ(key_of("{relay.routing_key}", *event), "19454.match.1 2.*#_");
  EXPECT_EQ(key_of("remote.{relay.routing_key|upper}", *event), "remote.19454.MATCH.1 2.*#_");
  EXPECT_EQ(key_of("{relay.exchange}.{payload.key}", *event), "x_y.a_b");
  EXPECT_EQ(key_of("{relay.routing_key}", *test::order("{}")), "_");
}

TEST(RoutingKey, TheTemplatesOwnTextStaysAsWritten) {
  EXPECT_EQ(key_of("a b.#.*", *test::order("{}")), "a b.#.*");
}

TEST(RoutingKey, CutAt255BytesNeverInsideACharacter) {
  EXPECT_EQ(value_key("\"" + std::string(300, 'x') + "\""), std::string(255, 'x'));
  EXPECT_EQ(value_key("\"" + std::string(255, 'x') + "\""), std::string(255, 'x'));
  EXPECT_EQ(value_key("\"" + std::string(254, 'x') + "é\""), std::string(254, 'x'));
  EXPECT_EQ(value_key("\"" + std::string(253, 'x') + "é\""), std::string(253, 'x') + "é");
  EXPECT_EQ(value_key("\"" + std::string(252, 'x') + "😀\""), std::string(252, 'x'));
  EXPECT_EQ(key_of(std::string(400, 'y') + "{payload.v}", *test::order(R"({"v":1})")), std::string(255, 'y'));
}

TEST(RoutingKey, BadTemplatesAreSaid) {
  const auto event = test::order("{}");
  for (const char* text : {"{", "a{b", "}", "a}b", "{}", "{a|title}", "{a|}", "{|lower}", "{a b}", "{.a}",
                           "{a.}", "{a..b}", "{{a}}"}) {
    EXPECT_TRUE(key_of(text, *event).starts_with("error: ")) << text;
  }
}

TEST(RoutingKey, TheDefaultIsSourceChannelEvent) {
  EXPECT_EQ(events::default_routing_key(*test::order("{}")), "abp.orders.update");
  EXPECT_EQ(events::default_routing_key(*test::gap("abp")), "bridge.gap.detected");
  EXPECT_EQ(events::default_routing_key(*test::event_named("live odds", "a.b", "STATUS_CHANGE")),
            "live_odds.a_b.status_change");
  EXPECT_EQ(events::default_routing_key(*test::event_named("abp", "", "")), "abp._._");
  EXPECT_EQ(events::default_routing_key(*test::event_named("abp", std::string(300, 'c'), "X")).size(), 255u);
}

TEST(Routes, WithoutRoutesEverySinkGetsEverything) {
  EXPECT_EQ(keys({}, test::order("{}")), Keys{"0:abp.orders.update"});
  EXPECT_EQ(keys({}, test::event_named("bridge", "session", "UP")), Keys{"0:bridge.session.up"});
  EXPECT_EQ(keys({}, test::gap("mm")), Keys{"0:bridge.gap.detected"});
  EXPECT_EQ(targets({}, test::order("{}"))[0].body, config::BodyMode::envelope);
}

TEST(Routes, WithRoutesOnlyWhatMatches) {
  const Routes routes{{route({"abp", "mm"}, {"rabbit", "feed"})}};
  EXPECT_EQ(keys(routes, test::order("{}")), Keys{"0:abp.orders.update"});
  EXPECT_EQ(keys(routes, test::order("{}"), "feed"), Keys{"0:abp.orders.update"});
  EXPECT_TRUE(keys(routes, test::order("{}"), "other").empty());
  EXPECT_TRUE(keys(routes, test::event_named("scraping", "x", "MESSAGE")).empty());
  EXPECT_TRUE(keys(routes, test::event_named("bridge", "session", "UP")).empty());
  EXPECT_TRUE(keys(Routes{std::vector<config::Route>{}}, test::order("{}")).empty());
}

TEST(Routes, AnEmptyMatchIsEverythingBridgeEventsIncluded) {
  const Routes routes{{route({}, {"rabbit"})}};
  EXPECT_EQ(keys(routes, test::event_named("bridge", "session", "UP")), Keys{"0:bridge.session.up"});
  EXPECT_EQ(keys(routes, test::gap("abp")), Keys{"0:bridge.gap.detected"});
}

TEST(Routes, EveryRouteThatMatchesAppliesInOrder) {
  const Routes routes{{route({"abp"}, {"rabbit"}), route({"mm"}, {"rabbit"}),
                       route({"abp"}, {"rabbit", "rabbit"}, "all.{key}")}};
  EXPECT_EQ(keys(routes, test::order("{}")), (Keys{"0:abp.orders.update", "2:all.327"}));
}

TEST(Routes, StopEndsTheListWhereItMatched) {
  config::Route fills = route({"abp"}, {"rabbit"}, "fills");
  fills.match.where = {{"payload.status", config::Operator::eq, {"FILLED"}}};
  fills.stop = true;
  const Routes routes{{fills, route({}, {"rabbit", "feed"})}};
  const auto filled = test::order(R"({"status":"FILLED"})");
  EXPECT_EQ(keys(routes, filled), Keys{"0:fills"});
  EXPECT_TRUE(keys(routes, filled, "feed").empty());  // a route to another sink stops the list for all
  EXPECT_EQ(keys(routes, test::order("{}")), Keys{"1:abp.orders.update"});
  EXPECT_EQ(keys(routes, test::order("{}"), "feed"), Keys{"1:abp.orders.update"});
}

TEST(Routes, BodyAndExchangeAreTheRoutes) {
  config::Route given = route({}, {"rabbit"});
  given.body = config::BodyMode::raw;
  given.exchange = "ex.{source}";
  const auto out = targets(Routes{{given}}, test::order("{}"));
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].body, config::BodyMode::raw);
  EXPECT_EQ(out[0].exchange, "ex.abp");
  EXPECT_EQ(out[0].routing_key, "abp.orders.update");
}

TEST(Routes, TargetsAreAppended) {
  auto compiled = std::get<events::SinkRoutes>(events::SinkRoutes::compile({}, "rabbit"));
  std::vector<Target> out;
  compiled.targets(*test::order("{}"), out);
  compiled.targets(*test::gap("abp"), out);
  EXPECT_EQ(out.size(), 2u);
}

TEST(Routes, AGapReachesEverySinkThatGetsAnEventOfItsSourceOnce) {
  config::Route narrow = route({"abp"}, {"rabbit"}, "fills.{payload.userRef}");
  narrow.match.channel = {"orders"};
  const Routes routes{{route({"mm"}, {"feed"}), narrow, route({"abp"}, {"rabbit"})}};
  for (const char* name : {"DETECTED", "RECOVERED", "UNRECOVERED"}) {
    const auto out = keys(routes, test::gap("abp", name));
    ASSERT_EQ(out.size(), 1u);
    EXPECT_TRUE(out[0].starts_with("1:bridge.gap.")) << out[0];
    EXPECT_TRUE(keys(routes, test::gap("abp", name), "feed").empty());
    EXPECT_EQ(keys(routes, test::gap("mm", name), "feed").size(), 1u);
    EXPECT_TRUE(keys(routes, test::gap("mm", name)).empty());
  }
}

TEST(Routes, AGapOfNothingInParticularReachesEverySinkOfTheRoutes) {
  const Routes routes{{route({"abp"}, {"rabbit"})}};
  EXPECT_EQ(keys(routes, test::gap("")), Keys{"0:bridge.gap.detected"});
  EXPECT_TRUE(keys(routes, test::gap(""), "feed").empty());
}

TEST(Routes, AGapComesOnceWhereARouteMatchesItPlainly) {
  config::Route bridge = route({"bridge"}, {"rabbit"});
  EXPECT_EQ(keys(Routes{{bridge, route({"abp"}, {"rabbit"})}}, test::gap("abp")),
            Keys{"0:bridge.gap.detected"});
  EXPECT_EQ(keys(Routes{{bridge}}, test::gap("abp")), Keys{"0:bridge.gap.detected"});
}

TEST(Routes, AGapKeepsItsOwnKeyBesideAPlainRoutesKey) {
  const Routes routes{{route({}, {"rabbit"}, "all.{event|lower}")}};
  EXPECT_EQ(keys(routes, test::gap("abp")), (Keys{"0:all.detected", "0:bridge.gap.detected"}));
}

TEST(Routes, ASinkBehindAStopThatEndsTheSourceGetsNoGapOfIt) {
  config::Route all = route({"abp"}, {"rabbit"});
  all.stop = true;
  const Routes routes{{all, route({}, {"feed"})}};
  EXPECT_EQ(keys(routes, test::gap("mm"), "feed"), Keys{"1:bridge.gap.detected"});
  EXPECT_EQ(keys(routes, test::gap("abp")), Keys{"0:bridge.gap.detected"});
  all.match.channel = {"orders"};
  EXPECT_EQ(keys(Routes{{all, route({"abp"}, {"feed"})}}, test::gap("abp"), "feed"),
            Keys{"1:bridge.gap.detected"});
  all.match.channel = {};
  EXPECT_TRUE(keys(Routes{{all, route({"abp"}, {"feed"})}}, test::gap("abp"), "feed").empty());
}

TEST(Routes, ErrorsNameTheRoute) {
  config::Route bad = route({}, {"rabbit"}, "{");
  const auto text = [](const config::Route& given) {
    return std::get<std::string>(
        events::SinkRoutes::compile(Routes{{route({}, {"rabbit"}), given}}, "rabbit"));
  };
  EXPECT_EQ(text(bad), "routes[1].routing_key: a { is never closed; expected {field}");
  bad.routing_key.clear();
  bad.exchange = "}";
  EXPECT_TRUE(text(bad).starts_with("routes[1].exchange: ")) << text(bad);
  bad.match.where = {{"a", config::Operator::matches, {"("}}};
  EXPECT_TRUE(text(bad).starts_with("routes[1].match.where: a: bad regular expression")) << text(bad);
}

}  // namespace
}  // namespace bridge55
