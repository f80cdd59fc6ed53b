// How a tunnel ends.
#include "daemon/net/edges.hpp"
#include "daemon/net/ws_frames.hpp"
#include "daemon/net/ws_tracker.hpp"
#include "tests/unit/net/run.hpp"
#include "tests/unit/relay/ends.hpp"
#include "tests/unit/relay/frames.hpp"

#include <optional>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace bridge55::test {
namespace {

namespace asio = boost::asio;
using std::chrono::seconds;

class TunnelEnd : public testing::TestWithParam<Wire> {};

std::string close_to_app(unsigned code, std::string_view reason) {
  return far_frame(close_payload(code, reason), 8);
}

// Ours to the far side is masked with a key of its own: what it says is read from it.
struct Heard {
  bool masked = false;
  std::uint16_t code = 0;
  std::string reason;
};

Heard masked_close(std::string_view frame) {
  Heard heard;
  if (frame.size() < 6 || static_cast<unsigned char>(frame[0]) != 0x88) return heard;
  heard.masked = (frame[1] & 0x80) != 0;
  ws::WsTracker tracker(ws::WsTracker::Expects::masked);
  tracker.walk(frame);
  heard.code = tracker.close_code();
  for (std::size_t i = 8; i < frame.size(); ++i)
    heard.reason += static_cast<char>(frame[i] ^ frame[2 + ((i - 6) & 3)]);
  return heard;
}

bool is_cut(const Peer& peer) {
  return peer.ended == asio::error::connection_reset || peer.ended == net::Error::truncated;
}

TEST_P(TunnelEnd, ACloseFrameAndItsAnswerPassAndThenTheEndIsHandedOn) {
  Joined joined(GetParam());
  const std::string close = app_frame(close_payload(4999, "enough"), 8);
  const std::string answer = close_to_app(4999, "enough");
  joined.app.say(close);
  ASSERT_TRUE(joined.until([&] { return joined.far.heard == close; }));
  EXPECT_FALSE(joined.far.ended);
  joined.far.say(answer);
  ASSERT_TRUE(joined.until([&] { return joined.app.heard == answer; }));
  joined.far.stream.close();
  ASSERT_TRUE(joined.until([&] { return static_cast<bool>(joined.app.ended); }));
  EXPECT_EQ(joined.app.ended, asio::error::eof);
  EXPECT_EQ(joined.app.heard, answer);
  joined.app.stream.close();
  ASSERT_TRUE(joined.until([&] { return joined.end.has_value(); }));
  EXPECT_EQ(joined.end->from_app, 4999);
  EXPECT_EQ(joined.end->from_far, 4999);
  EXPECT_EQ(joined.end->why, "the app closed it");
  EXPECT_EQ(joined.end->app_bytes, close.size());
  EXPECT_EQ(joined.end->far_frames, 1u);
  EXPECT_TRUE(joined.until([&] { return joined.tunnel.expired(); }));
}

TEST_P(TunnelEnd, TheFarSidesCloseFrameIsNotFollowedByOneOfOurs) {
  Joined joined(GetParam());
  joined.far.say(close_to_app(1011, "target gone"));
  ASSERT_TRUE(joined.until([&] { return !joined.app.heard.empty(); }));
  joined.far.stream.close();
  ASSERT_TRUE(joined.until([&] { return static_cast<bool>(joined.app.ended); }));
  EXPECT_EQ(joined.app.heard, close_to_app(1011, "target gone"));
  joined.app.stream.close();
  ASSERT_TRUE(joined.until([&] { return joined.end.has_value(); }));
  EXPECT_EQ(joined.end->from_far, 1011);
  EXPECT_EQ(joined.end->why, "the far side closed it");
}

TEST_P(TunnelEnd, AnAppThatLeavesAfterTheFarSidesCloseFrameIsHandedOnAsItIs) {
  Joined joined(GetParam());
  joined.far.say(close_to_app(1000, ""));
  ASSERT_TRUE(joined.until([&] { return !joined.app.heard.empty(); }));
  joined.app.stream.close();
  ASSERT_TRUE(joined.until([&] { return static_cast<bool>(joined.far.ended); }));
  EXPECT_EQ(joined.far.heard, "");
}

TEST_P(TunnelEnd, AFarSideThatGoesBetweenFramesIsToldToTheAppWith1011) {
  Joined joined(GetParam());
  joined.far.say(far_frame("last"));
  ASSERT_TRUE(joined.until([&] { return !joined.app.heard.empty(); }));
  joined.far.stream.close();
  const std::string told = far_frame("last") + close_to_app(1011, "the relay's far side is gone");
  ASSERT_TRUE(joined.until([&] { return joined.app.heard.size() >= told.size(); }));
  EXPECT_EQ(joined.app.heard, told);
  joined.turns(50);
  EXPECT_FALSE(joined.app.ended) << "the app is given the time to answer";
  joined.app.say(app_frame(close_payload(1011), 8));
  ASSERT_TRUE(joined.until([&] { return static_cast<bool>(joined.app.ended); }));
  EXPECT_EQ(joined.app.ended, asio::error::eof);
  joined.app.stream.close();
  ASSERT_TRUE(joined.until([&] { return joined.end.has_value(); }));
  EXPECT_TRUE(joined.end->why.starts_with("the far side is gone")) << joined.end->why;
}

TEST_P(TunnelEnd, AFarSideThatIsKilledIsToldToTheAppWith1011) {
  Joined joined(GetParam());
  joined.far.stream.reset();
  const std::string told = close_to_app(1011, "the relay's far side is gone");
  ASSERT_TRUE(joined.until([&] { return joined.app.heard == told; }));
}

TEST_P(TunnelEnd, BetweenFragmentsIsBetweenFrames) {
  Joined joined(GetParam());
  joined.far.say(far_frame("a message that never", 1, false));
  ASSERT_TRUE(joined.until([&] { return !joined.app.heard.empty(); }));
  joined.far.stream.close();
  const std::string told =
      far_frame("a message that never", 1, false) + close_to_app(1011, "the relay's far side is gone");
  ASSERT_TRUE(joined.until([&] { return joined.app.heard == told; }));
}

TEST_P(TunnelEnd, AnAppThatGoesBetweenFramesIsToldToTheFarSideWith1001Masked) {
  for (const bool killed : {false, true}) {
    Joined joined(GetParam());
    joined.app.say(app_frame("last"));
    ASSERT_TRUE(joined.until([&] { return !joined.far.heard.empty(); }));
    killed ? joined.app.stream.reset() : joined.app.stream.close();
    const std::size_t head = app_frame("last").size();
    ASSERT_TRUE(joined.until([&] { return joined.far.heard.size() > head + 8; }));
    const Heard told = masked_close(std::string_view(joined.far.heard).substr(head));
    EXPECT_TRUE(told.masked);
    EXPECT_EQ(told.code, 1001);
    EXPECT_EQ(told.reason, "the relay's app is gone");
    joined.far.say(close_to_app(1001, ""));
    ASSERT_TRUE(joined.until([&] { return static_cast<bool>(joined.far.ended); }));
    joined.far.stream.close();
    ASSERT_TRUE(joined.until([&] { return joined.end.has_value(); }));
  }
}

TEST_P(TunnelEnd, InTheMiddleOfAFrameTheOtherIsCut) {
  for (const std::size_t kept : {1u, 2u, 3u, 100u}) {
    Joined joined(GetParam());
    const std::string whole = far_frame("whole"), half = far_frame(std::string(200, 'x')).substr(0, kept);
    joined.far.say(whole + half);
    ASSERT_TRUE(joined.until([&] { return joined.app.heard == whole + half; }));
    joined.far.stream.close();
    ASSERT_TRUE(joined.until([&] { return static_cast<bool>(joined.app.ended); }));
    EXPECT_EQ(joined.app.heard, whole + half) << "no frame of ours inside of another";
    EXPECT_TRUE(GetParam() == Wire::pair || is_cut(joined.app)) << joined.app.ended.message();
    ASSERT_TRUE(joined.until([&] { return joined.end.has_value(); }));
    EXPECT_TRUE(joined.end->why.starts_with("the far side is gone in the middle of a frame"));
  }
}

TEST_P(TunnelEnd, AnAppThatGoesInTheMiddleOfAFrameCutsTheFarSide) {
  Joined joined(GetParam());
  const std::string half = app_frame(std::string(200, 'x')).substr(0, 150);
  joined.app.say(half);
  ASSERT_TRUE(joined.until([&] { return joined.far.heard == half; }));
  joined.app.stream.close();
  ASSERT_TRUE(joined.until([&] { return static_cast<bool>(joined.far.ended); }));
  EXPECT_EQ(joined.far.heard, half);
  EXPECT_TRUE(GetParam() == Wire::pair || is_cut(joined.far)) << joined.far.ended.message();
}

TEST_P(TunnelEnd, WholeFramesBeforeAHalfOneStillArrive) {
  Joined joined(GetParam());
  std::string all;
  for (int i = 0; i < 4000; ++i)
    all += far_frame(std::string(1000, 'x'));
  all += far_frame("half").substr(0, 3);
  joined.app.reads = false;
  joined.far.say(all);
  ASSERT_TRUE(joined.until([&] { return joined.far.said > 0; }));
  joined.turns(100);
  joined.app.reads = true;
  ASSERT_TRUE(joined.until([&] { return joined.far.has_said_all(); }));
  joined.far.stream.close();
  ASSERT_TRUE(joined.until([&] { return static_cast<bool>(joined.app.ended); }));
  EXPECT_EQ(joined.app.heard.size(), all.size());
}

TEST_P(TunnelEnd, ADrainSaysItsCloseFrameToBothSidesAndWaitsForTheirAnswers) {
  Joined joined(GetParam());
  joined.app.say(app_frame("a"));
  joined.far.say(far_frame("f"));
  ASSERT_TRUE(joined.until([&] { return !joined.app.heard.empty() && !joined.far.heard.empty(); }));
  joined.tunnel.lock()->close(1001, "shutting down", SteadyClock::now() + seconds(15));
  const std::string told = far_frame("f") + close_to_app(1001, "shutting down");
  ASSERT_TRUE(joined.until([&] { return joined.app.heard.size() >= told.size(); }));
  EXPECT_EQ(joined.app.heard, told);
  const std::size_t head = app_frame("a").size();
  ASSERT_TRUE(joined.until([&] { return joined.far.heard.size() >= head + 8 + 13; }));
  const Heard heard = masked_close(std::string_view(joined.far.heard).substr(head));
  EXPECT_TRUE(heard.masked);
  EXPECT_EQ(heard.code, 1001);
  EXPECT_EQ(heard.reason, "shutting down");
  joined.app.say(app_frame("too late") + app_frame(close_payload(1001), 8));
  joined.far.say(far_frame("too late") + close_to_app(1001, ""));
  ASSERT_TRUE(joined.until([&] { return joined.app.ended && joined.far.ended; }));
  EXPECT_EQ(joined.app.heard, told) << "nothing follows a close frame";
  EXPECT_EQ(joined.app.ended, asio::error::eof);
  EXPECT_EQ(joined.far.ended, asio::error::eof);
  joined.app.stream.close();
  joined.far.stream.close();
  ASSERT_TRUE(joined.until([&] { return joined.end.has_value(); }));
  EXPECT_EQ(joined.end->why, "closed here with 1001: shutting down");
}

TEST_P(TunnelEnd, ADrainWaitsForTheEndOfTheFrameUnderWay) {
  Joined joined(GetParam());
  const std::string frame = far_frame(std::string(300, 'x'));
  joined.far.say(frame.substr(0, 100));
  ASSERT_TRUE(joined.until([&] { return joined.app.heard.size() == 100; }));
  joined.tunnel.lock()->close(1001, "shutting down", SteadyClock::now() + seconds(15));
  ASSERT_TRUE(joined.until([&] { return !joined.far.heard.empty(); }));
  EXPECT_EQ(joined.app.heard.size(), 100u);
  joined.far.say(frame.substr(100) + far_frame("this comes too late"));
  const std::string told = frame + close_to_app(1001, "shutting down");
  ASSERT_TRUE(joined.until([&] { return joined.app.heard.size() >= told.size(); }));
  joined.turns(50);
  EXPECT_EQ(joined.app.heard, told);
}

TEST_P(TunnelEnd, ADrainCutsAFrameThatDoesNotEndByTheDeadline) {
  Joined joined(GetParam());
  const std::string half = far_frame(std::string(300, 'x')).substr(0, 100);
  joined.far.say(half);
  ASSERT_TRUE(joined.until([&] { return joined.app.heard == half; }));
  joined.tunnel.lock()->close(1001, "shutting down", SteadyClock::now() + std::chrono::milliseconds(100));
  ASSERT_TRUE(joined.until([&] { return joined.app.ended && joined.far.ended && joined.end; }));
  EXPECT_EQ(joined.app.heard, half);
  EXPECT_TRUE(GetParam() == Wire::pair || is_cut(joined.app)) << joined.app.ended.message();
  EXPECT_EQ(masked_close(joined.far.heard).code, 1001);
  EXPECT_EQ(joined.end->why, "closed here with 1001: shutting down; not over in time");
}

TEST_P(TunnelEnd, ADrainLeavesACloseFrameOfTheirOwnAlone) {
  Joined joined(GetParam());
  const std::string close = close_to_app(4000, "mine");
  joined.far.say(close.substr(0, 3));
  ASSERT_TRUE(joined.until([&] { return joined.app.heard.size() == 3; }));
  joined.tunnel.lock()->close(1001, "shutting down", SteadyClock::now() + seconds(15));
  joined.far.say(close.substr(3));
  ASSERT_TRUE(joined.until([&] { return joined.app.heard == close; }));
}

TEST_P(TunnelEnd, ADrainOfPeersThatDoNotReadEndsAtItsDeadline) {
  Joined joined(GetParam());
  joined.app.reads = false;
  joined.far.say(far_frame(std::string(48u << 20, 'x')));
  ASSERT_TRUE(joined.until([&] { return joined.far.said > 0; }));
  joined.turns(500);
  joined.tunnel.lock()->close(1001, "shutting down", SteadyClock::now() + std::chrono::milliseconds(50));
  ASSERT_TRUE(joined.until([&] { return joined.end.has_value(); }));
  EXPECT_TRUE(joined.until([&] { return joined.tunnel.expired(); }));
}

TEST_P(TunnelEnd, StoppingIsAtOnceAndTellsNobody) {
  Joined joined(GetParam());
  joined.tunnel.lock()->stop();
  ASSERT_TRUE(joined.until([&] { return joined.app.ended && joined.far.ended; }));
  EXPECT_EQ(joined.app.heard + joined.far.heard, "");
  EXPECT_FALSE(joined.end);
  EXPECT_TRUE(joined.tunnel.expired());
}

TEST_P(TunnelEnd, TheEndIsToldOnceAndTheTunnelIsGoneThen) {
  Joined joined(GetParam());
  joined.far.stream.reset();
  joined.app.stream.reset();
  ASSERT_TRUE(joined.until([&] { return joined.end.has_value(); }));
  joined.end.reset();
  joined.turns(100);
  EXPECT_FALSE(joined.end);
  EXPECT_TRUE(joined.tunnel.expired());
}

TEST_P(TunnelEnd, ALoopThatIsDestroyedTakesItsTunnelsWithIt) {
  std::weak_ptr<local::Tunnel> tunnel;
  {
    Joined joined(GetParam());
    joined.turns(5);
    tunnel = std::exchange(joined.tunnel, {});  // else it would be stopped
    EXPECT_FALSE(tunnel.expired());
  }
  EXPECT_TRUE(tunnel.expired());
}

TEST_P(TunnelEnd, WhatBrokeTheProtocolIsInTheAccount) {
  Joined joined(GetParam());
  joined.app.say(far_frame("not masked"));
  ASSERT_TRUE(joined.until([&] { return joined.far.heard == far_frame("not masked"); }));
  joined.app.stream.close();
  joined.far.stream.close();
  ASSERT_TRUE(joined.until([&] { return joined.end.has_value(); }));
  EXPECT_EQ(joined.end->app_fault, "a frame from the client is not masked");
  EXPECT_EQ(joined.end->far_fault, "");
}

TEST_P(TunnelEnd, AHalfClosedAppStillHearsTheAnswerToWhatItSaid) {
  Joined joined(GetParam());
  joined.app.say(app_frame(close_payload(1000), 8));
  joined.turns(5);
  joined.app.stream.end_writing();
  ASSERT_TRUE(joined.until([&] { return static_cast<bool>(joined.far.ended); }));
  EXPECT_EQ(joined.far.ended, asio::error::eof);
  joined.far.say(far_frame("still here") + close_to_app(1000, ""));
  ASSERT_TRUE(
      joined.until([&] { return joined.app.heard == far_frame("still here") + close_to_app(1000, ""); }));
}

TEST_P(TunnelEnd, PeersThatHaveSaidTheirCloseFramesAndKeepTheirSocketsAreGivenTheEnd) {
  for (const bool app_first : {true, false}) {
    Joined joined(GetParam());
    const std::string from_app = app_frame("a") + app_frame(close_payload(1000), 8);
    const std::string from_far = far_frame("f") + close_to_app(1000, "");
    (app_first ? joined.app : joined.far).say(app_first ? from_app : from_far);
    ASSERT_TRUE(joined.until([&] { return !(app_first ? joined.far : joined.app).heard.empty(); }));
    (app_first ? joined.far : joined.app).say(app_first ? from_far : from_app);
    ASSERT_TRUE(joined.until([&] { return joined.end && joined.app.ended && joined.far.ended; }));
    EXPECT_EQ(joined.app.ended, asio::error::eof);
    EXPECT_EQ(joined.far.ended, asio::error::eof);
    EXPECT_EQ(joined.app.heard, from_far);
    EXPECT_EQ(joined.far.heard, from_app);
    EXPECT_EQ(joined.end->why, app_first ? "the app closed it" : "the far side closed it");
  }
}

TEST_P(TunnelEnd, ADrainIsOverWhenBothHaveAnsweredThoughTheyKeepTheirSockets) {
  Joined joined(GetParam());
  joined.tunnel.lock()->close(1001, "shutting down", SteadyClock::now() + seconds(15));
  ASSERT_TRUE(joined.until([&] { return !joined.app.heard.empty() && !joined.far.heard.empty(); }));
  joined.app.say(app_frame(close_payload(1001), 8));
  joined.far.say(close_to_app(1001, ""));
  ASSERT_TRUE(joined.until([&] { return joined.end && joined.app.ended && joined.far.ended; }));
  EXPECT_EQ(joined.app.ended, asio::error::eof);
  EXPECT_EQ(joined.far.ended, asio::error::eof);
  EXPECT_EQ(joined.end->why, "closed here with 1001: shutting down");
}

TEST_P(TunnelEnd, AnAppThatIsGoneDoesNotKeepAFarSideThatHasAnsweredAndDoesNotClose) {
  Joined joined(GetParam());
  joined.app.stream.close();
  ASSERT_TRUE(joined.until([&] { return !joined.far.heard.empty(); }));
  joined.far.say(close_to_app(1001, ""));
  ASSERT_TRUE(joined.until([&] { return joined.end && joined.far.ended; }));
  EXPECT_EQ(joined.far.ended, asio::error::eof);
  EXPECT_EQ(joined.end->why, "the app is gone");
}

// Bytes for a closed socket would be answered with RST, and what the kernel still has for the app would be
// gone.
TEST_P(TunnelEnd, AnAppThatReadsLaterThanTheEndStillHearsAll) {
  Joined joined(GetParam(), {}, {}, Buffers::small);
  // More than the app's own kernel takes unread, and less than both sides' do.
  const std::size_t size = kernel_holds(GetParam(), Buffers::small) / 4 * 3;
  const std::string said = far_frame(std::string(size, 'x')) + close_to_app(1000, "");
  joined.app.reads = false;
  joined.app.say(app_frame(close_payload(1000), 8));
  joined.far.say(said);
  ASSERT_TRUE(joined.until([&] { return static_cast<bool>(joined.far.ended); }));
  const SteadyTime later = SteadyClock::now() + std::chrono::milliseconds(1500);
  ASSERT_TRUE(joined.until([&] { return SteadyClock::now() > later; }));
  joined.app.say(app_frame("what nobody may say any more"));
  joined.turns(20);
  joined.app.reads = true;
  ASSERT_TRUE(joined.until([&] { return joined.app.ended && joined.end; }));
  EXPECT_EQ(joined.app.heard.size(), said.size());
  EXPECT_TRUE(joined.app.heard == said);
  EXPECT_EQ(joined.app.ended, asio::error::eof);
}

class Deaf final : public net::EdgeWaiter {
  void edge(int, net::Edges) override {}
};

// The second registration of a descriptor fails as one does for want of memory.
TEST(TunnelEdges, ASocketWhoseReadinessTheKernelDoesNotTellIsASideThatIsGone) {
  asio::io_context io;
  Pair near = make_pair(io), beyond = make_pair(io);
  net::EdgePoller& poller = net::edges_of(io);
  const net::EdgePlace taken = poller.add(near.b.descriptor(), std::make_shared<Deaf>(), 0);
  Peer far(std::move(beyond.b));
  std::optional<local::TunnelEnd> end;
  std::make_shared<local::Tunnel>(io, local::Tunnel::Setup{std::move(near.b),
                                                           std::move(beyond.a),
                                                           {},
                                                           {},
                                                           nullptr,
                                                           [&](const local::TunnelEnd& how) { end = how; }})
      ->start();
  const SteadyTime limit = SteadyClock::now() + seconds(20);
  while (!end && SteadyClock::now() < limit) {
    io.run_one_for(std::chrono::milliseconds(1));
    far.work();
    if (!far.heard.empty() && far.to_say.empty()) far.say(close_to_app(1001, ""));
  }
  poller.remove(taken);
  ASSERT_TRUE(end);
  EXPECT_TRUE(end->why.starts_with("the app is gone")) << end->why;
  EXPECT_EQ(masked_close(far.heard).code, 1001);
}

INSTANTIATE_TEST_SUITE_P(Over, TunnelEnd, testing::Values(Wire::pair, Wire::tcp, Wire::tls),
                         [](const auto& wire) {
                           return wire.param == Wire::pair ? "Pair" : wire.param == Wire::tcp ? "Tcp" : "Tls";
                         });

}  // namespace
}  // namespace bridge55::test
