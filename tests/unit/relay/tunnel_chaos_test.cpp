// Peers that do anything at any moment.
#include "daemon/net/ws_tracker.hpp"
#include "tests/unit/relay/ends.hpp"
#include "tests/unit/relay/frames.hpp"

#include <random>

#include <gtest/gtest.h>

namespace bridge55::test {
namespace {

class Chaos {
 public:
  Chaos(Wire wire, unsigned seed) : random_(seed), joined_(wire) {}

  void act() {
    for (unsigned i = 0, steps = below(60); i < steps; ++i) {
      step(joined_.app, said_app_, true);
      step(joined_.far, said_far_, false);
      if (below(80) == 0 && !drained_) drain();
      joined_.turns(static_cast<int>(below(4)));
    }
    joined_.app.reads = joined_.far.reads = true;
    joined_.turns(3);
    leave(joined_.app);
    joined_.turns(static_cast<int>(below(5)));
    leave(joined_.far);
  }

  void check() {
    ASSERT_TRUE(joined_.until([&] { return joined_.tunnel.expired(); })) << "it does not end";
    EXPECT_TRUE(joined_.end.has_value());
    expect_passed(joined_.far.heard, said_app_, ws::WsTracker::Expects::masked);
    expect_passed(joined_.app.heard, said_far_, ws::WsTracker::Expects::unmasked);
  }

 private:
  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }

  void step(Peer& peer, std::string& said, bool masked) {
    peer.reads = below(3) != 0;
    if (!peer.stream.is_open()) return;
    if (below(3) == 0) {
      const Shape shape{.opcode = below(60) == 0 ? 8u : below(3), .fin = below(2) == 0, .masked = masked};
      const std::size_t size = below(5) == 0 ? below(300000) : below(200);
      const std::string frame =
          frame_of(shape, shape.opcode == 8 ? close_payload(1000) : std::string(size, 'x'));
      const std::string piece =
          below(40) == 0 ? frame.substr(0, below(static_cast<unsigned>(frame.size()))) : frame;
      said += piece;
      peer.say(piece);
    }
    if (below(100) == 0) peer.stream.end_writing();
    if (below(100) == 0) leave(peer);
  }

  void leave(Peer& peer) { below(2) == 0 ? peer.stream.close() : peer.stream.reset(); }

  void drain() {
    drained_ = true;
    if (const auto tunnel = joined_.tunnel.lock())
      tunnel->close(1001, "shutting down", SteadyClock::now() + std::chrono::milliseconds(below(300)));
  }

  // What one heard is what the other said, as far as it came, and behind a whole frame one close frame of
  // ours.
  static void expect_passed(std::string_view heard, std::string_view said, ws::WsTracker::Expects frames) {
    std::size_t same = 0;
    while (same < heard.size() && same < said.size() && heard[same] == said[same])
      ++same;
    if (same == heard.size()) return;
    ws::WsTracker tracker(frames);
    std::size_t boundary = 0;
    for (std::size_t i = 0; i < same; ++i) {
      tracker.walk(heard.substr(i, 1));
      if (tracker.between_frames()) boundary = i + 1;
    }
    const std::string_view ours = heard.substr(boundary);
    ws::WsTracker last(frames);
    last.walk(ours);
    EXPECT_TRUE(last.close_passed() && last.frames() == 1 && last.between_frames() && last.fault().empty())
        << "bytes that nobody said, after " << boundary;
    EXPECT_LT(ours.size(), 132u);
  }

  std::minstd_rand random_;
  Joined joined_;
  std::string said_app_, said_far_;
  bool drained_ = false;
};

class TunnelChaos : public testing::TestWithParam<Wire> {};

TEST_P(TunnelChaos, WhateverPeersDoItEndsAndNobodyHearsWhatWasNotSaid) {
  for (unsigned seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE(seed);
    Chaos chaos(GetParam(), seed);
    chaos.act();
    chaos.check();
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Over, TunnelChaos, testing::Values(Wire::pair, Wire::tcp, Wire::tls),
                         [](const auto& wire) {
                           return wire.param == Wire::pair ? "Pair" : wire.param == Wire::tcp ? "Tcp" : "Tls";
                         });

}  // namespace
}  // namespace bridge55::test
