// Every key of the contract's section 4 arrives in its field.
#include "tests/unit/config/fake.hpp"

#include <gtest/gtest.h>

namespace bridge55::config {
namespace {

using testing::loaded;
using testing::working;
using testing::World;

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

}  // namespace
}  // namespace bridge55::config
