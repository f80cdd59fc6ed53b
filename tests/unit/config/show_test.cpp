#include "config/show.hpp"

#include "config/schema.hpp"
#include "config/yaml_tree.hpp"
#include "tests/unit/config/fake.hpp"

#include <fstream>
#include <set>
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace bridge55::config {
namespace {

using nlohmann::json;
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

// The keys of every mapping, as dotted paths; names that the operator chooses and list indices are `*`.
void collect(const json& schema, const std::string& path, std::set<std::string>& out) {
  if (schema.contains("properties"))
    for (const auto& [name, property] : schema["properties"].items()) {
      out.insert(path + name);
      collect(property, path + name + ".", out);
    }
  if (schema.contains("additionalProperties") && schema["additionalProperties"].is_object())
    collect(schema["additionalProperties"], path + "*.", out);
  if (schema.contains("items")) collect(schema["items"], path + "*.", out);
  if (schema.contains("anyOf"))
    for (const auto& one : schema["anyOf"])
      collect(one, path, out);
}

std::set<std::string> schema_keys() {
  std::set<std::string> out;
  collect(json::parse(schema()), "", out);
  return out;
}

TEST(Schema, IsOneOfItsDraftAndRefusesUnknownKeys) {
  const json parsed = json::parse(schema());
  EXPECT_EQ(parsed["$schema"], "https://json-schema.org/draft/2020-12/schema");
  EXPECT_EQ(parsed["additionalProperties"], false);
  EXPECT_EQ(parsed["required"], json::array({"upstreams"}));
  const json& upstream = parsed["properties"]["upstreams"]["additionalProperties"]["properties"];
  EXPECT_EQ(upstream["rate_limit"]["default"], "60/min");
  EXPECT_EQ(upstream["sessions"]["default"], 1);
  EXPECT_EQ(upstream["ack"]["default"]["seq"], "{seq}");
  EXPECT_FALSE(upstream["api_key"].contains("default"));
}

TEST(Schema, EveryKeyHasADescription) {
  const std::function<void(const json&)> visit = [&](const json& node) {
    if (node.is_object() && node.contains("properties")) {
      for (const auto& [name, property] : node["properties"].items())
        EXPECT_FALSE(property.value("description", "").empty()) << name;
    }
    if (node.is_structured())
      for (const auto& child : node)
        visit(child);
  };
  visit(json::parse(schema()));
}

// The reader knows exactly the schema's keys: each, put where the schema has it, is told from an unknown one
// by the reader, and what the reader suggests where a key is unknown is the schema's list.
TEST(Schema, KnowsTheSameKeysAsTheReader) {
  const std::set<std::string> keys = schema_keys();
  EXPECT_GT(keys.size(), 150U);
  const std::vector<std::pair<std::string, std::string>> places{
      {"", "KEY: 1\n"},
      {"listen.*.", "listen: [{KEY: 1}]\n"},
      {"listen.*.tls.", "listen: [{tcp: \"127.0.0.1:1\", tls: {KEY: 1}}]\n"},
      {"upstreams.*.", "upstreams: {a: {KEY: 1}}\n"},
      {"upstreams.*.tls.", "upstreams: {a: {tls: {KEY: 1}}}\n"},
      {"upstreams.*.fields.", "upstreams: {a: {kind: websocket, fields: {KEY: 1}}}\n"},
      {"upstreams.*.keep_alive.", "upstreams: {a: {keep_alive: {KEY: 1}}}\n"},
      {"upstreams.*.timeouts.", "upstreams: {a: {timeouts: {KEY: 1}}}\n"},
      {"upstreams.*.retry.", "upstreams: {a: {retry: {KEY: 1}}}\n"},
      {"upstreams.*.breaker.", "upstreams: {a: {breaker: {KEY: 1}}}\n"},
      {"upstreams.*.rate_limit.", "upstreams: {scraping: {rate_limit: {KEY: 1}}}\n"},
      {"upstreams.*.max_wait.", "upstreams: {a: {max_wait: {KEY: 1}}}\n"},
      {"upstreams.*.guard.", "upstreams: {a: {guard: {KEY: 1}}}\n"},
      {"relays.*.", "relays: {a: {KEY: 1}}\n"},
      {"relays.*.reply.*.", "relays: {a: {kind: websocket, reply: [{KEY: 1}]}}\n"},
      {"journal.", "journal: {KEY: 1}\n"},
      {"journal.retention.", "journal: {retention: {KEY: 1}}\n"},
      {"sinks.*.", "sinks: {a: {KEY: 1}}\n"},
      {"sinks.*.tls.", "sinks: {a: {kind: rabbitmq, tls: {KEY: 1}}}\n"},
      {"sinks.*.exchange.", "sinks: {a: {kind: rabbitmq, exchange: {KEY: 1}}}\n"},
      {"sinks.*.queues.*.", "sinks: {a: {kind: rabbitmq, queues: [{KEY: 1}]}}\n"},
      {"sinks.*.requests.", "sinks: {a: {kind: rabbitmq, requests: {KEY: 1}}}\n"},
      {"routes.*.", "routes: [{KEY: 1}]\n"},
      {"routes.*.match.", "routes: [{match: {KEY: 1}}]\n"},
      {"routes.*.match.where.*.", "routes: [{match: {where: [{KEY: 1}]}}]\n"},
      {"clients.*.", "clients: [{KEY: 1}]\n"},
      {"clients.*.guard.", "clients: [{guard: {KEY: 1}}]\n"},
      {"state.", "state: {KEY: 1}\n"},
      {"trades.", "trades: {KEY: 1}\n"},
      {"consumers.", "consumers: {KEY: 1}\n"},
      {"log.", "log: {KEY: 1}\n"},
      {"http.", "http: {KEY: 1}\n"}};
  std::set<std::string> visited;
  const auto unknown_line = [&](std::string text, const std::string& key) -> std::string {
    text.replace(text.find("KEY"), 3, key);
    for (const Error& error : load(text).errors)
      if (error.key_path.ends_with(key) && error.message.starts_with("is not a known key"))
        return error.message;
    return "";
  };
  for (const auto& [path, text] : places) {
    std::set<std::string> here;
    for (const std::string& key : keys)
      if (key.starts_with(path) && key.find('.', path.size()) == std::string::npos)
        here.insert(key.substr(path.size()));
    for (const std::string& key : here) {
      EXPECT_EQ(unknown_line(text, key), "") << path << key;
      visited.insert(path + key);
    }
    const std::string message = unknown_line(text, "nobody-would-call-a-key-so");
    std::set<std::string> known;
    std::istringstream list(message.substr(message.find("one of ") + 7));
    for (std::string word; std::getline(list >> std::ws, word, ',');)
      known.insert(word);
    for (const std::string& key : known)
      EXPECT_TRUE(here.contains(key)) << path << key << " is in the reader only";
  }
  EXPECT_EQ(visited, keys) << "a mapping of the schema that this test does not visit";
}

}  // namespace
}  // namespace bridge55::config
