// Every key of the contract's section 4 arrives in its field: sinks, routes, clients and the rest.
#include "tests/unit/config/fake.hpp"

#include <gtest/gtest.h>

namespace bridge55::config {
namespace {

using testing::load;
using testing::loaded;
using testing::working;
using testing::World;

unsigned bits(std::initializer_list<Scope> scopes) {
  unsigned out = 0;
  for (const Scope scope : scopes)
    out |= static_cast<unsigned>(scope);
  return out;
}

TEST(Keys, Sinks) {
  const Config config = loaded(working(R"(sinks:
  rabbit:
    kind: rabbitmq
    url: [amqp://u:p@a:5672/v, amqps://b]
    tls: {ca_file: /ca.pem, server_name: b, verify: true}
    declare: passive
    exchange: {name: x, type: direct, durable: false}
    confirm_timeout: 5s
    queues:
      - {name: orders, type: classic, bind: ["abp.orders.*", "#"]}
      - {name: all}
      - {name: none, type: stream, bind: []}
    requests: {queue: r, allow: [read, trade], keep: 1h}
  local: {kind: rabbitmq, requests: {}}
  feed: {kind: unix, path: /f.sock, mode: "0666", group: g}
  other: {kind: unix}
)"));
  ASSERT_EQ(config.sinks.size(), 4U);
  Sink rabbit;
  rabbit.name = "rabbit";
  rabbit.urls = {Secret("amqp://u:p@a:5672/v"), Secret("amqps://b")};
  rabbit.tls = {"/ca.pem", "b", true};
  rabbit.declare = Declare::passive;
  rabbit.exchange = {"x", "direct", false};
  rabbit.confirm_timeout = 5s;
  rabbit.queues = {
      {"orders", "classic", {"abp.orders.*", "#"}}, {"all", "quorum", {"#"}}, {"none", "stream", {}}};
  rabbit.requests = AmqpRequests{"r", {"read", "trade"}, 1h};
  EXPECT_EQ(config.sinks[0], rabbit);
  ASSERT_EQ(config.sinks[1].urls.size(), 1U);
  EXPECT_EQ(config.sinks[1].urls[0].reveal(), "amqp://guest:guest@127.0.0.1:5672/%2F");
  EXPECT_EQ(config.sinks[1].exchange, Exchange{});
  EXPECT_EQ(config.sinks[1].requests, (AmqpRequests{"bridge55.requests", {"read"}, 24h}));
  EXPECT_EQ(config.sinks[2].kind, SinkKind::unix_socket);
  EXPECT_EQ(config.sinks[2].path, "/f.sock");
  EXPECT_EQ(config.sinks[2].mode, 0666U);
  EXPECT_EQ(config.sinks[2].group, "g");
  EXPECT_EQ(config.sinks[3].path, "/run/bridge55/events.sock");
  EXPECT_TRUE(config.sinks[3].urls.empty());
}

TEST(Keys, Routes) {
  const Config config = loaded(working(R"(sinks: {rabbit: {kind: rabbitmq}, feed: {kind: unix}}
routes:
  - {match: {}, to: feed}
  - match:
      source: [abp, bridge]
      channel: orders
      event: [INSERT, UPDATE]
      key: "327"
      where:
        - {field: payload.a, eq: 5}
        - {field: payload.a, ne: null}
        - {field: payload.a, in: [A, 1.50]}
        - {field: payload.a, not_in: [x]}
        - {field: payload.a, gt: 1}
        - {field: payload.a, gte: 010}
        - {field: payload.a, lt: -3}
        - {field: payload.a, lte: 1e9}
        - {field: old, exists: false}
        - {field: payload.a, matches: "^a+$"}
    to: [rabbit, feed]
    routing_key: "fills.{payload.orderCurrency}.{event|upper}"
    exchange: "x.{source}"
    body: payload
    stop: true
  - {match: {channel: betslip}, stop: true}
  - {to: rabbit, body: raw}
)"));
  ASSERT_TRUE(config.routes);
  ASSERT_EQ(config.routes->size(), 4U);
  EXPECT_EQ((*config.routes)[0].match, Match{});
  EXPECT_EQ((*config.routes)[0].to, std::vector<std::string>{"feed"});
  const Route& route = (*config.routes)[1];
  EXPECT_EQ(route.match.source, (std::vector<std::string>{"abp", "bridge"}));
  EXPECT_EQ(route.match.channel, std::vector<std::string>{"orders"});
  EXPECT_EQ(route.match.event, (std::vector<std::string>{"INSERT", "UPDATE"}));
  EXPECT_EQ(route.match.key, std::vector<std::string>{"327"});
  const std::vector<Condition> where{
      {"payload.a", Operator::eq, {"5"}},         {"payload.a", Operator::ne, {"null"}},
      {"payload.a", Operator::in, {"A", "1.50"}}, {"payload.a", Operator::not_in, {"x"}},
      {"payload.a", Operator::gt, {"1"}},         {"payload.a", Operator::gte, {"010"}},
      {"payload.a", Operator::lt, {"-3"}},        {"payload.a", Operator::lte, {"1e9"}},
      {"old", Operator::exists, {"false"}},       {"payload.a", Operator::matches, {"^a+$"}}};
  EXPECT_EQ(route.match.where, where);
  EXPECT_EQ(route.routing_key, "fills.{payload.orderCurrency}.{event|upper}");
  EXPECT_EQ(route.exchange, "x.{source}");
  EXPECT_EQ(route.body, BodyMode::payload);
  EXPECT_TRUE(route.stop);
  EXPECT_TRUE((*config.routes)[2].to.empty());
  EXPECT_EQ((*config.routes)[3].body, BodyMode::raw);
  EXPECT_FALSE(loaded(working()).routes);
  EXPECT_TRUE(loaded(working("routes: []\n")).routes);
}

TEST(Keys, Clients) {
  const Config config = loaded(working(R"(clients:
  - {name: executor, token: "${file:/etc/bridge55/executor.token}", allow: [events, read, trade], guard: {max_stake: {USD: 100}}}
  - {name: ops, user: ops, allow: admin}
  - {name: desk, group: trading, allow: [scrape, cancel, accounts]}
)"));
  ASSERT_TRUE(config.clients);
  ASSERT_EQ(config.clients->size(), 3U);
  EXPECT_EQ((*config.clients)[0].token.reveal(), "executor-token");
  EXPECT_EQ((*config.clients)[0].allow, bits({Scope::events, Scope::read, Scope::trade, Scope::cancel}));
  EXPECT_EQ((*config.clients)[0].guard.max_stake.at("USD"), "100");
  EXPECT_EQ((*config.clients)[1].user, "ops");
  EXPECT_EQ((*config.clients)[1].allow, bits({Scope::admin}));
  EXPECT_EQ((*config.clients)[2].group, "trading");
  EXPECT_EQ((*config.clients)[2].allow, bits({Scope::scrape, Scope::cancel, Scope::accounts}));
  EXPECT_FALSE(loaded(working()).clients);
}

TEST(Keys, TheRest) {
  const Config config = loaded(working(R"(state: {keep: 1h}
trades: {keep: 60d}
consumers: {expire: 3d}
log: {level: trace, format: json}
http: {allowed_origins: [https://app.example.com], allowed_hosts: [box.lan], max_header: 32KiB, max_body: 1MiB, max_frame: 2MiB,
       header_timeout: 5s, max_connections: 100}
)"));
  EXPECT_EQ(config.state_keep, 1h);
  EXPECT_EQ(config.trades_keep, std::chrono::hours(24 * 60));
  EXPECT_EQ(config.consumers_expire, std::chrono::hours(72));
  EXPECT_EQ(config.log.level, "trace");
  EXPECT_EQ(config.log.format, LogFormat::json);
  EXPECT_EQ(config.http, (Http{{"https://app.example.com"}, {"box.lan"}, kib(32), mib(1), mib(2), 5s, 100}));
}

TEST(Keys, TextFieldsTakeWhatLooksLikeANumber) {
  EXPECT_EQ(loaded("upstreams: {abp: {api_key: 0123456789}}\n").upstreams[0].api_key.reveal(), "0123456789");
  EXPECT_EQ(loaded("upstreams: {abp: {api_key: true}}\n").upstreams[0].api_key.reveal(), "true");
}

TEST(Keys, NumbersAndBooleansMayComeFromOutside) {
  World world;
  world.variables["N"] = "3";
  world.variables["B"] = "true";
  const Upstream upstream =
      loaded(working("    sessions: ${N}\n    reliable_delivery: \"${B}\"\n"), world).upstreams[0];
  EXPECT_EQ(upstream.sessions, 3U);
  EXPECT_TRUE(upstream.reliable_delivery);
}

TEST(Keys, WhatComesFromOutsideIsNeverYaml) {
  World world;
  world.variables["EVIL"] = "x, sessions: 4}\nlog: {level: trace}";
  EXPECT_EQ(loaded("upstreams: {odds: {kind: websocket, ws_url: ws://h, login: {t: ${EVIL}}}}\n", world)
                .upstreams[0]
                .login,
            R"({"t":"x, sessions: 4}\u000alog: {level: trace}"})");
}

TEST(Keys, TheHashFollowsSettingsAndNotTheLayout) {
  const std::string first = load(working("    sessions: 1\n")).canonical_hash;
  EXPECT_EQ(first.size(), 16U);
  EXPECT_EQ(load("# another layout\nupstreams: {abp: {api_key: another}}\n").canonical_hash, first);
  EXPECT_NE(load(working("    sessions: 2\n")).canonical_hash, first);
}

TEST(Keys, SecretsAreListedForTheLog) {
  const auto all = secrets(
      loaded(working("    proxy: http://u:p%40ss@h\nsinks: {r: {kind: rabbitmq, url: \"amqp://u:pw@h\"}}\n"
                     "clients: [{name: a, token: tok, allow: read}]\n")));
  for (const char* text : {"key", "p@ss", "http://u:p%40ss@h", "amqp://u:pw@h", "pw", "tok"})
    EXPECT_NE(std::find(all.begin(), all.end(), text), all.end()) << text;
}

}  // namespace
}  // namespace bridge55::config
