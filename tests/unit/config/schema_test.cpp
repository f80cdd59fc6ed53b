#include "config/schema.hpp"

#include "config/starter.hpp"
#include "tests/unit/config/fake.hpp"
#include "tests/unit/config/schema_check.hpp"

#include <fstream>
#include <functional>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

namespace bridge55::config {
namespace {

using nlohmann::json;
using testing::load;
using testing::SchemaCheck;

using Faults = std::vector<std::string>;

Faults faults(const std::string& text) {
  const Tree tree = read_tree(text);
  EXPECT_FALSE(tree.error);
  return SchemaCheck(json::parse(schema())).check(testing::as_json(tree.root));
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

TEST(Schema, AcceptsEveryShippedConfigAndTheContractsExample) {
  for (const char* path : {BRIDGE55_CONFIG_DIR "/bridge55.yaml", BRIDGE55_CONFIG_DIR "/demo.yaml",
                           BRIDGE55_CONFIG_DIR "/rabbitmq.yaml", BRIDGE55_CONFIG_DIR "/vendor.yaml",
                           BRIDGE55_CONFIG_TESTS "/contract_example.yaml"}) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    EXPECT_EQ(faults(text.str()), Faults{}) << path;
  }
}

TEST(Schema, AcceptsExpansionsAndBothForms) {
  EXPECT_EQ(faults("upstreams: {a: {kind: abp, api_key: k, sessions: \"${N:-1}\", rate_limit: {limit: 1/s}, "
                   "max_wait: 1s, cancel_reserve: 3}}\n"
                   "listen: [{unix: /a, mode: \"0600\"}, {tcp: \"127.0.0.1:1\"}]\n"
                   "sinks: {r: {kind: rabbitmq, url: amqp://h}}\n"
                   "routes: [{to: r, match: {where: [{field: key, eq: 5}, {field: key, in: [a, null]}, "
                   "{field: key, exists: true}]}}]\n"),
            Faults{});
}

TEST(Schema, TellsAnEditorWhatTheLoaderWouldTell) {
  EXPECT_EQ(faults("upstreams: {a: {sesions: 1}}\n"), Faults{".upstreams.a.sesions: is unknown"});
  EXPECT_EQ(faults("log: {}\n"), Faults{": lacks \"upstreams\""});
  EXPECT_EQ(faults("upstreams: {a: {sessions: 5}}\n").size(), 1U);
  EXPECT_EQ(faults("upstreams: {a: {max_wait: 5}}\n").size(), 1U);
  EXPECT_EQ(faults("upstreams: {a: {reconcile: never}}\n").size(), 1U);
}

}  // namespace
}  // namespace bridge55::config
