// Every key of the contract's section 4 arrives in its field.
#include "tests/unit/config/fake.hpp"

#include <gtest/gtest.h>

namespace bridge55::config {
namespace {

using testing::all_lines;
using testing::load;
using testing::working;
using testing::World;

Config loaded(const std::string& text, const World& world = {}) {
  Loaded out = load(text, world);
  EXPECT_TRUE(out.ok()) << all_lines(out);
  return out.config;
}

unsigned bits(std::initializer_list<Scope> scopes) {
  unsigned out = 0;
  for (const Scope scope : scopes)
    out |= static_cast<unsigned>(scope);
  return out;
}

TEST(Keys, OneUpstreamWithItsKeyIsAWorkingConfig) {
  const Config config = loaded("upstreams:\n  abp:\n    api_key: ${ABP_API_KEY}\n");
  Config expected;
  Listen listen;
  listen.host = "127.0.0.1";
  listen.port = 5580;
  expected.listen.push_back(listen);
  Upstream abp;
  abp.name = "abp";
  abp.url = "https://v2.55-tech.com";
  abp.ws_url = "wss://v2.55-tech.com/ws";
  abp.api_key = Secret("abp-key");
  expected.upstreams.push_back(abp);
  EXPECT_EQ(config, expected);
}

TEST(Keys, EachKindHasTheVendorsDefaults) {
  const Config config = loaded(
      "upstreams:\n  abp: {api_key: a}\n  mm: {api_key: 5b1f2c3d-0000-4000-8000-000000000055}\n  scraping: "
      "{api_key: s}\n"
      "  feed: {kind: websocket, ws_url: wss://f/}\n  second: {kind: mm, api_key: "
      "5b1f2c3d-0000-4000-8000-000000000055}\n");
  ASSERT_EQ(config.upstreams.size(), 5U);
  EXPECT_EQ(config.upstreams[0].rate_limit, (RateLimit{60, 1min, 0}));
  EXPECT_EQ(config.upstreams[1].kind, UpstreamKind::mm);
  EXPECT_EQ(config.upstreams[1].url, "https://mmapi.55-tech.com");
  EXPECT_EQ(config.upstreams[1].ws_url, "wss://mmapi.55-tech.com/ws/subscribe");
  EXPECT_EQ(config.upstreams[1].rate_limit, (RateLimit{100, 1min, 0}));
  EXPECT_EQ(config.upstreams[2].url, "https://scraping-api.55-tech.com");
  EXPECT_EQ(config.upstreams[2].ws_url, "");
  EXPECT_EQ(config.upstreams[2].rate_limit, (RateLimit{10, 1s, 0}));
  EXPECT_EQ(config.upstreams[3].kind, UpstreamKind::websocket);
  EXPECT_EQ(config.upstreams[3].url, "");
  EXPECT_TRUE(config.upstreams[3].api_key.empty());
  EXPECT_FALSE(config.upstreams[3].auth_header_given);
  EXPECT_EQ(config.upstreams[4].name, "second");
  EXPECT_EQ(config.upstreams[4].ws_url, "wss://mmapi.55-tech.com/ws/subscribe");
}

TEST(Keys, Listen) {
  const Config config = loaded(
      working("listen:\n  - tcp: \"[::1]:0\"\n  - unix: /run/a.sock\n    mode: \"0600\"\n    group: trading\n"
              "  - {tcp: \"0.0.0.0:5581\", tls: {cert_file: /c.pem, key_file: /k.pem}}\n"
              "clients: []\n"));
  ASSERT_EQ(config.listen.size(), 3U);
  EXPECT_EQ(config.listen[0].host, "::1");
  EXPECT_EQ(config.listen[0].port, 0);
  EXPECT_TRUE(config.listen[1].is_unix());
  EXPECT_EQ(config.listen[1].mode, 0600U);
  EXPECT_EQ(config.listen[1].group, "trading");
  EXPECT_EQ(config.listen[2].cert_file, "/c.pem");
  EXPECT_EQ(config.listen[2].key_file, "/k.pem");
}

TEST(Keys, Upstream) {
  const Config config = loaded(R"(upstreams:
  main:
    kind: abp
    url: http://127.0.0.1:9000/base/
    ws_url: ws://127.0.0.1:9000/ws
    api_key: k
    channels: [orders, bets]
    reliable_delivery: true
    sessions: 4
    rate_limit: 5/s
    cancel_reserve: 25%
    tls: {ca_file: /ca.pem, server_name: example.com, verify: true}
    proxy: http://u:p@proxy:3128
    login: {b: 1, a: "1", c: [true, null, 1.50, x], d: {e: "${ABP_API_KEY}"}}
    ack: {"type": "ack", "seqs": ["{seq}"]}
    auth_header: X-ABP-API-KEY
    keep_alive: {interval: 10s, dead_after: 40s}
    timeouts: {connect: 1s, login: 2s, first_byte: 3s, idle: 4s, total: 5s}
    retry: {attempts: 5, backoff: 1s, max_backoff: 8s}
    breaker: {failures: 2, open: 3s}
    max_wait: 2s
    share: [/bookmakers, /network/*]
    cache: {/bookmakers: 60s}
    block_on_emergency: false
    reconcile: off
    guard: {max_stake: {USD: 500, EUR: "0.5"}, max_orders_per_minute: 60, bookmakers: [b1], test_only: true}
)");
  Upstream expected;
  expected.name = "main";
  expected.url = "http://127.0.0.1:9000/base";
  expected.ws_url = "ws://127.0.0.1:9000/ws";
  expected.api_key = Secret("k");
  expected.channels = {"orders", "bets"};
  expected.reliable_delivery = true;
  expected.sessions = 4;
  expected.rate_limit = {5, 1s, 0};
  expected.cancel_reserve = {0.25, 0};
  expected.tls = {"/ca.pem", "example.com", true};
  expected.proxy = Secret("http://u:p@proxy:3128");
  expected.login = R"({"b":1,"a":"1","c":[true,null,1.50,"x"],"d":{"e":"abp-key"}})";
  expected.ack = R"({"type":"ack","seqs":["{seq}"]})";
  expected.auth_header = "X-ABP-API-KEY";
  expected.keep_alive = {10s, 40s};
  expected.timeouts = {1s, 2s, 3s, 4s, 5s};
  expected.retry = {5, 1s, 8s};
  expected.breaker = {2, 3s};
  expected.max_wait = 2s;
  expected.share = {"/bookmakers", "/network/*"};
  expected.cache = {{"/bookmakers", 60s}};
  expected.block_on_emergency = false;
  expected.reconcile = std::nullopt;
  expected.guard.max_stake = {{"USD", "500"}, {"EUR", "0.5"}};
  expected.guard.max_orders_per_minute = 60;
  expected.guard.bookmakers = {"b1"};
  expected.guard.test_only = true;
  ASSERT_EQ(config.upstreams.size(), 1U);
  EXPECT_EQ(config.upstreams[0], expected);
}

TEST(Keys, WebsocketFeed) {
  const Config config = loaded(R"(upstreams:
  odds:
    kind: websocket
    ws_url: wss://feed.example.com/v1?format=json
    api_key: k
    auth_header: X-Key
    fields: {channel: ch, event: type, seq: meta.seq, ts: ts, payload: data}
)");
  EXPECT_EQ(config.upstreams[0].fields, (FeedFields{"ch", "type", "meta.seq", "ts", "data"}));
  EXPECT_TRUE(config.upstreams[0].auth_header_given);
  EXPECT_EQ(config.upstreams[0].auth_header, "X-Key");
}

TEST(Keys, DeadAfterFollowsTheInterval) {
  const auto keep_alive = [](const std::string& text) {
    return loaded(working("    keep_alive: " + text + "\n")).upstreams[0].keep_alive;
  };
  EXPECT_EQ(keep_alive("{interval: 10s}"), (KeepAlive{10s, 25s}));
  EXPECT_EQ(keep_alive("{dead_after: 2min}"), (KeepAlive{30s, 2min}));
  EXPECT_EQ(keep_alive("{dead_after: 50s, interval: 20s}"), (KeepAlive{20s, 50s}));
}

TEST(Keys, WaitOfPlacements) {
  const auto waits = [](const std::string& text) {
    const Upstream upstream = loaded(working("    max_wait: " + text + "\n")).upstreams[0];
    return std::pair(upstream.max_wait, upstream.max_wait_placement);
  };
  EXPECT_EQ(waits("2s"), std::pair(Duration(2s), Duration(500ms)));
  EXPECT_EQ(waits("100ms"), std::pair(Duration(100ms), Duration(100ms)));
  EXPECT_EQ(waits("{default: 2s, placements: 1s}"), std::pair(Duration(2s), Duration(1s)));
  EXPECT_EQ(waits("{placements: 1s}"), std::pair(Duration(5s), Duration(1s)));
}

TEST(Keys, BurstOfScraping) {
  const auto rate = [](const std::string& text) {
    return loaded("upstreams: {scraping: {api_key: k, " + text + "}}\n").upstreams[0].rate_limit;
  };
  EXPECT_EQ(rate("rate_limit: 10/s"), (RateLimit{10, 1s, 0}));
  EXPECT_EQ(rate("rate_limit: 20/s, burst: 40"), (RateLimit{20, 1s, 40}));
  EXPECT_EQ(rate("burst: 40"), (RateLimit{10, 1s, 40}));
  EXPECT_EQ(rate("rate_limit: {limit: 20/s, burst: 40}"), (RateLimit{20, 1s, 40}));
}

TEST(Keys, CancelReserveAsACount) {
  EXPECT_EQ(loaded(working("    cancel_reserve: 6\n")).upstreams[0].cancel_reserve.count, 6U);
}

TEST(Keys, Relays) {
  const Config config = loaded(R"(upstreams:
  scraping: {api_key: "${SCRAPING_API_KEY}"}
relays:
  live-odds:
    kind: websocket
    upstream: scraping
    url: wss://target.example.com/stream
    headers: {Origin: https://target.example.com}
    cookies: {session: abc123}
    geo: US,DE
    agent: de1
    idle_timeout: 30s
    on_connect: ['{"subscribe":"odds"}', "a\x1e"]
    reply: [{when: "2", send: "3"}, {when: ping, send: ""}]
  partner: {kind: amqp, host: broker.example.com, port: 5673, ssl: true, virtual_host: v, username: user,
            password: "${file:/etc/bridge55/partner.pass}", exchange: my_exchange, routing_key: "a.#", queue_prefix: q, heartbeat: 10}
  secure: {kind: amqp, host: b, ssl: true}
  prices: {kind: fetch, url: "https://example.com/p.json", every: 7s, emit: always, method: POST, headers: {A: b}, body: "{}",
           timeout: 9s, allow_redirects: false}
)");
  ASSERT_EQ(config.relays.size(), 4U);
  Relay odds;
  odds.name = "live-odds";
  odds.upstream = "scraping";
  odds.url = "wss://target.example.com/stream";
  odds.headers.emplace("Origin", Secret("https://target.example.com"));
  odds.cookies.emplace("session", Secret("abc123"));
  odds.geo = "US,DE";
  odds.agent = "de1";
  odds.idle_timeout = 30s;
  odds.on_connect = {R"({"subscribe":"odds"})", "a\x1e"};
  odds.reply = {{"2", "3"}, {"ping", ""}};
  EXPECT_EQ(config.relays[0], odds);
  Relay partner;
  partner.name = "partner";
  partner.kind = RelayKind::amqp;
  partner.upstream = "scraping";
  partner.host = "broker.example.com";
  partner.port = 5673;
  partner.ssl = true;
  partner.virtual_host = "v";
  partner.username = "user";
  partner.password = Secret("partner");
  partner.exchange = "my_exchange";
  partner.routing_key = "a.#";
  partner.queue_prefix = "q";
  partner.heartbeat = 10;
  EXPECT_EQ(config.relays[1], partner);
  EXPECT_EQ(config.relays[2].port, 5671) << "the port of AMQPS, where none is given";
  Relay prices;
  prices.name = "prices";
  prices.kind = RelayKind::fetch;
  prices.upstream = "scraping";
  prices.url = "https://example.com/p.json";
  prices.every = 7s;
  prices.emit_always = true;
  prices.method = "POST";
  prices.headers.emplace("A", Secret("b"));
  prices.body = "{}";
  prices.timeout = 9s;
  prices.allow_redirects = false;
  EXPECT_EQ(config.relays[3], prices);
}

TEST(Keys, Journal) {
  const Journal journal =
      loaded(working("journal:\n  path: /j.db\n  retention: {age: 2d, size: 3GiB}\n")).journal;
  EXPECT_EQ(journal, (Journal{"/j.db", std::chrono::hours(48), gib(3)}));
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
