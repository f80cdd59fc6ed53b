// What no single key can tell: references, routes, sinks, clients, and the bounds of it all.
#include "tests/unit/config/fake.hpp"

#include <gtest/gtest.h>

namespace bridge55::config {
namespace {

using testing::error;
using testing::errors;
using testing::Lines;
using testing::warnings;
using testing::working;

TEST(Errors, UpstreamsAcrossKeys) {
  EXPECT_EQ(error("    keep_alive: {interval: 5s, dead_after: 5s}\n"),
            "f.yaml:4:44: upstreams.abp.keep_alive.dead_after: is not longer than interval; expected about "
            "two and a half intervals");
  EXPECT_EQ(error("    retry: {backoff: 5s}\n"),
            "f.yaml:4:5: upstreams.abp.retry.max_backoff: is less than backoff; expected at least 5s");
  EXPECT_EQ(errors("upstreams: {scraping: {api_key: k, burst: 5, rate_limit: {limit: 1/s, burst: 6}}}\n"),
            Lines{"f.yaml:1:43: upstreams.scraping.burst: is given twice, also as rate_limit.burst; expected "
                  "it once"});
}

TEST(Errors, References) {
  EXPECT_EQ(error("routes: [{match: {source: apb}, stop: true}]\n"),
            "f.yaml:4:27: routes[0].match.source: `apb` is no upstream, did you mean `abp`?; expected one of "
            "abp, bridge");
}

TEST(Errors, RoutesToNothing) {
  const std::string sinks = "sinks: {rabbit: {kind: rabbitmq}, feed: {kind: unix}}\n";
  EXPECT_EQ(
      error(sinks + "routes: [{to: rabit}]\n"),
      "f.yaml:5:15: routes[0].to: `rabit` is no sink, did you mean `rabbit`?; expected one of feed, rabbit");
  EXPECT_EQ(error(sinks + "routes: [{to: [feed, x]}]\n"),
            "f.yaml:5:22: routes[0].to[1]: `x` is no sink; expected one of feed, rabbit");
  EXPECT_EQ(error("routes: [{to: x}]\n"),
            "f.yaml:4:15: routes[0].to: `x` is no sink; expected none, since none is configured");
  EXPECT_EQ(error("routes: [{to: []}]\n"),
            "f.yaml:4:15: routes[0].to: is empty; expected a sink, or stop: true to drop what matches");
  EXPECT_EQ(error(sinks + "routes: [{to: feed, match: {source: [abp, mm]}}]\n"),
            "f.yaml:5:43: routes[0].match.source[1]: `mm` is no upstream; expected one of abp, bridge");
}

TEST(Errors, Conditions) {
  const auto where = [](const std::string& condition) {
    return error("sinks: {feed: {kind: unix}}\nroutes: [{to: feed, match: {where: [" + condition + "]}}]\n");
  };
  const std::string one = "expected exactly one of eq, ne, in, not_in, gt, gte, lt, lte, exists and matches";
  EXPECT_EQ(where("{field: key}"), "f.yaml:5:37: routes[0].match.where[0]: has no operator; " + one);
  EXPECT_EQ(where("{field: key, eq: 1, ne: 2}"),
            "f.yaml:5:37: routes[0].match.where[0]: has more than one operator; " + one);
  EXPECT_EQ(where("{eq: 1}").substr(0, 57), "f.yaml:5:37: routes[0].match.where[0].field: is missing; ");
  EXPECT_EQ(where("{field: payload..x, eq: 1}").substr(0, 80),
            "f.yaml:5:45: routes[0].match.where[0].field: `payload..x` has an empty segment; ");
  EXPECT_EQ(where("{field: paylaod.x, eq: 1}"),
            "f.yaml:5:45: routes[0].match.where[0].field: `paylaod.x` does not begin with a member of the "
            "envelope; expected a dotted path "
            "such as channel or payload.orderStatus");
  EXPECT_EQ(where("{field: key, matches: \"(\"}"),
            "f.yaml:5:59: routes[0].match.where[0].matches: `(` is not a regular expression of RE2; expected "
            "a regular expression "
            "(https://github.com/google/re2/wiki/Syntax)");
  EXPECT_EQ(where("{field: key, matches: \"(?=x)\"}").substr(0, 49),
            "f.yaml:5:59: routes[0].match.where[0].matches: `(");
  EXPECT_EQ(where("{field: key, exists: 1}"),
            "f.yaml:5:58: routes[0].match.where[0].exists: `1` is not a boolean; expected true or false");
  EXPECT_EQ(where("{field: key, eq: [1]}"),
            "f.yaml:5:54: routes[0].match.where[0].eq: is a list; expected a text");
  EXPECT_EQ(where("{field: key, equals: 1}").substr(0, 64),
            "f.yaml:5:50: routes[0].match.where[0].equals: is not a known key");
  EXPECT_EQ(where("{field: key, in: []}"),
            "f.yaml:5:54: routes[0].match.where[0].in: is empty; expected at least one value");
}

TEST(Errors, TemplatesOfRoutes) {
  const std::string sinks = "sinks: {feed: {kind: unix}}\n";
  EXPECT_EQ(error(sinks + "routes: [{to: feed, routing_key: \"a.{payload.x\"}]\n"),
            "f.yaml:5:34: routes[0].routing_key: `a.{payload.x` has a `{` that is never closed; expected a "
            "text with fields such as "
            "{source} or {payload.userRef|lower}");
  EXPECT_EQ(
      error(sinks + "routes: [{to: feed, exchange: \"{source|title}\"}]\n").substr(0, 97),
      "f.yaml:5:31: routes[0].exchange: `{source|title}` has a filter that is neither |lower nor |upper;");
}

TEST(Errors, Relays) {
  const std::string scraping = "  scraping: {api_key: k}\n";
  EXPECT_EQ(error("relays:\n  r: {kind: fetch, url: \"http://h\"}\n"),
            "f.yaml:5:3: relays.r.upstream: is missing; expected the name of an upstream of kind: scraping");
  EXPECT_EQ(error("relays:\n  r: {kind: fetch, url: \"http://h\", upstream: abp}\n"),
            "f.yaml:5:47: relays.r.upstream: `abp` is not of kind: scraping; expected one that is");
  EXPECT_EQ(error("relays:\n  r: {kind: fetch, url: \"http://h\", upstream: x}\n"),
            "f.yaml:5:47: relays.r.upstream: `x` is no upstream; expected the name of one of kind: scraping");
  EXPECT_EQ(error(scraping + "relays:\n  r: {kind: websocket, url: \"http://h\"}\n"),
            "f.yaml:6:29: relays.r.url: does not begin with ws:// or wss://; expected "
            "ws://host[:port][/path] or wss://…");
  EXPECT_EQ(error(scraping + "relays:\n  r: {kind: amqp}\n"),
            "f.yaml:6:3: relays.r.host: is missing; expected a host name or address");
  EXPECT_EQ(error(scraping + "relays:\n  r: {kind: websocket, url: \"ws://h\", reply: [{when: x}]}\n"),
            "f.yaml:6:47: relays.r.reply[0].send: is missing; expected a text");
  EXPECT_EQ(error(scraping + "relays:\n  r: {kind: websocket, url: \"ws://h\", headers: {\"a b\": c}}\n"),
            "f.yaml:6:49: relays.r.headers.a b: is not a token; expected a header name");
}

TEST(Errors, Sinks) {
  EXPECT_EQ(error("sinks: {r: {kind: rabbitmq, url: []}}\n"),
            "f.yaml:4:34: sinks.r.url: is empty; expected at least one URL");
  EXPECT_EQ(error("sinks: {r: {kind: rabbitmq, url: [\"amqp://a\", \"http://u:secret@b\"]}}\n"),
            "f.yaml:4:47: sinks.r.url[1]: does not begin with amqp:// or amqps://; expected "
            "amqp://[user:password@]host[:port][/vhost] or amqps://…");
  EXPECT_EQ(error("sinks: {r: {kind: rabbitmq, queues: [{name: q}, {name: q}]}}\n"),
            "f.yaml:4:56: sinks.r.queues[1].name: is a name used twice; expected a name of its own");
  EXPECT_EQ(error("sinks: {r: {kind: rabbitmq, queues: [{name: amq.q}]}}\n"),
            "f.yaml:4:45: sinks.r.queues[0].name: begins with amq., which is the broker's own; expected "
            "another name");
  EXPECT_EQ(error("sinks: {r: {kind: rabbitmq, queues: [{name: q}], requests: {queue: q}}}\n"),
            "f.yaml:4:68: sinks.r.requests.queue: is also one of queues; expected a queue of its own");
  EXPECT_EQ(error("sinks: {r: {kind: rabbitmq, exchange: {type: tpoic}}}\n"),
            "f.yaml:4:46: sinks.r.exchange.type: `tpoic` is not an exchange type; expected topic, direct, "
            "fanout, headers or the x-… type of a plugin");
}

TEST(Errors, Clients) {
  const std::string one = "is not known by exactly one thing; expected one of token, user and group";
  EXPECT_EQ(error("clients: [{name: a, allow: read}]\n"), "f.yaml:4:11: clients[0]: " + one);
  EXPECT_EQ(error("clients: [{name: a, token: t, user: u, allow: read}]\n"),
            "f.yaml:4:11: clients[0]: " + one);
  EXPECT_EQ(error("clients: [{user: u, allow: read}]\n"),
            "f.yaml:4:11: clients[0].name: is missing; expected 1 to 64 letters, digits, _ and -, the first "
            "a letter or digit");
  EXPECT_EQ(error("clients: [{name: a, user: u, allow: [raed]}]\n"),
            "f.yaml:4:38: clients[0].allow[0]: `raed` is not a scope; expected one of events, read, scrape, "
            "trade, cancel, accounts, admin");
  EXPECT_EQ(error("clients: [{name: a, token: t, allow: read}, {name: b, token: t, allow: read}]\n"),
            "f.yaml:4:62: clients[1].token: is used twice, first by clients[0]; expected each token once");
  EXPECT_EQ(error("clients: [{name: a, token: t, allow: read}, {name: a, token: s, allow: read}]\n"),
            "f.yaml:4:52: clients[1].name: is used twice, first by clients[0]; expected each name once");
}

TEST(Errors, Expansion) {
  EXPECT_EQ(errors("upstreams: {abp: {api_key: ${NONE}}}\n"),
            Lines{"f.yaml:1:28: upstreams.abp.api_key: environment variable NONE is not set; expected it in "
                  "the environment, or ${NONE:-default}"});
  EXPECT_EQ(error("    login: {a: [\"${NONE}\"]}\n"),
            "f.yaml:4:17: upstreams.abp.login.a[0]: environment variable NONE is not set; expected it in the "
            "environment, or ${NONE:-default}");
}

TEST(Errors, ColumnsCountCharacters) {
  EXPECT_EQ(error("    channels: [\"öäü€\", \"a b\"]\n"),
            "f.yaml:4:24: upstreams.abp.channels[1]: `a b` holds a space; expected a text without spaces");
}

TEST(Errors, AreOneLineEachWhateverTheFileHolds) {
  for (const std::string& line : errors(working("log: {level: \"a\\nb\", \"c\\rd\": 1}\n")))
    EXPECT_EQ(line.find_first_of("\r\n"), std::string::npos);
}

TEST(Errors, AreBounded) {
  std::string text = "x: 1\n";
  for (int i = 0; i < 20'000; ++i)
    text += "k" + std::to_string(i) + ": 1\n";
  EXPECT_EQ(errors(text).size(), 1001U);
}

TEST(Errors, ManyUnknownReferencesAreTakenInStride) {
  std::string text = working("sinks:\n");
  for (int i = 0; i < 1000; ++i)
    text += "  s" + std::to_string(i) + ": {kind: unix, path: /s" + std::to_string(i) + "}\n";
  text += "routes:\n  - to: [";
  for (int i = 0; i < 20'000; ++i)
    text += "x" + std::to_string(i) + ",";
  EXPECT_EQ(errors(text + "]\n").size(), 1001U);
}

TEST(Warnings, WhatIsLegalButProbablyNotMeant) {
  EXPECT_EQ(warnings("upstreams: {mm: {api_key: k}}\n"),
            Lines{"f.yaml:1:27: upstreams.mm.api_key: is not a UUID, as the vendor documents MM keys to be; "
                  "expected 8-4-4-4-12 hex digits"});
  EXPECT_EQ(warnings(working("    tls: {verify: false}\n")),
            Lines{"f.yaml:4:19: upstreams.abp.tls.verify: accepts any certificate; expected true"});
  EXPECT_EQ(warnings(working("    url: http://127.0.0.1:1\n")),
            Lines{"f.yaml:2:3: upstreams.abp.ws_url: is still the vendor's while its other half is not; "
                  "expected both or neither"});
  EXPECT_EQ(warnings(working("    ws_url: ws://127.0.0.1:1\n")),
            Lines{"f.yaml:2:3: upstreams.abp.url: is still the vendor's while its other half is not; "
                  "expected both or neither"});
  EXPECT_EQ(warnings(working("clients: [{name: a, user: u}]\n")),
            Lines{"f.yaml:4:11: clients[0].allow: allows nothing; expected one or more scopes"});
  EXPECT_EQ(warnings(working("sinks: {r: {kind: rabbitmq, tls: {ca_file: /ca}}}\n")),
            Lines{"f.yaml:4:34: sinks.r.tls: has no effect; expected a URL with amqps://"});
  EXPECT_EQ(warnings(working()), Lines{});
}

}  // namespace
}  // namespace bridge55::config
