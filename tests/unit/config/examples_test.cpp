// Every config that is shipped loads, and so does the contract's example as a whole.
#include "config/starter.hpp"
#include "tests/unit/config/fake.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

namespace bridge55::config {
namespace {

using testing::all_lines;
using testing::World;

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string shipped(const std::string& name) {
  return text_of(std::string(BRIDGE55_CONFIG_DIR "/") + name);
}

World demo_world() {
  World world;
  world.variables["BRIDGE55_DIR"] = "/tmp/bridge55-demo";
  world.variables["BRIDGE55_SIM_CA"] = "/tmp/bridge55-demo/sim-ca.pem";
  world.variables["BRIDGE55_SIM_SCRAPING"] = "https://127.0.0.1:4003";
  world.variables["BRIDGE55_SIM_ABP"] = "https://127.0.0.1:4001";
  world.variables["BRIDGE55_SIM_ABP_WS"] = "wss://127.0.0.1:4001/ws";
  world.variables["BRIDGE55_SIM_MM"] = "https://127.0.0.1:4002";
  world.variables["BRIDGE55_SIM_MM_WS"] = "wss://127.0.0.1:4002/ws/subscribe";
  return world;
}

Loaded clean(const std::string& text, const World& world) {
  Loaded out = testing::load(text, world);
  EXPECT_EQ(all_lines(out), "");
  return out;
}

TEST(Examples, TheStarterWorksOnceTheKeyIsSet) {
  EXPECT_EQ(starter_config(), shipped("bridge55.yaml"));
  const Loaded starter = clean(std::string(starter_config()), World{});
  EXPECT_EQ(starter.config, clean("upstreams: {abp: {api_key: abp-key}}\n", World{}).config);
}

// Each commented key of the starter is real: with all of them active the file still loads.
TEST(Examples, TheStartersCommentsLoadTooWhenTheyAreActive) {
  std::istringstream lines{std::string(starter_config())};
  std::string active;
  std::string line;
  bool in_prose = true;
  while (std::getline(lines, line)) {
    const std::size_t hash = line.find_first_not_of(' ');
    in_prose = in_prose && line.starts_with('#');
    const bool comment = hash != std::string::npos && line[hash] == '#';
    const std::string inside = comment ? line.substr(std::min(hash + 2, line.size())) : line;
    const bool prose = comment && hash == 0 && !inside.empty() && inside[0] >= 'A' && inside[0] <= 'Z';
    if (!in_prose && !prose) active += (comment ? line.substr(0, hash) + inside : line) + "\n";
  }
  const Loaded loaded = testing::load(active, [] {
    World world;
    world.variables["ODDS_TOKEN"] = "t";
    return world;
  }());
  EXPECT_EQ(testing::lines(loaded.errors), std::vector<std::string>{}) << active;
  EXPECT_EQ(loaded.config.upstreams.size(), 4U);
  EXPECT_EQ(loaded.config.relays.size(), 3U);
  EXPECT_EQ(loaded.config.sinks.size(), 2U);
}

TEST(Examples, Demo) {
  const Loaded demo = clean(shipped("demo.yaml"), demo_world());
  EXPECT_EQ(demo.config.listen[0].port, 5580);
  EXPECT_EQ(demo.config.upstreams.size(), 3U);
  EXPECT_EQ(demo.config.journal.path, "/tmp/bridge55-demo/journal.db");
}

TEST(Examples, DemoOnAnotherPort) {
  World world = demo_world();
  world.variables["BRIDGE55_PORT"] = "5599";
  EXPECT_EQ(clean(shipped("demo.yaml"), world).config.listen[0].port, 5599);
}

TEST(Examples, RabbitMq) {
  const Loaded rabbit = clean(shipped("rabbitmq.yaml"), demo_world());
  ASSERT_EQ(rabbit.config.sinks.size(), 2U);
  EXPECT_EQ(rabbit.config.sinks[1].queues.size(), 3U);
}

TEST(Examples, Vendor) {
  EXPECT_EQ(clean(shipped("vendor.yaml"), World{}).config.upstreams.size(), 2U);
}

TEST(Examples, TheContractsWholeExample) {
  const Loaded contract = clean(text_of(BRIDGE55_CONFIG_TESTS "/contract_example.yaml"), World{});
  EXPECT_EQ(contract.config.listen.size(), 2U);
  EXPECT_EQ(contract.config.upstreams.size(), 3U);
  EXPECT_EQ(contract.config.upstreams[1].api_key.reveal(), "5b1f2c3d-0000-4000-8000-000000000055");
  EXPECT_EQ(contract.config.relays.size(), 3U);
  EXPECT_EQ(contract.config.relays[1].password.reveal(), "partner");
  EXPECT_EQ(contract.config.sinks.size(), 2U);
  EXPECT_EQ(contract.config.routes->size(), 2U);
  EXPECT_EQ(contract.config.clients->size(), 2U);
}

}  // namespace
}  // namespace bridge55::config
