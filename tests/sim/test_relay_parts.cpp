// The pure parts of relays and AMQP streams: frame transit, connect message, events, AMQP frames.
#include "tests/sim/amqp_wire.hpp"
#include "tests/sim/frames.hpp"
#include "tests/sim/relay_connect.hpp"
#include "tests/sim/relay_frames.hpp"
#include "tests/sim/sse.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace bridge55::sim {
namespace {

using nlohmann::json;

/// Everything that comes out of a transit when the bytes go in so many at a time.
std::string passed(FrameTransit& transit, const std::string& bytes, std::size_t step) {
  std::string held, out;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    held += bytes.substr(at, step);
    const std::size_t size = transit.pass(held.data(), held.size());
    out += held.substr(0, size);
    held.erase(0, size);
    EXPECT_LE(held.size(), 131u);  // a header, or a control frame
  }
  return out;
}

TEST(SimRelayFrames, MaskedFramesKeepTheirMessagesUnderFreshKeys) {
  const std::string big(70'000, 'b');
  const std::string bytes = masked_frame(1, "hello", 0x04030201) + masked_frame(9, "p", 7) +
                            masked_frame(2, big, 0x55667788) + masked_frame(2, "", 9);
  for (const std::size_t step : {std::size_t{1}, std::size_t{3}, std::size_t{1000}, bytes.size()}) {
    FrameTransit transit(true, 55);
    const std::string out = passed(transit, bytes, step);
    ASSERT_EQ(out.size(), bytes.size());
    EXPECT_NE(out.substr(2, 4), bytes.substr(2, 4));
    ClientFrames frames(100'000);
    frames.feed(out);
    EXPECT_EQ(frames.next()->payload, "hello");
    EXPECT_EQ(frames.next()->opcode, Opcode::ping);
    EXPECT_EQ(frames.next()->payload, big);
    EXPECT_EQ(frames.next()->payload, "");
    EXPECT_TRUE(transit.between_frames());
    EXPECT_EQ(transit.counts().messages, 3u);
    EXPECT_EQ(transit.counts().bytes, 70'005u);
    EXPECT_EQ(transit.counts().pings, 1u);
  }
}

TEST(SimRelayFrames, UnmaskedFramesPassUntouchedAndStopBehindAClose) {
  std::string bytes;
  append_fragmented(bytes, Opcode::text, "abcdef", 3);
  append_frame(bytes, Opcode::pong, "alone");
  append_close(bytes, 4999, "done");
  FrameTransit transit(false, 0);
  EXPECT_EQ(passed(transit, bytes + "what comes later", 5), bytes);
  EXPECT_TRUE(transit.closed());
  EXPECT_EQ(transit.close().code, 4999);
  EXPECT_EQ(transit.close().reason, "done");
  EXPECT_EQ(transit.counts().frames, 3u);
  EXPECT_EQ(transit.counts().messages, 1u);
}

TEST(SimRelayFrames, WhatComesBeforeAViolationPassesAndTheViolationDoesNot) {
  std::string good;
  append_frame(good, Opcode::text, "good");
  const std::string close = std::string("\x88\x02\x03\xed", 4);  // 1005 is not for the wire
  const std::vector<std::string> wrong{masked_frame(1, "x", 1),
                                       "\x83\x01x",
                                       std::string("\x80\x01x", 3),
                                       "\x09\x01x",
                                       "\x88\x01x",
                                       close,
                                       "\xc1\x01x",
                                       std::string("\x81\x7e\x00\x01x", 5),
                                       std::string("\x81\x7f\x80\0\0\0\0\1\0\0", 10)};
  for (const auto& bad : wrong) {
    FrameTransit transit(false, 0);
    EXPECT_EQ(passed(transit, good + bad, 100), good);
    EXPECT_EQ(transit.error(), 1002) << json(bad).dump(-1, ' ', true, json::error_handler_t::replace);
  }
}

TEST(SimRelayFrames, AMaskWorksFromAnyPhase) {
  const std::array<char, 4> key{1, 2, 3, 4};
  std::string text(37, 'q');
  std::string expected = text;
  for (std::size_t i = 0; i < text.size(); ++i)
    expected[i] = static_cast<char>(expected[i] ^ key[(i + 3) & 3]);
  apply_mask(text.data(), text.size(), key, 3);
  EXPECT_EQ(text, expected);
}

TEST(SimRelayConnect, UrlsAreWsOrWssWithAHostAndAPort) {
  EXPECT_EQ(parse_ws_target("wss://x.example")->port, "443");
  EXPECT_TRUE(parse_ws_target("WSS://x.example")->tls);
  EXPECT_EQ(parse_ws_target("ws://[::1]:8080/a?b=c")->host, "::1");
  EXPECT_EQ(parse_ws_target("ws://x?b=c")->path, "/?b=c");
  for (const char* bad : {"", "x", "http://x/", "ws:/x", "ws://", "ws://x:0/", "ws://x:99999/", "ws://x:1a/",
                          "ws://x/#f", "ws://u@x/", "ws://x/ y", "ws://x/\r\n"})
    EXPECT_FALSE(parse_ws_target(bad)) << bad;
}

TEST(SimRelayConnect, CookiesJoinTheCookieHeaderAndTheAgentKeepsItsOwnFields) {
  RelayConnect connect;
  EXPECT_EQ(
      read_connect(R"({"url":"ws://x:81/","headers":{"cookie":"a=1","Upgrade":"h2","Host":"y","X":"1"},)"
                   R"("cookies":{"b":"2"},"proxy":"ignored"})",
                   connect),
      "");
  const Fields fields = upgrade_fields(connect, "key");
  const Fields expected{{"Host", "y"},
                        {"Upgrade", "websocket"},
                        {"Connection", "Upgrade"},
                        {"Sec-WebSocket-Key", "key"},
                        {"Sec-WebSocket-Version", "13"},
                        {"cookie", "a=1; b=2"},
                        {"X", "1"}};
  EXPECT_EQ(fields, expected);
}

TEST(SimSse, JsonStringsEscapeWhatTheyMustAndReplaceWhatIsNoUtf8) {
  const std::string text = std::string("a\"\\\n\x01\x7f\0é⚽", 12) + "\xc3(\xff";
  for (const bool ascii : {false, true}) {
    std::string out;
    append_json_string(out, text, ascii);
    EXPECT_EQ(json::parse(out).get<std::string>(), std::string("a\"\\\n\x01\x7f\0é⚽", 12) + "\ufffd(\ufffd")
        << out;
    if (ascii) {
      EXPECT_TRUE(std::all_of(out.begin(), out.end(), [](char c) { return c >= 0x20; }));
    }
  }
}

TEST(SimSse, EventsAreAsDocumentedUnlessAskedOtherwise) {
  std::string out;
  append_event(out, {}, "message", R"({"a": 1})");
  EXPECT_EQ(out, "event: message\ndata: {\"a\": 1}\n\n");
  out.clear();
  append_event(out, {.line_end = "\r\n", .multiline = true, .tight = true}, "message", R"({"a": 1})");
  EXPECT_EQ(out, "event:message\r\ndata:{\r\ndata:\"a\": 1\r\ndata:}\r\n\r\n");
}

TEST(SimAmqpWire, FramesAreFoundWholeAndOthersAreNone) {
  const std::string bytes = AmqpMethod(1, amqp::kAck).u64(7).u8(1).done() + amqp_heartbeat();
  std::size_t used = 0;
  bool broken = false;
  for (std::size_t size = 0; size + 8 < bytes.size(); ++size)
    EXPECT_FALSE(take_amqp_frame(std::string_view(bytes).substr(0, size), used, broken));
  const auto frame = take_amqp_frame(bytes, used, broken);
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->method, amqp::kAck);
  AmqpArguments arguments(frame->payload);
  EXPECT_EQ(arguments.number(8), 7u);
  EXPECT_EQ(take_amqp_frame(std::string_view(bytes).substr(used), used, broken)->type, 8);
  EXPECT_FALSE(broken);
  EXPECT_FALSE(take_amqp_frame("HTTP/1.1 400", used, broken));
  EXPECT_TRUE(broken);
}

TEST(SimAmqpWire, ADeliveryIsPutTogetherOutOfItsFrames) {
  AmqpAssembly assembly;
  const std::string deliver =
      AmqpMethod(1, amqp::kDeliver).shortstr("tag").u64(9).u8(0).shortstr("ex").shortstr("a.b").done();
  std::size_t used = 0;
  bool broken = false;
  EXPECT_FALSE(assembly.take(*take_amqp_frame(deliver, used, broken)));
  const std::string header("\0\x3c\0\0\0\0\0\0\0\0\0\5\x80\0\4text", 19);
  EXPECT_FALSE(assembly.take({.type = 2, .channel = 1, .payload = header}));
  EXPECT_FALSE(assembly.take({.type = 3, .channel = 1, .payload = "he"}));
  EXPECT_TRUE(assembly.take({.type = 3, .channel = 1, .payload = "llo"}));
  const AmqpDelivery& got = assembly.delivery();
  EXPECT_EQ(got.tag, 9u);
  EXPECT_EQ(got.exchange + ' ' + got.routing_key + ' ' + got.content_type + ' ' + got.body,
            "ex a.b text hello");
}

}  // namespace
}  // namespace bridge55::sim
