#include "daemon/net/ws_unmask.hpp"
#include "tests/unit/net/frame_text.hpp"

#include <gtest/gtest.h>

namespace bridge55 {
namespace {

using test::RawFrame;
using test::Seen;
using ws::FrameReader;
using ws::Kind;
using ws::Role;

struct Reading {
  std::vector<Seen> seen;
  std::optional<ws::Violation> violation;
};

Reading read(std::string_view bytes, Role role = Role::server, std::size_t limit = 1 << 20) {
  FrameReader reader(role, limit);
  test::feed(reader, bytes);
  Reading reading;
  reading.violation = test::drain(reader, reading.seen);
  return reading;
}

unsigned code_of(const Reading& reading) {
  return reading.violation ? reading.violation->code : 0;
}

TEST(Frames, ManyMessagesComeOutOfOneBuffer) {
  std::string bytes;
  for (int i = 0; i < 1000; ++i)
    bytes += RawFrame{1, std::to_string(i)}.bytes();
  const auto reading = read(bytes);
  ASSERT_EQ(reading.seen.size(), 1000u);
  EXPECT_EQ(reading.seen[999].data, "999");
  EXPECT_FALSE(reading.violation);
}

TEST(Frames, EveryLengthEncodingIsReadInBothRoles) {
  for (const std::size_t size : {0u, 1u, 125u, 126u, 127u, 65535u, 65536u, 200000u}) {
    for (const Role role : {Role::server, Role::client}) {
      RawFrame frame{2, std::string(size, 'x')};
      frame.masked = role == Role::server;
      const auto reading = read(frame.bytes(), role);
      ASSERT_EQ(reading.seen.size(), 1u) << size;
      EXPECT_EQ(reading.seen[0].data, frame.payload);
      EXPECT_EQ(reading.seen[0].size, size);
      EXPECT_EQ(reading.seen[0].kind, Kind::binary);
    }
  }
}

TEST(Frames, LengthsThatAreNotMinimalAreAccepted) {
  const std::string long_form = std::string("\x81\x7e\x00\x02hi", 6);
  EXPECT_EQ(read(long_form, Role::client).seen.at(0).data, "hi");
  const std::string longest = std::string("\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x02hi", 12);
  EXPECT_EQ(read(longest, Role::client).seen.at(0).data, "hi");
}

TEST(Frames, ALengthWithItsTopBitSetIsAViolation) {
  const std::string bytes = std::string("\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x02", 10);
  EXPECT_EQ(code_of(read(bytes, Role::client)), 1002u);
}

TEST(Frames, ALengthThatCanNeverBeSkippedIsRefusedAsTooLarge) {
  const std::string bytes = std::string("\x82\x7f\x40\x00\x00\x00\x00\x00\x00\x02", 10);
  EXPECT_EQ(code_of(read(bytes, Role::client)), 1009u);
}

TEST(Frames, ReservedBitsAreViolations) {
  for (const unsigned bits : {0x10u, 0x20u, 0x40u, 0x70u}) {
    RawFrame frame{1, "x"};
    frame.reserved = bits;
    EXPECT_EQ(code_of(read(frame.bytes())), 1002u) << bits;
  }
}

TEST(Frames, UnknownOpcodesAreViolations) {
  for (const unsigned opcode : {3u, 4u, 5u, 6u, 7u, 11u, 12u, 13u, 14u, 15u}) {
    EXPECT_EQ(code_of(read(RawFrame{opcode, "x"}.bytes())), 1002u) << opcode;
  }
}

TEST(Frames, AServerTakesMaskedAndAClientUnmaskedFramesOnly) {
  RawFrame frame{1, "x"};
  EXPECT_EQ(code_of(read(frame.bytes(), Role::client)), 1002u);
  frame.masked = false;
  EXPECT_EQ(code_of(read(frame.bytes(), Role::server)), 1002u);
}

TEST(Frames, ControlFramesAreShortAndWhole) {
  EXPECT_EQ(code_of(read(RawFrame{9, std::string(126, 'p')}.bytes())), 1002u);
  EXPECT_EQ(code_of(read(RawFrame{9, "p", false}.bytes())), 1002u);
  EXPECT_EQ(read(RawFrame{9, std::string(125, 'p')}.bytes()).seen.at(0).data, std::string(125, 'p'));
}

TEST(Frames, FragmentsAreAssembledAndControlFramesComeBetweenThem) {
  const auto reading = read(RawFrame{1, "one ", false}.bytes() + RawFrame{9, "ping"}.bytes() +
                            RawFrame{0, "two ", false}.bytes() + RawFrame{0, "", false}.bytes() +
                            RawFrame{0, "three"}.bytes() + RawFrame{2, "next"}.bytes());
  ASSERT_EQ(reading.seen.size(), 3u);
  EXPECT_EQ(reading.seen[0].kind, Kind::ping);
  EXPECT_EQ(reading.seen[1].data, "one two three");
  EXPECT_EQ(reading.seen[1].kind, Kind::text);
  EXPECT_EQ(reading.seen[2].data, "next");
}

TEST(Frames, EmptyMessagesAndEmptyFragmentsAreMessages) {
  const auto reading =
      read(RawFrame{1, ""}.bytes() + RawFrame{1, "", false}.bytes() + RawFrame{0, ""}.bytes());
  ASSERT_EQ(reading.seen.size(), 2u);
  EXPECT_EQ(reading.seen[1].data, "");
}

TEST(Frames, AContinuationWithoutAMessageAndAMessageInsideAnotherAreViolations) {
  EXPECT_EQ(code_of(read(RawFrame{0, "x"}.bytes())), 1002u);
  EXPECT_EQ(code_of(read(RawFrame{1, "x", false}.bytes() + RawFrame{1, "y"}.bytes())), 1002u);
  EXPECT_EQ(code_of(read(RawFrame{1, "x"}.bytes() + RawFrame{0, "y"}.bytes())), 1002u);
}

std::string close_payload(unsigned code, std::string_view reason = "") {
  return std::string{static_cast<char>(code >> 8), static_cast<char>(code & 0xFF)}.append(reason);
}

TEST(Frames, CloseCodesThatMustNotBeSentAreViolations) {
  for (const unsigned code :
       {0u, 999u, 1004u, 1005u, 1006u, 1015u, 1016u, 1100u, 2000u, 2999u, 5000u, 65535u}) {
    EXPECT_EQ(code_of(read(RawFrame{8, close_payload(code)}.bytes())), 1002u) << code;
  }
  for (const unsigned code :
       {1000u, 1001u, 1002u, 1003u, 1007u, 1008u, 1009u, 1010u, 1011u, 1012u, 1013u, 1014u, 3000u, 4999u}) {
    const auto reading = read(RawFrame{8, close_payload(code, "why")}.bytes());
    ASSERT_EQ(reading.seen.size(), 1u) << code;
    EXPECT_EQ(reading.seen[0].close_code, code);
    EXPECT_EQ(reading.seen[0].data, "why");
  }
}

TEST(Frames, ACloseWithoutCodeIs1005AndHalfACodeAViolation) {
  EXPECT_EQ(read(RawFrame{8, ""}.bytes()).seen.at(0).close_code, 1005);
  EXPECT_EQ(code_of(read(RawFrame{8, "\x03"}.bytes())), 1002u);
}

TEST(Frames, ACloseReasonIsUtf8) {
  EXPECT_EQ(code_of(read(RawFrame{8, close_payload(1000, "\xff\xfe")}.bytes())), 1007u);
}

TEST(Frames, NothingCountsAfterAClose) {
  const auto reading =
      read(RawFrame{8, close_payload(1000)}.bytes() + RawFrame{1, "late"}.bytes() + "garbage");
  EXPECT_EQ(reading.seen.size(), 1u);
  EXPECT_FALSE(reading.violation);
}

TEST(Frames, AViolationStays) {
  FrameReader reader(Role::server, 100);
  std::vector<Seen> seen;
  test::feed(reader, RawFrame{3, "x"}.bytes());
  EXPECT_TRUE(test::drain(reader, seen));
  test::feed(reader, RawFrame{1, "x"}.bytes());
  EXPECT_TRUE(test::drain(reader, seen));
  EXPECT_TRUE(seen.empty());
}

TEST(Frames, TextThatIsNotUtf8IsHandedOutAsSuch) {
  EXPECT_FALSE(read(RawFrame{1, "caf\xe9"}.bytes()).seen.at(0).valid_utf8);
  EXPECT_TRUE(read(RawFrame{1, "caf\xc3\xa9"}.bytes()).seen.at(0).valid_utf8);
  EXPECT_TRUE(read(RawFrame{2, "caf\xe9"}.bytes()).seen.at(0).valid_utf8);
}

TEST(Frames, ACharacterMaySpanFragments) {
  const auto reading = read(RawFrame{1, "caf\xc3", false}.bytes() + RawFrame{0, "\xa9"}.bytes());
  EXPECT_TRUE(reading.seen.at(0).valid_utf8);
}

TEST(Frames, AMessageOverTheLimitComesOnceWithItsFirst64KiBAndTheSessionGoesOn) {
  const std::string big(300000, 'a');
  const auto reading = read(RawFrame{1, big}.bytes() + RawFrame{1, "after"}.bytes(), Role::server, 100000);
  ASSERT_EQ(reading.seen.size(), 2u);
  EXPECT_EQ(reading.seen[0].kind, Kind::too_large);
  EXPECT_EQ(reading.seen[0].data, big.substr(0, 64 << 10));
  EXPECT_EQ(reading.seen[0].size, 300000u);
  EXPECT_TRUE(reading.seen[0].valid_utf8);
  EXPECT_EQ(reading.seen[1].data, "after");
  EXPECT_EQ(reading.seen[1].size, 5u);
}

TEST(Frames, FragmentsThatSumPastTheLimitAreTooLargeAndControlFramesStillCome) {
  const std::string part(40000, 'b');
  const auto reading =
      read(RawFrame{2, part, false}.bytes() + RawFrame{0, part, false}.bytes() + RawFrame{9, "p"}.bytes() +
               RawFrame{0, part}.bytes() + RawFrame{1, "after"}.bytes(),
           Role::server, 70000);
  ASSERT_EQ(reading.seen.size(), 3u);
  EXPECT_EQ(reading.seen[0].kind, Kind::ping);
  EXPECT_EQ(reading.seen[1].kind, Kind::too_large);
  EXPECT_EQ(reading.seen[1].size, 120000u);
  EXPECT_EQ(reading.seen[1].data, std::string(64 << 10, 'b'));
  EXPECT_EQ(reading.seen[2].data, "after");
}

TEST(Frames, AMessageAtTheLimitPassesAndOneByteMoreDoesNot) {
  EXPECT_EQ(read(RawFrame{1, std::string(1000, 'x')}.bytes(), Role::server, 1000).seen.at(0).kind,
            Kind::text);
  EXPECT_EQ(read(RawFrame{1, std::string(1001, 'x')}.bytes(), Role::server, 1000).seen.at(0).kind,
            Kind::too_large);
}

TEST(Frames, AnOversizedMessageIsSkippedInBoundedMemory) {
  FrameReader reader(Role::client, 1 << 20);
  const std::uint64_t size = 64u << 20;
  std::string header("\x81\x7f", 2);
  for (int i = 7; i >= 0; --i)
    header.push_back(static_cast<char>(size >> (8 * i)));
  test::feed(reader, header);
  std::vector<Seen> seen;
  const std::string chunk(64 << 10, 'x');
  for (std::uint64_t sent = 0; sent < size; sent += chunk.size()) {
    const auto room = reader.prepare(chunk.size());
    EXPECT_LE(room.size(), 256u << 10);
    chunk.copy(room.data(), chunk.size());
    reader.commit(chunk.size());
    EXPECT_FALSE(test::drain(reader, seen));
    EXPECT_LE(reader.buffered(), 64u << 10);
  }
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].size, size);
  EXPECT_EQ(seen[0].data.size(), 64u << 10);
}

TEST(Frames, ACutCharacterAtTheEndOfWhatIsKeptDoesNotMakeATextInvalid) {
  std::string text(1, 'x');
  while (text.size() < 70000)
    text += "\xe2\x82\xac";
  const auto reading = read(RawFrame{1, text}.bytes(), Role::server, 1000);
  EXPECT_TRUE(reading.seen.at(0).valid_utf8);
  EXPECT_GE(reading.seen.at(0).data.size(), (64u << 10) - 3);
}

TEST(Frames, PayloadsAreHandedOutInPlace) {
  FrameReader reader(Role::server, 1000);
  const std::string bytes = RawFrame{1, "in place"}.bytes();
  const auto room = reader.prepare(bytes.size());
  bytes.copy(room.data(), bytes.size());
  reader.commit(bytes.size());
  ws::Message message;
  ws::Violation violation;
  ASSERT_EQ(reader.next(message, violation), FrameReader::Next::message);
  EXPECT_EQ(message.data.data(), room.data() + 6);
}

TEST(Frames, SixtyFourBytesBehindAMessageMayBeRead) {
  for (std::size_t size = 0; size < 300; ++size) {
    FrameReader reader(Role::server, 1000);
    test::feed(reader, RawFrame{1, std::string(size, 'x')}.bytes());
    ws::Message message;
    ws::Violation violation;
    ASSERT_EQ(reader.next(message, violation), FrameReader::Next::message);
    unsigned sum = 0;  // AddressSanitizer is the judge here
    for (std::size_t i = 0; i < size + 64; ++i)
      sum += static_cast<unsigned char>(message.data.data()[i]);
    EXPECT_GE(sum, size);
  }
}

TEST(Frames, AnIdleReaderHoldsNothing) {
  FrameReader reader(Role::server, 1 << 20);
  test::feed(reader, RawFrame{1, std::string(500000, 'x')}.bytes());
  std::vector<Seen> seen;
  EXPECT_FALSE(test::drain(reader, seen));
  EXPECT_EQ(reader.buffered(), 0u);
  reader.release();
  EXPECT_EQ(reader.prepare(10).size(), 10u);  // nothing was kept
}

TEST(Frames, ReleaseKeepsWhatIsNotTakenYet) {
  FrameReader reader(Role::server, 1 << 20);
  const std::string next = RawFrame{1, "second"}.bytes();
  test::feed(reader, RawFrame{1, std::string(500000, 'x')}.bytes() + next.substr(0, 5));
  std::vector<Seen> seen;
  EXPECT_FALSE(test::drain(reader, seen));
  reader.release();
  test::feed(reader, next.substr(5));
  EXPECT_FALSE(test::drain(reader, seen));
  EXPECT_EQ(seen.at(1).data, "second");
}

TEST(Frames, WhatWeSendIsReadByTheOtherSide) {
  for (const std::size_t size : {0u, 5u, 125u, 126u, 65535u, 65536u, 100000u}) {
    const std::string data(size, 'd');
    EXPECT_EQ(read(ws::frame(Role::client, Kind::text, data), Role::server).seen.at(0).data, data);
    EXPECT_EQ(read(ws::frame(Role::server, Kind::binary, data), Role::client).seen.at(0).data, data);
  }
  const auto closed = read(ws::close_frame(Role::client, 1000, "done"), Role::server);
  EXPECT_EQ(closed.seen.at(0).close_code, 1000);
  EXPECT_EQ(closed.seen.at(0).data, "done");
  const auto cut =
      read(ws::close_frame(Role::server, 1011, std::string(122, 'x') + "\xe2\x82\xac"), Role::client);
  EXPECT_EQ(cut.seen.at(0).data, std::string(122, 'x'));
}

TEST(Frames, ServerTextHeadersAreThoseOfFrame) {
  for (const std::size_t size : {0u, 125u, 126u, 65535u, 65536u}) {
    char header[10];
    const std::size_t length = ws::server_text_header(size, header);
    EXPECT_EQ(std::string(header, length) + std::string(size, 'x'),
              ws::frame(Role::server, Kind::text, std::string(size, 'x')));
  }
}

TEST(Frames, UnmaskingWorksAtEveryOffsetAndLength) {
  const ws::MaskKey key{1, 2, 3, 4};
  for (std::size_t offset = 0; offset < 9; ++offset) {
    for (std::size_t size = 0; size < 80; ++size) {
      std::string data(size, '\0');
      ws::unmask(data.data(), size, key, offset);
      for (std::size_t i = 0; i < size; ++i)
        ASSERT_EQ(data[i], static_cast<char>(key[(offset + i) & 3]));
    }
  }
}

TEST(Frames, TheAcceptValueIsThatOfTheRfc) {
  EXPECT_EQ(ws::accept_value("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_EQ(ws::fresh_key().size(), 24u);
  EXPECT_NE(ws::fresh_key(), ws::fresh_key());
}

}  // namespace
}  // namespace bridge55
