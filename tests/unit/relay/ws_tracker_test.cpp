#include "daemon/net/ws_tracker.hpp"

#include "tests/unit/relay/frames.hpp"

#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace bridge55::test {
namespace {

using ws::WsTracker;

// What a tracker says after some bytes, worked out a byte at a time and without any state but the bytes
// themselves.
struct Said {
  bool between = true, close_begun = false, close_passed = false, lost = false;
  std::uint16_t code = 0;
  std::uint64_t frames = 0;
  bool operator==(const Said&) const = default;
};

Said said_by(const WsTracker& tracker) {
  return {tracker.between_frames(), tracker.close_begun(), tracker.close_passed(),
          tracker.lost(),           tracker.close_code(),  tracker.frames()};
}

std::ostream& operator<<(std::ostream& out, const Said& said) {
  return out << "between " << said.between << " begun " << said.close_begun << " passed " << said.close_passed
             << " lost " << said.lost << " code " << said.code << " frames " << said.frames;
}

Said reference(std::string_view stream) {
  Said said;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(stream[i]); };
  std::size_t at = 0;
  while (at < stream.size()) {
    said.between = false;
    if (stream.size() - at < 2) return said;
    const unsigned opcode = byte(at) & 15, length = byte(at + 1) & 127;
    const bool masked = (byte(at + 1) & 128) != 0;
    const std::size_t extra = length == 127 ? 8 : length == 126 ? 2 : 0;
    const std::size_t head = 2 + extra + (masked ? 4 : 0);
    if (stream.size() - at < head) return said;
    std::uint64_t size = extra == 0 ? length : 0;
    for (std::size_t i = 0; i < extra; ++i)
      size = size * 256 + byte(at + 2 + i);
    if (size >= std::uint64_t{1} << 63) {
      said.lost = true;
      return said;
    }
    if (opcode == 8) said.close_begun = true;
    if (stream.size() - at - head < size) return said;
    if (opcode == 8 && !said.close_passed) {
      said.close_passed = true;
      const auto plain = [&](std::size_t i) -> unsigned {
        return byte(at + head + i) ^ (masked ? byte(at + head - 4 + (i & 3)) : 0);
      };
      said.code = size < 2 ? 1005 : static_cast<std::uint16_t>(plain(0) * 256 + plain(1));
    }
    ++said.frames;
    said.between = true;
    at += head + static_cast<std::size_t>(size);
  }
  return said;
}

WsTracker walked(std::string_view stream, WsTracker::Expects expects = WsTracker::Expects::unmasked) {
  WsTracker tracker(expects);
  tracker.walk(stream);
  return tracker;
}

void expect_same_in_every_split(std::string_view stream) {
  for (std::size_t first = 0; first <= stream.size(); ++first) {
    WsTracker tracker(WsTracker::Expects::unmasked);
    tracker.walk(stream.substr(0, first));
    ASSERT_EQ(said_by(tracker), reference(stream.substr(0, first))) << "after " << first;
    tracker.walk(stream.substr(first));
    ASSERT_EQ(said_by(tracker), reference(stream)) << "split at " << first;
  }
  WsTracker bytewise(WsTracker::Expects::unmasked);
  for (std::size_t i = 0; i < stream.size(); ++i) {
    bytewise.walk(stream.substr(i, 1));
    ASSERT_EQ(said_by(bytewise), reference(stream.substr(0, i + 1))) << "byte " << i;
  }
}

TEST(WsTracker, EveryLengthFormMaskedAndNotIsWalkedInEverySplit) {
  for (const bool masked : {false, true}) {
    for (const unsigned form : {0u, 2u, 8u}) {
      for (const std::size_t size : {0u, 1u, 2u, 125u, 126u, 127u, 300u}) {
        if (form == 0 || size <= 300) {
          const std::string one = frame_of({.masked = masked, .length_bytes = form}, std::string(size, 'x'));
          expect_same_in_every_split(one + one);
        }
      }
    }
  }
}

TEST(WsTracker, LargeFramesEndWhereTheirLengthSays) {
  for (const std::size_t size : {65535u, 65536u, 1u << 20}) {
    const std::string one = frame_of({.masked = true}, std::string(size, 'x'));
    WsTracker tracker(WsTracker::Expects::masked);
    tracker.walk(std::string_view(one).substr(0, one.size() - 1));
    EXPECT_FALSE(tracker.between_frames());
    EXPECT_EQ(tracker.frames(), 0u);
    tracker.walk(std::string_view(one).substr(one.size() - 1));
    EXPECT_TRUE(tracker.between_frames());
    EXPECT_EQ(tracker.frames(), 1u);
    EXPECT_EQ(tracker.fault(), "");
  }
}

TEST(WsTracker, FragmentsWithControlFramesBetweenThemAreOneMessage) {
  const std::string stream = far_frame("one", 1, false) + far_frame("ping", 9) + far_frame("", 0, false) +
                             far_frame("pong", 10) + far_frame("end", 0, true);
  expect_same_in_every_split(stream);
  EXPECT_EQ(walked(stream).fault(), "");
  const WsTracker inside = walked(far_frame("one", 1, false) + far_frame("ping", 9));
  EXPECT_TRUE(inside.between_frames());  // a close frame may stand here (RFC 6455, 5.4)
}

TEST(WsTracker, TheCodeOfACloseFrameIsReadThroughItsMask) {
  for (const bool masked : {false, true}) {
    for (const unsigned code : {1000u, 1001u, 1008u, 1011u, 3000u, 4999u}) {
      const Shape shape{.opcode = 8, .masked = masked};
      const std::string stream = app_frame("x") + frame_of(shape, close_payload(code, "because"));
      expect_same_in_every_split(stream);
      EXPECT_EQ(walked(stream).close_code(), code);
    }
    EXPECT_EQ(walked(frame_of({.opcode = 8, .masked = masked}, "")).close_code(), 1005);
  }
}

TEST(WsTracker, ACloseFrameHasBegunBeforeItHasPassed) {
  const std::string close = far_frame(close_payload(1000, "bye"), 8);
  const WsTracker tracker = walked(std::string_view(close).substr(0, 2));
  EXPECT_TRUE(tracker.close_begun());
  EXPECT_FALSE(tracker.close_passed());
  EXPECT_FALSE(tracker.between_frames());
}

TEST(WsTracker, TheFirstCloseCodeStays) {
  EXPECT_EQ(walked(far_frame(close_payload(1001), 8) + far_frame(close_payload(4000), 8)).close_code(), 1001);
}

TEST(WsTracker, BreaksOfTheRulesAreNoticedAndWalkedOver) {
  struct Case {
    Shape shape;
    std::size_t size;
    const char* fault;
  };
  const Case cases[] = {
      {{.reserved = 4}, 3, "a reserved bit is set without an extension"},
      {{.reserved = 1}, 3, "a reserved bit is set without an extension"},
      {{.opcode = 3}, 3, "an unknown opcode"},
      {{.opcode = 7}, 3, "an unknown opcode"},
      {{.opcode = 11}, 3, "an unknown control opcode"},
      {{.opcode = 15}, 3, "an unknown control opcode"},
      {{.opcode = 9, .fin = false}, 3, "a control frame is fragmented"},
      {{.opcode = 9}, 126, "a control frame is longer than 125 bytes"},
      {{.opcode = 8}, 1000, "a control frame is longer than 125 bytes"},
      {{.opcode = 8}, 1, "a close frame holds half a code"},
      {{.opcode = 0}, 3, "a continuation of nothing"},
      {{.masked = true}, 3, "a frame from the server is masked"},
      {{.length_bytes = 2}, 125, "a length is longer written than it needs"},
      {{.length_bytes = 8}, 125, "a length is longer written than it needs"},
      {{.length_bytes = 8}, 65535, "a length is longer written than it needs"},
  };
  for (const Case& one : cases) {
    const std::string stream = frame_of(one.shape, std::string(one.size, 'x'));
    const WsTracker tracker = walked(stream + far_frame("next"));
    EXPECT_TRUE(tracker.fault().starts_with(one.fault)) << tracker.fault() << ", not " << one.fault;
    EXPECT_TRUE(tracker.between_frames()) << one.fault;
    EXPECT_EQ(tracker.frames(), 2u) << one.fault;
    if (stream.size() < 2000) expect_same_in_every_split(stream + far_frame("next"));
  }
}

TEST(WsTracker, AClientThatDoesNotMaskAndAMessageInsideAnotherAreNoticed) {
  EXPECT_EQ(walked(far_frame("x"), WsTracker::Expects::masked).fault(),
            "a frame from the client is not masked");
  EXPECT_EQ(walked(far_frame("x", 1, false) + far_frame("y", 2)).fault(),
            "a message begins inside another one's fragments");
  EXPECT_EQ(walked(far_frame(close_payload(1000), 8) + far_frame("y")).fault(),
            "a frame follows the close frame");
}

TEST(WsTracker, ALengthWithItsTopBitSetEndsTheTracking) {
  std::string stream{'\x82', '\x7F', '\x80'};
  stream.append(7, '\0').append("whatever comes here is no header");
  expect_same_in_every_split(stream);
  WsTracker tracker = walked(stream);
  EXPECT_TRUE(tracker.lost());
  EXPECT_FALSE(tracker.between_frames());
  EXPECT_EQ(tracker.fault(), "a length has its top bit set");
  EXPECT_EQ(tracker.walk_to_boundary("abc"), 3u);
}

TEST(WsTracker, TheLargestLengthIsWalkedWithoutOverflow) {
  std::string stream{'\x82', '\x7F', '\x7F'};
  stream.append(7, '\xFF').append(1000, 'x');
  const WsTracker tracker = walked(stream);
  EXPECT_FALSE(tracker.lost());
  EXPECT_FALSE(tracker.between_frames());
}

TEST(WsTracker, ItStopsAtTheBoundaryOfTheFrameUnderWay) {
  const std::string one = far_frame("first"), two = far_frame("second");
  for (std::size_t first = 1; first < one.size(); ++first) {
    WsTracker tracker = walked(std::string_view(one).substr(0, first));
    EXPECT_EQ(tracker.walk_to_boundary((one + two).substr(first)), one.size() - first);
    EXPECT_TRUE(tracker.between_frames());
    EXPECT_EQ(tracker.walk_to_boundary(two), 0u);
  }
}

// Every kind of frame, right or wrong, in pieces of every size.
std::string random_stream(std::mt19937& random) {
  const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  std::string stream;
  for (unsigned i = below(12); i-- > 0;) {
    const std::size_t size = below(3) == 0 ? below(70000) : below(3) == 0 ? below(300) : below(20);
    Shape shape{.opcode = below(4) == 0 ? below(16) : below(3),
                .fin = below(3) != 0,
                .masked = below(2) == 0,
                .reserved = below(10) == 0 ? below(8) : 0,
                .length_bytes = size > 65535    ? 8u
                                : below(5) == 0 ? 2u
                                : below(5) == 0 ? 8u
                                                : 0u};
    if (shape.length_bytes == 2 && size > 65535) shape.length_bytes = 8;
    for (auto& byte : shape.key)
      byte = static_cast<unsigned char>(below(256));
    std::string payload(size, '\0');
    for (char& byte : payload)
      byte = static_cast<char>(below(256));
    stream += frame_of(shape, payload);
  }
  if (below(8) == 0) stream.append(std::string{'\x82', '\x7F', '\xFF'}.append(20, 'z'));
  return stream.substr(0, below(4) == 0 ? below(static_cast<unsigned>(stream.size()) + 1) : stream.size());
}

TEST(WsTracker, RandomStreamsInRandomPiecesAgreeWithTheReference) {
  std::mt19937 random(55);
  for (int round = 0; round < 1500; ++round) {
    const std::string stream = random_stream(random);
    WsTracker tracker(WsTracker::Expects::unmasked);
    std::string_view rest = stream;
    const unsigned largest = random() % 2 == 0 ? 7 : 9000;
    while (!rest.empty()) {
      const std::size_t size = std::min<std::size_t>(rest.size(), 1 + random() % largest);
      if (random() % 3 == 0) {
        const std::size_t taken = tracker.walk_to_boundary(rest.substr(0, size));
        tracker.walk(rest.substr(taken, size - taken));
      } else {
        tracker.walk(rest.substr(0, size));
      }
      rest.remove_prefix(size);
    }
    ASSERT_EQ(said_by(tracker), reference(stream)) << "round " << round;
  }
}

TEST(WsTracker, PlainNoiseIsWalkedLikeTheReference) {
  std::mt19937 random(56);
  for (int round = 0; round < 3000; ++round) {
    std::string noise(random() % 400, '\0');
    for (char& byte : noise)
      byte = static_cast<char>(random() % 4 == 0 ? random() % 3 : random());
    expect_same_in_every_split(std::string_view(noise).substr(0, round < 200 ? 400 : 40));
  }
}

}  // namespace
}  // namespace bridge55::test
