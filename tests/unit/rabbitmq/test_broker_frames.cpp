#include "bridges/rabbitmq/broker_frames.hpp"
#include "bridges/rabbitmq/trouble.hpp"

#include <cstring>
#include <random>
#include <string>

#include <gtest/gtest.h>

namespace bridge55::rabbitmq {
namespace {

using Next = FrameReader::Next;

std::string number(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i)
    out += static_cast<char>(value >> (8 * i) & 0xFF);
  return out;
}

std::string frame(int type, int channel, const std::string& payload, char end = '\xCE') {
  return number(static_cast<std::uint64_t>(type), 1) + number(static_cast<std::uint64_t>(channel), 2) +
         number(payload.size(), 4) + payload + end;
}

std::string method(int class_id, int id, const std::string& arguments) {
  return frame(1, class_id == 10 ? 0 : 1,
               number(static_cast<std::uint64_t>(class_id), 2) + number(static_cast<std::uint64_t>(id), 2) +
                   arguments);
}

std::string ack(std::uint64_t tag, bool multiple, int id = 80) {
  return method(60, id, number(tag, 8) + number(multiple, 1));
}
std::string short_text(const std::string& text) {
  return number(text.size(), 1) + text;
}

void give(FrameReader& reader, std::string_view bytes) {
  const auto space = reader.space();
  ASSERT_GE(space.size(), bytes.size());
  std::memcpy(space.data(), bytes.data(), bytes.size());
  reader.received(bytes.size());
}

BrokerSaid only(const std::string& bytes) {
  FrameReader reader(4096);
  give(reader, bytes);
  BrokerSaid said;
  EXPECT_EQ(reader.next(said), Next::frame);
  static std::string kept[3];  // the views end with the reader
  kept[0] = said.text;
  kept[1] = said.exchange;
  kept[2] = said.routing_key;
  said.text = kept[0];
  said.exchange = kept[1];
  said.routing_key = kept[2];
  return said;
}

TEST(BrokerFrames, AcksAndNacksCarryTagAndMultiple) {
  const BrokerSaid first = only(ack(0x0102030405060708, true));
  EXPECT_EQ(first.what, BrokerFrame::ack);
  EXPECT_EQ(first.tag, 0x0102030405060708u);
  EXPECT_TRUE(first.multiple);
  const BrokerSaid second = only(ack(9, false, 120));
  EXPECT_EQ(second.what, BrokerFrame::nack);
  EXPECT_FALSE(second.multiple);
}

TEST(BrokerFrames, NackBitsOtherThanMultipleAreIgnored) {
  EXPECT_FALSE(only(method(60, 120, number(9, 8) + number(2, 1))).multiple);
  EXPECT_TRUE(only(method(60, 120, number(9, 8) + number(3, 1))).multiple);
}

TEST(BrokerFrames, ReturnedMessageNamesItsExchangeAndKey) {
  const BrokerSaid said =
      only(method(60, 50, number(312, 2) + short_text("NO_ROUTE") + short_text("ex") + short_text("a.b")));
  EXPECT_EQ(said.what, BrokerFrame::returned);
  EXPECT_EQ(said.code, 312);
  EXPECT_EQ(said.text, "NO_ROUTE");
  EXPECT_EQ(said.exchange, "ex");
  EXPECT_EQ(said.routing_key, "a.b");
}

TEST(BrokerFrames, ClosesBlockedAndHeartbeatsAreToldApart) {
  EXPECT_EQ(
      only(method(20, 40, number(404, 2) + short_text("NOT_FOUND") + number(60, 2) + number(40, 2))).what,
      BrokerFrame::channel_close);
  EXPECT_EQ(only(method(10, 50, number(320, 2) + short_text("CONNECTION_FORCED") + number(0, 4))).code, 320);
  EXPECT_EQ(only(method(10, 51, "")).what, BrokerFrame::connection_closed);
  EXPECT_EQ(only(method(10, 60, short_text("low on memory"))).text, "low on memory");
  EXPECT_EQ(only(method(10, 61, "")).what, BrokerFrame::unblocked);
  EXPECT_EQ(only(frame(8, 0, "")).what, BrokerFrame::heartbeat);
  EXPECT_EQ(only(method(60, 30, "whatever")).what, BrokerFrame::other);
  EXPECT_EQ(only(frame(3, 1, "body")).what, BrokerFrame::other);
}

TEST(BrokerFrames, FramesMayComeInAnyPieces) {
  std::string bytes;
  for (std::uint64_t tag = 1; tag <= 200; ++tag)
    bytes += ack(tag, false) + frame(3, 1, std::string(tag * 17, 'b'));
  std::mt19937 random(3);
  for (int round = 0; round < 20; ++round) {
    FrameReader reader(4096);
    std::uint64_t expected = 1;
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t part =
          std::min<std::size_t>(bytes.size() - at, 1 + random() % (round < 5 ? 3 : 5000));
      give(reader, std::string_view(bytes).substr(at, part));
      at += part;
      BrokerSaid said;
      Next next = reader.next(said);
      for (; next == Next::frame; next = reader.next(said)) {
        if (said.what == BrokerFrame::ack) {
          ASSERT_EQ(said.tag, expected++);
        }
      }
      ASSERT_EQ(next, Next::more);
    }
    EXPECT_EQ(expected, 201u);
  }
}

TEST(BrokerFrames, LengthAboveFrameMaxIsMalformedBeforeItsBytesCome) {
  FrameReader reader(4096);
  give(reader, number(3, 1) + number(1, 2) + number(4089, 4));
  BrokerSaid said;
  EXPECT_EQ(reader.next(said), Next::malformed);
  FrameReader exact(4096);
  give(exact, frame(3, 1, std::string(4088, 'x')));
  EXPECT_EQ(exact.next(said), Next::frame);
  FrameReader huge(4096);
  give(huge, number(1, 1) + number(0, 2) + number(0xFFFFFFFF, 4));
  EXPECT_EQ(huge.next(said), Next::malformed);
}

TEST(BrokerFrames, WrongEndTypeOrCutMethodsAreMalformed) {
  const std::string cases[] = {frame(1, 1, number(60, 2) + number(80, 2) + number(1, 8) + number(0, 1), '\0'),
                               frame(4, 1, ""),
                               frame(0, 0, ""),
                               frame(1, 1, number(60, 2)),
                               frame(1, 1, ""),
                               frame(1, 1, number(60, 2) + number(80, 2) + number(1, 7)),
                               method(60, 50, number(312, 2) + number(200, 1) + "short"),
                               method(10, 60, number(5, 1) + "low")};
  for (const std::string& bytes : cases) {
    FrameReader reader(4096);
    give(reader, bytes);
    BrokerSaid said;
    EXPECT_EQ(reader.next(said), Next::malformed);
  }
}

TEST(BrokerFrames, AnyBytesAreReadWithoutHarm) {
  std::mt19937 random(11);
  for (int round = 0; round < 3000; ++round) {
    FrameReader reader(4096);
    std::string bytes = ack(1, true) + method(10, 60, short_text("memory")) +
                        method(20, 40, number(404, 2) + short_text("x") + number(0, 4));
    for (int flips = 0; flips < 4; ++flips)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    give(reader, bytes);
    BrokerSaid said;
    while (reader.next(said) == Next::frame) {
    }
  }
}

TEST(Trouble, RefusalsAreToldFromPassingFaults) {
  EXPECT_TRUE(closed_by_broker(404, "NOT_FOUND").refused);
  EXPECT_TRUE(closed_by_broker(406, "PRECONDITION_FAILED").refused);
  EXPECT_TRUE(closed_by_broker(403, "ACCESS_REFUSED").refused);
  EXPECT_FALSE(closed_by_broker(320, "CONNECTION_FORCED").refused);
  EXPECT_FALSE(closed_by_broker(541, "INTERNAL_ERROR").refused);
  EXPECT_NE(closed_by_broker(404, "NOT_FOUND - no exchange 'x'").reason.find("no exchange 'x'"),
            std::string::npos);
}

}  // namespace
}  // namespace bridge55::rabbitmq
