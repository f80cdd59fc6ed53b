#include "config/show.hpp"

#include "tests/unit/config/fake.hpp"

#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

namespace bridge55::config {
namespace {

using testing::all_lines;
using testing::load;
using testing::working;
using testing::World;

std::string contract_example() {
  std::ifstream file(BRIDGE55_CONFIG_TESTS "/contract_example.yaml");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// What is shown, with its secrets put back in order, loads to the same Config again.
void expect_round_trip(const std::string& text, std::vector<std::string> hidden) {
  const Loaded first = load(text);
  ASSERT_TRUE(first.ok()) << all_lines(first);
  std::string shown = show(first.config);
  std::size_t at = 0;
  for (const std::string& secret : hidden) {
    at = shown.find("***", at);
    ASSERT_NE(at, std::string::npos) << "for " << secret << "\n" << shown;
    shown.replace(at, 3, secret);
    at += secret.size();
  }
  ASSERT_EQ(shown.find("***", at), std::string::npos) << shown;
  const Loaded second = load(shown);
  ASSERT_TRUE(second.ok()) << all_lines(second) << shown;
  EXPECT_TRUE(first.config == second.config) << shown << "\nagain:\n" << show(second.config);
  EXPECT_EQ(first.canonical_hash, second.canonical_hash);
}

TEST(Show, RoundTripOfTheLeast) {
  expect_round_trip(working(), {"key"});
}

TEST(Show, RoundTripOfTheContractsExample) {
  expect_round_trip(
      contract_example(),
      {"abp-key", "5b1f2c3d-0000-4000-8000-000000000055", "scraping-key", "https://target.example.com",
       "abc123", R"({\"subscribe\":\"odds\"})", "partner", "guest", "executor-token"});
}

TEST(Show, RoundTripOfWhatIsHardToQuote) {
  expect_round_trip(R"(upstreams:
  odds: {kind: websocket, ws_url: "ws://h", login: {"a": 1.50, "b": "x\"y\\z", "$${A}": null, channels: ["$${B}", "\x07", "ö"]},
         auth_header: X-Key, rate_limit: 7/s, cancel_reserve: 2.5%, reconcile: off, max_wait: {default: 2s, placements: 3s}}
  scraping: {api_key: k, burst: 7, cancel_reserve: 3}
listen: [{tcp: "[::1]:0"}, {unix: "/run/a b$${x}.sock", mode: "0007"}]
relays:
  w: {kind: websocket, url: "ws://h", reply: [{when: "null", send: "true"}, {when: "", send: "a: b # c\n\t\x1e\"'\\"}, {when: "010", send: "~"}]}
  q: {kind: amqp, host: h, port: 1, virtual_host: "a b"}
sinks:
  r: {kind: rabbitmq, declare: none, url: amqp://h, queues: [{name: "q 1", bind: []}], requests: {}}
routes:
  - match: {key: ["a,b", "*"], where: [{field: key, eq: null}, {field: key, in: ["null", "5"]}, {field: key, matches: "^\\d$"}]}
    to: r
    exchange: "{source}"
  - {stop: true}
clients: []
state: {keep: 90s}
)",
                    {R"(x\"y\\z)", "k"});
}

TEST(Show, FillsInEveryDefault) {
  const std::string shown = show(load(working("sinks: {r: {kind: rabbitmq}}\n")).config);
  for (const char* line :
       {"  - tcp: \"127.0.0.1:5580\"\n", "    url: \"https://v2.55-tech.com\"\n", "    api_key: \"***\"\n",
        "      dead_after: 75s\n", "    rate_limit: 60/min\n", "    cancel_reserve: 10%\n",
        "    max_wait: 5s\n", "    reconcile: 5min\n", "    url: [\"amqp://guest:***@127.0.0.1:5672/%2F\"]\n",
        "  path: /var/lib/bridge55/journal.db\n", "    size: 2GiB\n", "  level: info\n",
        "  max_connections: 10000\n", "trades:\n  keep: 30d\n"})
    EXPECT_NE(shown.find(line), std::string::npos) << line << shown;
}

}  // namespace
}  // namespace bridge55::config
