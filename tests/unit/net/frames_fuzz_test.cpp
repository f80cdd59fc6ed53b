// The reader must not care how bytes are cut, and must survive any bytes.
#include "tests/unit/net/frame_text.hpp"

#include <random>

#include <gtest/gtest.h>

namespace bridge55 {
namespace {

using test::RawFrame;
using test::Seen;
using ws::FrameReader;
using ws::Role;

std::vector<Seen> read_in_pieces(const std::string& bytes, const std::vector<std::size_t>& cuts,
                                 bool release) {
  FrameReader reader(Role::server, 400);
  std::vector<Seen> seen;
  std::size_t at = 0;
  for (const std::size_t cut : cuts) {
    test::feed(reader, std::string_view(bytes).substr(at, cut - at));
    at = cut;
    EXPECT_FALSE(test::drain(reader, seen));
    if (release) reader.release();
  }
  return seen;
}

std::string conversation() {
  return RawFrame{1, "hello"}.bytes() + RawFrame{2, std::string(126, 'b'), false}.bytes() +
         RawFrame{9, "p"}.bytes() + RawFrame{0, std::string(130, 'c')}.bytes() +
         RawFrame{1, std::string(401, 'x')}.bytes() + RawFrame{1, std::string(300, 'y'), false}.bytes() +
         RawFrame{10, ""}.bytes() + RawFrame{0, std::string(300, 'z'), false}.bytes() +
         RawFrame{0, "!"}.bytes() + RawFrame{1, "end"}.bytes() + RawFrame{8, "\x03\xe8"}.bytes();
}

TEST(FramesFuzz, EverySplitPositionGivesTheSameMessages) {
  const std::string bytes = conversation();
  const auto whole = read_in_pieces(bytes, {bytes.size()}, false);
  ASSERT_EQ(whole.size(), 8u);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    EXPECT_EQ(read_in_pieces(bytes, {cut, bytes.size()}, cut % 2 == 0), whole) << cut;
  }
}

TEST(FramesFuzz, OneByteAtATimeGivesTheSameMessages) {
  const std::string bytes = conversation();
  std::vector<std::size_t> cuts;
  for (std::size_t i = 1; i <= bytes.size(); ++i)
    cuts.push_back(i);
  EXPECT_EQ(read_in_pieces(bytes, cuts, false), read_in_pieces(bytes, {bytes.size()}, false));
  EXPECT_EQ(read_in_pieces(bytes, cuts, true), read_in_pieces(bytes, {bytes.size()}, false));
}

TEST(FramesFuzz, RandomConversationsInRandomPiecesComeBackWhole) {
  std::mt19937 random(55);
  for (int round = 0; round < 500; ++round) {
    std::string bytes;
    std::vector<std::string> sent;
    for (unsigned messages = random() % 8; messages > 0; --messages) {
      std::string message(random() % 390, '\0');
      for (char& c : message)
        c = static_cast<char>(random());
      sent.push_back(message);
      std::string_view rest = message;
      unsigned opcode = 2;
      while (rest.size() > 3 && random() % 3 == 0) {
        const std::size_t part = random() % rest.size();
        bytes += RawFrame{opcode, std::string(rest.substr(0, part)), false}.bytes();
        rest.remove_prefix(part);
        opcode = 0;
      }
      bytes += RawFrame{opcode, std::string(rest)}.bytes();
    }
    std::vector<std::size_t> cuts;
    for (std::size_t at = 0; at < bytes.size();)
      cuts.push_back(at = std::min(bytes.size(), at + 1 + random() % 200));
    const auto seen = read_in_pieces(bytes, cuts, random() % 2 == 0);
    ASSERT_EQ(seen.size(), sent.size());
    for (std::size_t i = 0; i < sent.size(); ++i)
      ASSERT_EQ(seen[i].data, sent[i]);
  }
}

TEST(FramesFuzz, RandomBytesNeverGrowTheReaderOrCrashIt) {
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    FrameReader reader(random() % 2 == 0 ? Role::server : Role::client, random() % 1000);
    std::vector<Seen> seen;
    for (int i = 0; i < 6; ++i) {
      std::string bytes(random() % 300, '\0');
      for (char& c : bytes)
        c = static_cast<char>(random());
      if (!bytes.empty() && random() % 2 == 0) bytes[0] = static_cast<char>(0x80 | (random() % 3));
      test::feed(reader, bytes);
      if (test::drain(reader, seen)) break;
      ASSERT_LE(reader.buffered(), 4096u);
    }
  }
}

}  // namespace
}  // namespace bridge55
