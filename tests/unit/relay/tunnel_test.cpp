// What passes while both sides are there.
#include "tests/unit/relay/ends.hpp"
#include "tests/unit/relay/frames.hpp"

#include <filesystem>
#include <fstream>
#include <random>

#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

namespace bridge55::test {
namespace {

class Tunnel : public testing::TestWithParam<Wire> {};

std::string random_bytes(std::size_t size, unsigned seed) {
  std::minstd_rand random(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes)
    byte = static_cast<char>(random());
  return bytes;
}

TEST_P(Tunnel, FramesOfEverySizeAndKindPassUntouchedInBothDirections) {
  Joined joined(GetParam());
  std::string from_app, from_far;
  for (const std::size_t size : {0u, 1u, 125u, 126u, 65535u, 65536u, 10u << 20}) {
    const std::string payload = random_bytes(size, static_cast<unsigned>(size));
    from_app +=
        app_frame(payload, 1) + app_frame("part", 2, false) + app_frame("ping", 9) + app_frame(payload, 0);
    from_far +=
        far_frame(payload, 2) + far_frame("part", 1, false) + far_frame("pong", 10) + far_frame(payload, 0);
  }
  joined.app.say(from_app);
  joined.far.say(from_far);
  ASSERT_TRUE(joined.until([&] {
    return joined.far.heard.size() >= from_app.size() && joined.app.heard.size() >= from_far.size();
  }));
  EXPECT_TRUE(joined.far.heard == from_app);
  EXPECT_TRUE(joined.app.heard == from_far);
  EXPECT_FALSE(joined.end);
}

TEST_P(Tunnel, WhatCameBehindTheHandshakesGoesFirst) {
  Joined joined(GetParam(), app_frame("early") + app_frame("x").substr(0, 3), far_frame("greeting"));
  joined.app.say(app_frame("x").substr(3));
  ASSERT_TRUE(joined.until([&] { return joined.far.heard.size() >= app_frame("early").size() + 7; }));
  EXPECT_EQ(joined.far.heard, app_frame("early") + app_frame("x"));
  ASSERT_TRUE(joined.until([&] { return joined.app.heard == far_frame("greeting"); }));
}

TEST_P(Tunnel, BytesThatAreNoFramesPassTheSame) {
  Joined joined(GetParam());
  std::string noise{'\x8F', '\x7F', '\xFF'};
  noise += random_bytes(300000, 3);
  joined.app.say(noise);
  joined.far.say(noise);
  ASSERT_TRUE(joined.until(
      [&] { return joined.far.heard.size() >= noise.size() && joined.app.heard.size() >= noise.size(); }));
  EXPECT_TRUE(joined.far.heard == noise);
  EXPECT_TRUE(joined.app.heard == noise);
}

constexpr std::size_t kMayHold = 256u << 10;  // contract, section 5, "Relays"

// How many bytes of what one peer says lie in the two kernel buffers of each socket and in the tunnel.
std::size_t accepted_while_nobody_reads(Joined& joined, Peer& speaker, Peer& listener, std::string_view all) {
  listener.reads = false;
  speaker.say(all);
  std::size_t before = 0;
  for (int quiet = 0; quiet < 20; ++quiet) {
    joined.turns(200);
    if (speaker.said != before) quiet = 0;
    before = speaker.said;
  }
  return speaker.said;
}

TEST_P(Tunnel, ASideThatDoesNotReadStopsTheOtherAndNothingIsLost) {
  const std::string all = far_frame(random_bytes(8u << 20, 7));
  Joined joined(GetParam(), {}, {}, Buffers::small);
  const std::size_t kernel = 2 * kernel_holds(GetParam(), Buffers::small);
  EXPECT_LE(accepted_while_nobody_reads(joined, joined.far, joined.app, all), kernel + kMayHold);
  joined.app.say(app_frame("the other direction goes on"));
  ASSERT_TRUE(joined.until([&] { return joined.far.heard == app_frame("the other direction goes on"); }));
  joined.app.reads = true;
  ASSERT_TRUE(joined.until([&] { return joined.app.heard.size() >= all.size(); }));
  EXPECT_TRUE(joined.app.heard == all);
}

TEST_P(Tunnel, AnAppThatSendsToAFarSideWhichDoesNotReadWaitsToo) {
  const std::string all = app_frame(random_bytes(8u << 20, 8));
  Joined joined(GetParam(), {}, {}, Buffers::small);
  const std::size_t kernel = 2 * kernel_holds(GetParam(), Buffers::small);
  EXPECT_LE(accepted_while_nobody_reads(joined, joined.app, joined.far, all), kernel + kMayHold);
  joined.far.say(far_frame("the other direction goes on"));
  ASSERT_TRUE(joined.until([&] { return joined.app.heard == far_frame("the other direction goes on"); }));
  joined.far.reads = true;
  ASSERT_TRUE(joined.until([&] { return joined.far.heard.size() >= all.size(); }));
  EXPECT_TRUE(joined.far.heard == all);
}

TEST_P(Tunnel, WhileNothingCanMoveTheLoopSleeps) {
  Joined joined(GetParam());
  const std::string all = far_frame(std::string(48u << 20, 'x'));
  accepted_while_nobody_reads(joined, joined.far, joined.app, all);
  joined.io.restart();
  std::size_t handlers = 0;
  while (joined.io.run_one_for(std::chrono::milliseconds(50)) != 0 && handlers < 1000)
    ++handlers;
  EXPECT_LT(handlers, 20u);
}

TEST_P(Tunnel, BothDirectionsAtOnceThroughSmallPieces) {
  Joined joined(GetParam());
  std::mt19937 random(9);
  std::string from_app, from_far;
  for (int i = 0; i < 3000; ++i) {
    from_app += app_frame(std::string(random() % 2000, 'a'));
    from_far += far_frame(std::string(random() % 2000, 'f'));
  }
  std::size_t said_app = 0, said_far = 0;
  ASSERT_TRUE(joined.until([&] {
    const auto piece = [&](Peer& peer, const std::string& all, std::size_t& said) {
      const std::size_t size = std::min<std::size_t>(all.size() - said, random() % 20000);
      peer.say(std::string_view(all).substr(said, size));
      said += size;
    };
    piece(joined.app, from_app, said_app);
    piece(joined.far, from_far, said_far);
    joined.app.reads = random() % 3 == 0 || said_far == from_far.size();
    joined.far.reads = random() % 3 == 0 || said_app == from_app.size();
    return joined.far.heard.size() >= from_app.size() && joined.app.heard.size() >= from_far.size();
  }));
  EXPECT_TRUE(joined.far.heard == from_app);
  EXPECT_TRUE(joined.app.heard == from_far);
}

// Several seconds of work at a time would starve the sessions that share the loop.
TEST_P(Tunnel, OneBusyRelayLeavesTheLoopToOthersAgainAndAgain) {
  Joined joined(GetParam());
  joined.far.say(std::string(8u << 20, '\0'));
  ASSERT_TRUE(joined.until([&] { return joined.app.heard.size() > (1u << 20); }));
  bool other = false;
  joined.far.work();
  boost::asio::post(joined.io, [&] { other = true; });
  std::size_t handlers = 0;
  while (!other && handlers < 50)
    handlers += joined.io.poll_one();
  EXPECT_TRUE(other);
}

// Asio keeps its first timer in a timerfd (proc(5), fdinfo: it_value is what is left of it).
std::size_t armed_timers() {
  std::size_t armed = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
    std::ifstream info(entry.path());
    for (std::string line; std::getline(info, line);)
      armed += line.starts_with("it_value:") && line != "it_value: (0, 0)";
  }
  return armed;
}

// The door's own sockets are pinged every 25 s (contract, section 9); a relay's frames are its peers' alone.
TEST(TunnelPings, WhileNobodySaysAnythingNoTimerIsSetThatCouldSayAPing) {
  Joined joined(Wire::tcp);
  joined.app.say(app_frame("from the app"));
  joined.far.say(far_frame("from the far side"));
  ASSERT_TRUE(joined.until([&] { return !joined.app.heard.empty() && !joined.far.heard.empty(); }));
  joined.turns(10);
  EXPECT_EQ(armed_timers(), 0u);
  joined.tunnel.lock()->close(1001, "shutting down", SteadyClock::now() + std::chrono::seconds(15));
  EXPECT_EQ(armed_timers(), 1u) << "the test does not see the tunnel's timer";
}

INSTANTIATE_TEST_SUITE_P(Over, Tunnel, testing::Values(Wire::pair, Wire::tcp, Wire::tls),
                         [](const auto& wire) {
                           return wire.param == Wire::pair ? "Pair" : wire.param == Wire::tcp ? "Tcp" : "Tls";
                         });

}  // namespace
}  // namespace bridge55::test
