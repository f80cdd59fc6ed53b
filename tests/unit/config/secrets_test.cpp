// A canary in every place that may hold a secret: no error, warning or shown config ever sings it.
#include "config/show.hpp"
#include "tests/unit/config/fake.hpp"

#include <fstream>
#include <random>
#include <sstream>

#include <gtest/gtest.h>

namespace bridge55::config {
namespace {

using testing::all_lines;
using testing::load;
using testing::working;
using testing::World;

constexpr const char* canary = "canary-in-the-mine";

void expect_silence(const std::string& text) {
  const Loaded loaded = load(text);
  EXPECT_FALSE(loaded.ok()) << text;
  EXPECT_EQ(all_lines(loaded).find("canary"), std::string::npos) << all_lines(loaded);
}

TEST(Secrets, AreNotInErrorsOfTheirOwnFields) {
  expect_silence("upstreams: {abp: {api_key: \"canary in-the-mine\"}}\n");
  expect_silence("upstreams: {abp: {api_key: [canary-in-the-mine]}}\n");
  expect_silence("upstreams: {abp: canary-in-the-mine}\n");
  expect_silence("upstreams: {abp: {api_key: k, apikey: canary-in-the-mine}}\n");
  expect_silence("upstreams: {abp: {api_key: *canary-in-the-mine}}\n");
  expect_silence("upstreams: {abp: {api_key: \"canary-in-the-mine}}\n");
  expect_silence(working("    url: http://canary-in-the-mine@h\n"));
  expect_silence(working("    proxy: https://u:canary-in-the-mine@h\n"));
  expect_silence(working("sinks: {r: {kind: rabbitmq, url: \"amqp://u:canary-in-the-mine@h:99999\"}}\n"));
  expect_silence(working("sinks: {r: {kind: rabbitmq, url: \"canary-in-the-mine\"}}\n"));
  expect_silence(working("clients: [{name: a, token: \"canary in-the-mine\", allow: read}]\n"));
  expect_silence(
      working("clients: [{name: a, token: canary-in-the-mine, allow: read}, {name: b, token: "
              "canary-in-the-mine, allow: read}]\n"));
}

TEST(Secrets, WhatCameFromOutsideIsNotQuotedAnywhere) {
  for (const char* from : {"${CANARY}", "${file:/canary}"}) {
    const std::string value = std::string("\"") + from + "\"";
    expect_silence(working("    sessions: " + value + "\n"));
    expect_silence(working("    rate_limit: " + value + "\n"));
    expect_silence(working("    keep_alive: {interval: " + value + "}\n"));
    expect_silence(working("    cancel_reserve: " + value + "\n"));
    expect_silence(working("    guard: {max_stake: {USD: " + value + "}}\n"));
    expect_silence(working("listen: [{tcp: " + value + "}]\n"));
    expect_silence(working("listen: [{unix: " + value + "}]\n"));
    expect_silence(working("log: {level: " + value + "}\n"));
    expect_silence(working("routes: [{to: " + value + "}]\n"));
    expect_silence(working("routes: [{to: [" + value + "]}]\n"));
    expect_silence(working("routes: [{match: {source: " + value + "}, stop: true}]\n"));
    expect_silence(
        working("  scraping: {api_key: k}\nrelays: {r: {kind: fetch, url: \"http://h\", upstream: " + value +
                "}}\n"));
  }
}

TEST(Secrets, AreMaskedInWhatIsShown) {
  const Loaded loaded = load(R"(upstreams:
  abp: {api_key: canary-in-the-mine, proxy: "http://u:canary-in-the-mine@h", login: {token: canary-in-the-mine, list: [canary-in-the-mine]}}
  odds: {kind: websocket, ws_url: "wss://h/?t=canary-in-the-mine", login: {type: login, deep: {key: canary-in-the-mine}}}
  scraping: {api_key: canary-in-the-mine}
relays:
  w: {kind: websocket, url: "wss://u:canary-in-the-mine@h/?canary-in-the-mine", headers: {A: canary-in-the-mine},
      cookies: {c: canary-in-the-mine}, on_connect: [canary-in-the-mine]}
  q: {kind: amqp, host: h, password: canary-in-the-mine}
  f: {kind: fetch, url: "https://u:canary-in-the-mine@h", body: canary-in-the-mine}
sinks:
  r: {kind: rabbitmq, url: ["amqp://u:canary-in-the-mine@h", "amqps://u:canary-in-the-mine@h"]}
clients: [{name: a, token: canary-in-the-mine, allow: read}]
)");
  ASSERT_TRUE(loaded.ok()) << all_lines(loaded);
  const std::string shown = show(loaded.config);
  EXPECT_EQ(shown.find("canary"), std::string::npos) << shown;
  EXPECT_NE(shown.find("amqp://u:***@h"), std::string::npos) << shown;
  for (const std::string& secret : secrets(loaded.config))
    EXPECT_NE(secret.find(canary), std::string::npos);
}

// Damaged files: whatever happens to the bytes, loading ends, tells at least where, and sings nothing that
// came from outside.
TEST(Secrets, DamagedFilesEndInErrorsAndNothingElse) {
  std::ifstream file(BRIDGE55_CONFIG_TESTS "/contract_example.yaml");
  std::ostringstream whole;
  whole << file.rdbuf();
  const std::string text = whole.str();
  World world;
  for (auto& variable : world.variables)
    variable.second = canary;
  for (auto& one : world.files)
    one.second = canary;
  std::mt19937 random(55);
  const std::string alphabet = "{}[]:,-#&*!|>'\"%@`$\n\t ?~0aZ\\\x80\xC3\x01";
  for (int round = 0; round < 400; ++round) {
    std::string damaged = text;
    for (unsigned n = random() % 4 + 1; n > 0; --n) {
      const std::size_t at = random() % damaged.size();
      switch (random() % 3) {
        case 0:
          damaged[at] = alphabet[random() % alphabet.size()];
          break;
        case 1:
          damaged.insert(at, 1, alphabet[random() % alphabet.size()]);
          break;
        default:
          damaged.erase(at, random() % 40);
          break;
      }
    }
    const Loaded loaded = load(damaged, world);
    EXPECT_EQ(all_lines(loaded).find("canary"), std::string::npos) << all_lines(loaded);
    for (const Error& error : loaded.errors) {
      EXPECT_GE(error.line, 1);
      EXPECT_GE(error.column, 1);
      EXPECT_NE(error.message.find("; expected "), std::string::npos) << error.text();
      EXPECT_EQ(error.text().find('\n'), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace bridge55::config
