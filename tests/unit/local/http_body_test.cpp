#include "daemon/local/http_body.hpp"

#include <gtest/gtest.h>

namespace bridge55::local {
namespace {

Head chunked() {
  Head head;
  head.chunked = true;
  return head;
}

struct Decoded {
  std::string data;
  bool done = false;
  unsigned refused = 0;
  std::string left;
};

// In pieces of `step` bytes, with what is not consumed offered again.
Decoded decode(const Head& head, std::string_view bytes, std::size_t step, std::uint64_t limit = 1 << 20) {
  BodyDecoder decoder(head, limit);
  Decoded result;
  std::string buffer;
  while (!decoder.done() && !decoder.refused()) {
    const BodyDecoder::Step taken = decoder.take(buffer);
    result.data += taken.data;
    buffer.erase(0, taken.consumed);
    if (taken.consumed > 0) continue;
    if (decoder.refused() || bytes.empty()) break;
    buffer += bytes.substr(0, step);
    bytes.remove_prefix(std::min(step, bytes.size()));
  }
  result.done = decoder.done();
  result.refused = decoder.refused() ? decoder.refusal().status : 0;
  result.left = buffer + std::string(bytes);
  return result;
}

TEST(HttpBody, NoFramingIsNoBody) {
  const BodyDecoder decoder(Head{}, 10);
  EXPECT_TRUE(decoder.done());
}

TEST(HttpBody, ALengthEndsWhereItSaysAndLeavesTheNextRequest) {
  Head head;
  head.content_length = 5;
  for (const std::size_t step : {1u, 3u, 100u}) {
    const Decoded result = decode(head, "helloGET /", step);
    EXPECT_EQ(result.data, "hello");
    EXPECT_TRUE(result.done);
    EXPECT_EQ(result.left, "GET /");
  }
}

TEST(HttpBody, ChunksAreJoinedHoweverTheyArrive) {
  for (const std::size_t step : {1u, 2u, 7u, 100u}) {
    const Decoded result = decode(chunked(), "5\r\nhello\r\nB\r\n, big world\r\n0\r\n\r\nGET /", step);
    EXPECT_EQ(result.data, "hello, big world") << step;
    EXPECT_TRUE(result.done);
    EXPECT_EQ(result.left, "GET /");
  }
}

TEST(HttpBody, WhatParsersReadDifferentlyIsRefused) {
  for (const char* bytes : {"5;a=b\r\nhello\r\n0\r\n\r\n", "5 \r\nhello\r\n0\r\n\r\n", "0x5\r\nhello\r\n",
                            "+5\r\nhello\r\n", "-1\r\n", "\r\n", "g\r\n", "5\nhello\r\n", "5\r\nhelloX",
                            "5\r\nhello\n0\r\n\r\n", "0\r\nX-Trailer: 1\r\n\r\n", "0;x\r\n\r\n",
                            "FFFFFFFFFFFFFFFF1\r\n", "0000000000000005\r\nhello\r\n", "5\r\rhello"}) {
    for (const std::size_t step : {1u, 100u})
      EXPECT_EQ(decode(chunked(), bytes, step).refused, 400u) << bytes << " by " << step;
  }
}

TEST(HttpBody, TheLimitHoldsForLengthsAndForChunks) {
  Head head;
  head.content_length = 11;
  EXPECT_EQ(decode(head, "", 1, 10).refused, 413u);
  EXPECT_EQ(decode(chunked(), "6\r\nabcdef\r\n5\r\nabcde\r\n0\r\n\r\n", 100, 10).refused, 413u);
  EXPECT_EQ(decode(chunked(), "fffffffffffffff\r\n", 100, 10).refused, 413u);
  EXPECT_TRUE(decode(chunked(), "6\r\nabcdef\r\n4\r\nabcd\r\n0\r\n\r\n", 100, 10).done);
}

}  // namespace
}  // namespace bridge55::local
