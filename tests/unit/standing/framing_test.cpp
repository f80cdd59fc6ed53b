#include "bridges/scraping/standing/framing.hpp"

#include "daemon/events/json.hpp"

#include <gtest/gtest.h>

namespace bridge55::scraping::standing {
namespace {

std::string_view frame(Framing& framing, std::string_view text, events::Facts& facts) {
  return framing.text_copy(text, facts);
}

TEST(Framing, TextThatIsJsonIsEmbeddedByteForByte) {
  for (const std::string_view text : {R"( {"a" : 1.950, "a":2,"\u00e9":1e400}  )", "5", "\"x\"", "null",
                                      "[1,\r\n 2]", "12345678901234567890"}) {
    Framing framing;
    events::Facts facts;
    ASSERT_EQ(frame(framing, text, facts), "");
    EXPECT_EQ(facts.payload, text);
    EXPECT_EQ(facts.raw, text);
    EXPECT_FALSE(facts.base64);
  }
}

TEST(Framing, OtherTextIsAJsonString) {
  Framing framing;
  events::Facts facts;
  for (const auto& [text, payload] : {std::pair{"2probe", "\"2probe\""},
                                      {"42[\"x\"", "\"42[\\\"x\\\"\""},
                                      {"", "\"\""},
                                      {"\x1e{}\n", "\"\\u001e{}\\n\""},
                                      {"{\"x\":tru}", "\"{\\\"x\\\":tru}\""}}) {
    ASSERT_EQ(frame(framing, text, facts), "");
    EXPECT_EQ(facts.payload, payload);
    EXPECT_EQ(facts.raw, text);
    EXPECT_EQ(json::validate_copy(facts.payload), "");
  }
}

TEST(Framing, BinaryIsBase64AndItsRawBytesStay) {
  Framing framing;
  events::Facts facts;
  framing.binary(std::string_view("\0\xff\x10", 3), facts);
  EXPECT_EQ(facts.payload, "\"AP8Q\"");
  EXPECT_TRUE(facts.base64);
  EXPECT_EQ(facts.raw, std::string_view("\0\xff\x10", 3));
  ASSERT_EQ(frame(framing, "x", facts), "");
  EXPECT_FALSE(facts.base64);
}

TEST(Framing, WhatIsNoUtf8OrTooDeepIsNoEvent) {
  Framing framing;
  events::Facts facts;
  EXPECT_NE(frame(framing, "\xff", facts), "");
  EXPECT_NE(frame(framing, "{\"a\":\"\xc3(\"}", facts), "");
  EXPECT_NE(frame(framing, std::string(600, '[') + std::string(600, ']'), facts), "");
}

TEST(Framing, ALargeTextIsStillText) {
  Framing framing;
  events::Facts facts;
  const std::string text = "[\"" + std::string(10 << 20, 'x') + "\"]";
  ASSERT_EQ(frame(framing, text, facts), "");
  EXPECT_EQ(facts.payload, text);
}

}  // namespace
}  // namespace bridge55::scraping::standing
