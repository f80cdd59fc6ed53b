#include "daemon/net/http_response.hpp"

#include <gtest/gtest.h>

namespace bridge55 {
namespace {

using net::BodyDecoder;
using net::HttpBody;
using net::ResponseParser;

std::string head_of(std::string_view fields) {
  return "HTTP/1.1 200 OK\r\n" + std::string(fields) + "\r\n";
}

class HttpResponse : public ::testing::Test {
 protected:
  ResponseParser::State feed(std::string_view text, bool to_head = false) {
    parser_.reset(to_head);
    left_ = text;
    return parser_.feed(left_);
  }
  const net::ResponseHead& head() const { return parser_.head(); }
  ResponseParser parser_;
  std::string_view left_;
};

using State = ResponseParser::State;

TEST_F(HttpResponse, AHeadIsTakenApartAndTheBodyIsLeft) {
  const std::string text =
      "HTTP/1.1 404 Not Found\r\nContent-Type:  application/json \r\nX-A: 1\r\nx-a: 2\r\nContent-Length: "
      "2\r\n\r\n{}";
  ASSERT_EQ(feed(text), State::complete);
  EXPECT_EQ(head().status, 404u);
  EXPECT_EQ(head().reason, "Not Found");
  EXPECT_EQ(head().fields.size(), 4u);
  EXPECT_EQ(head().get("content-type"), "application/json");
  EXPECT_EQ(head().get("X-A"), "1");
  EXPECT_EQ(head().get("X-B"), "");
  EXPECT_EQ(head().body, HttpBody::length);
  EXPECT_EQ(head().length, 2u);
  EXPECT_TRUE(head().keep_alive);
  EXPECT_EQ(left_, "{}");
}

TEST_F(HttpResponse, ListsAreReadOverAllLinesOfTheirName) {
  ASSERT_EQ(feed(head_of("Vary: a, B\r\nVary: c\r\nContent-Length: 0\r\n")), State::complete);
  for (const char* token : {"A", "b", "C"})
    EXPECT_TRUE(head().lists("vary", token));
  EXPECT_FALSE(head().lists("vary", "a, B"));
}

TEST_F(HttpResponse, OneByteAtATimeIsTheSame) {
  const std::string text = head_of("A: b\r\nTransfer-Encoding: Chunked\r\n");
  parser_.reset(false);
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string_view one(&text[i], 1);
    ASSERT_EQ(parser_.feed(one), i + 1 == text.size() ? State::complete : State::more);
  }
  EXPECT_EQ(head().body, HttpBody::chunked);
}

TEST_F(HttpResponse, FramingFollowsTheRulesOfSection6) {
  const auto body_of = [&](std::string_view text, bool to_head = false) {
    EXPECT_EQ(feed(text, to_head), State::complete) << text << parser_.trouble();
    return head().body;
  };
  EXPECT_EQ(body_of(head_of("")), HttpBody::until_close);
  EXPECT_FALSE(head().keep_alive);
  EXPECT_EQ(body_of(head_of("Content-Length: 0\r\n")), HttpBody::length);
  EXPECT_EQ(body_of(head_of("Content-Length: 7\r\nContent-Length: 7, 7\r\n")), HttpBody::length);
  EXPECT_EQ(head().length, 7u);
  EXPECT_EQ(body_of(head_of("Content-Length: 7\r\n"), true), HttpBody::none);
  EXPECT_EQ(body_of(head_of(""), true), HttpBody::none);
  EXPECT_TRUE(head().keep_alive);
  EXPECT_EQ(body_of("HTTP/1.1 204 No Content\r\n\r\n"), HttpBody::none);
  EXPECT_EQ(body_of("HTTP/1.1 304\r\nTransfer-Encoding: chunked\r\n\r\n"), HttpBody::none);
}

TEST_F(HttpResponse, KeepAliveDependsOnVersionAndConnection) {
  const auto keeps = [&](std::string_view version, std::string_view fields) {
    EXPECT_EQ(feed("HTTP/1." + std::string(version) + " 200 OK\r\nContent-Length: 0\r\n" +
                   std::string(fields) + "\r\n"),
              State::complete);
    return head().keep_alive;
  };
  EXPECT_TRUE(keeps("1", ""));
  EXPECT_FALSE(keeps("1", "Connection: x, Close\r\n"));
  EXPECT_FALSE(keeps("0", ""));
  EXPECT_TRUE(keeps("0", "Connection: Keep-Alive\r\n"));
  EXPECT_FALSE(keeps("0", "Connection: Keep-Alive\r\nConnection: close\r\n"));
}

TEST_F(HttpResponse, InterimAnswersAreSkippedUpToTheLimit) {
  ASSERT_EQ(feed("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 E\r\nLink: x\r\n\r\nHTTP/1.1 201 "
                 "C\r\nContent-Length: 1\r\n\r\nx"),
            State::complete);
  EXPECT_EQ(head().status, 201u);
  EXPECT_EQ(head().fields.size(), 1u);
  EXPECT_EQ(left_, "x");
  std::string endless;
  while (endless.size() < 70'000)
    endless += "HTTP/1.1 102 Processing\r\n\r\n";
  EXPECT_EQ(feed(endless), State::failed);
}

TEST_F(HttpResponse, WhatBreaksTheRulesIsRefusedInWords) {
  for (const std::string& wrong : {
           std::string("HTTP/2 200 OK\r\n\r\n"),
           std::string("\x16\x03\x01"),
           std::string("HTTP/1.2 200 OK\r\n\r\n"),
           std::string("HTTP/1.1  200 OK\r\n\r\n"),
           std::string("HTTP/1.1 99 OK\r\n\r\n"),
           std::string("HTTP/1.1 099 OK\r\n\r\n"),
           std::string("HTTP/1.1 600 OK\r\n\r\n"),
           std::string("HTTP/1.1 20x OK\r\n\r\n"),
           std::string("HTTP/1.1 2000 OK\r\n\r\n"),
           std::string("HTTP/1.1 200 O\x01K\r\n\r\n"),
           std::string("HTTP/1.1 200 OK\nA: b\r\n\r\n"),
           std::string("HTTP/1.1 101 Switching\r\n\r\n"),
           head_of("NoColon\r\n"),
           head_of(": x\r\n"),
           head_of("A : b\r\n"),
           head_of("A: b\r\n folded\r\n"),
           head_of("A: b\nB: c\r\n"),
           head_of("A: b\rB: c\r\n"),
           head_of(std::string("A: b\0c\r\n", 8)),
           head_of("Content-Length: 1\r\nContent-Length: 2\r\n"),
           head_of("Content-Length: 1, 2\r\n"),
           head_of("Content-Length: +1\r\n"),
           head_of("Content-Length: -1\r\n"),
           head_of("Content-Length: 0x1\r\n"),
           head_of("Content-Length: 1 1\r\n"),
           head_of("Content-Length: \r\n"),
           head_of("Content-Length: 1,\r\n"),
           head_of("Content-Length: 18446744073709551616\r\n"),
           head_of("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
           head_of("Transfer-Encoding: gzip, chunked\r\n"),
           head_of("Transfer-Encoding: identity\r\n"),
           head_of("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
           std::string("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
       }) {
    EXPECT_EQ(feed(wrong), State::failed) << wrong;
    EXPECT_FALSE(parser_.trouble().empty()) << wrong;
    std::string_view more = "x";
    EXPECT_EQ(parser_.feed(more), State::failed) << "a failure is final";
  }
}

TEST_F(HttpResponse, LimitsHold) {
  std::string fields;
  for (int i = 0; i < 200; ++i)
    fields += "F: 1\r\n";
  EXPECT_EQ(feed(head_of(fields)), State::complete);
  EXPECT_EQ(feed(head_of(fields + "F: 1\r\n")), State::failed);
  EXPECT_EQ(feed(head_of("F: " + std::string(16'000, 'x') + "\r\n")), State::complete);
  EXPECT_EQ(feed(head_of("F: " + std::string(16'384, 'x') + "\r\n")), State::failed);
  EXPECT_EQ(feed("HTTP/1.1 200 OK\r\n" + std::string(65'536, 'x')), State::failed);
  EXPECT_EQ(feed("HTTP/1.1 200 OK\r\nA: b\r\n"), State::more);
}

// ---- bodies

struct Decoded {
  std::string data;
  BodyDecoder::State end = BodyDecoder::State::more;
  std::size_t left = 0;
};

Decoded decode(BodyDecoder& decoder, std::string_view input) {
  Decoded out;
  for (;;) {
    std::string_view piece;
    out.end = decoder.next(input, piece);
    if (out.end != BodyDecoder::State::piece) break;
    EXPECT_FALSE(piece.empty());
    out.data += piece;
  }
  out.left = input.size();
  return out;
}

Decoded chunked(std::string_view input) {
  BodyDecoder decoder;
  decoder.begin(HttpBody::chunked, 0);
  return decode(decoder, input);
}

TEST(HttpBodyDecoder, ALengthTakesNoByteMore) {
  BodyDecoder decoder;
  decoder.begin(HttpBody::length, 3);
  const auto got = decode(decoder, "abcdef");
  EXPECT_EQ(got.data, "abc");
  EXPECT_EQ(got.end, BodyDecoder::State::end);
  EXPECT_EQ(got.left, 3u);
  decoder.begin(HttpBody::length, 0);
  EXPECT_EQ(decode(decoder, "x").left, 1u);
}

TEST(HttpBodyDecoder, ChunksExtensionsAndTrailersAreUnwrapped) {
  const auto got = chunked("3;a=b\r\nabc\r\n00A\r\n0123456789\r\n1 \r\nz\r\n0\r\nT: 1\r\nU: 2\r\n\r\nrest");
  EXPECT_EQ(got.data, "abc0123456789z");
  EXPECT_EQ(got.end, BodyDecoder::State::end);
  EXPECT_EQ(got.left, 4u);
  EXPECT_EQ(chunked("0\r\n\r\n").end, BodyDecoder::State::end);
}

TEST(HttpBodyDecoder, MalformedChunksAreRefused) {
  for (const std::string& wrong :
       {std::string("\r\n"), std::string("x\r\n"), std::string(";\r\n"), std::string("3\nabc\r\n"),
        std::string("3\r\nabcd\r\n"), std::string("3\r\nabc\n"), std::string("-1\r\n"),
        std::string("0x1\r\n"), std::string("10000000000000000\r\n"), std::string("1;\nx\r\n"),
        std::string("0\r\nA: b\nC: d\r\n"), std::string("0\r\nA: b\rC"), std::string("0\r\r"),
        "1;" + std::string(300, 'x'), std::string(300, '0'), "0\r\n" + std::string(9'000, 'x')}) {
    EXPECT_EQ(chunked(wrong).end, BodyDecoder::State::failed) << wrong;
  }
  std::string trailers = "0\r\n";
  while (trailers.size() < 9'000)
    trailers += "A: b\r\n";
  EXPECT_EQ(chunked(trailers).end, BodyDecoder::State::failed);
}

TEST(HttpBodyDecoder, WhatWasCutIsNotAnEnd) {
  BodyDecoder decoder;
  for (const char* cut : {"", "3", "3\r\na", "3\r\nabc", "3\r\nabc\r\n", "0\r\n", "0\r\nA: b\r\n"}) {
    decoder.begin(HttpBody::chunked, 0);
    EXPECT_EQ(decode(decoder, cut).end, BodyDecoder::State::more) << cut;
    EXPECT_EQ(decoder.closed(), BodyDecoder::State::failed) << cut;
    EXPECT_FALSE(decoder.trouble().empty());
  }
  decoder.begin(HttpBody::length, 2);
  decode(decoder, "a");
  EXPECT_EQ(decoder.closed(), BodyDecoder::State::failed);
  decoder.begin(HttpBody::until_close, 0);
  EXPECT_EQ(decode(decoder, "abc").data, "abc");
  EXPECT_EQ(decoder.closed(), BodyDecoder::State::end);
}

}  // namespace
}  // namespace bridge55
