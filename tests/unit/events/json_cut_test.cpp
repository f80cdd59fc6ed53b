#include "daemon/events/json.hpp"
#include "tests/unit/events/random_json.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace bridge55 {
namespace {

using Members = std::vector<std::pair<std::string_view, std::string_view>>;

Members members_of(std::string_view object) {
  Members out;
  EXPECT_TRUE(json::members(object, [&](std::string_view key, std::string_view value) {
    out.emplace_back(key, value);
    return true;
  }));
  return out;
}

TEST(JsonCut, MembersComeInOrderWithDuplicatesAndTheirBytes) {
  const Members expected{
      {"a", "1.50"}, {"b", R"({"c": [1, "}"]})"}, {"a", "\"\\\"\""}, {"", "null"}, {"e\\u0041", "[ ]"}};
  EXPECT_EQ(
      members_of(
          " { \"a\" : 1.50 ,\n\"b\":{\"c\": [1, \"}\"]},\"a\":\"\\\"\" , \"\":null,\"e\\u0041\":[ ] } "),
      expected);
}

TEST(JsonCut, AnEmptyObjectHasNoMembers) {
  EXPECT_TRUE(members_of("{}").empty());
  EXPECT_TRUE(members_of(" { } ").empty());
}

TEST(JsonCut, WhatIsNoObjectIsSaid) {
  for (const char* text : {"[]", "1", "\"{\"", "null", "", "  "}) {
    EXPECT_FALSE(json::members(text, [](auto, auto) { return true; })) << text;
  }
  EXPECT_FALSE(json::elements("{}", [](auto) { return true; }));
}

TEST(JsonCut, AVisitorMayStop) {
  int seen = 0;
  EXPECT_TRUE(json::members(R"({"a":1,"b":2,"c":3})", [&](auto, auto) { return ++seen < 2; }));
  EXPECT_EQ(seen, 2);
  EXPECT_TRUE(json::elements("[1,2,3]", [&](auto) { return ++seen < 4; }));
  EXPECT_EQ(seen, 4);
}

TEST(JsonCut, ElementsKeepTheirBytes) {
  std::vector<std::string_view> out;
  json::elements("[ 1.0 , [2] ,{\"a\":\"]\"}, \"\\\\\" , true]", [&](std::string_view value) {
    out.push_back(value);
    return true;
  });
  EXPECT_EQ(out, (std::vector<std::string_view>{"1.0", "[2]", "{\"a\":\"]\"}", "\"\\\\\"", "true"}));
}

// The scanner works in blocks of 64 and 16 bytes: every position of a quote, backslash run or bracket against
// their edges.
TEST(JsonCut, ValuesEndWhereTheyEndAtEveryOffset) {
  const std::string_view inner[] = {R"("x\\")",  R"("\\\"}")", R"("]]]}}}")",    R"({"a":[{"b":"\""}]})",
                                    "[[[]],[]]", "12345",      R"("\\\\\\\\\"")"};
  for (const std::string_view value : inner) {
    for (std::size_t offset = 0; offset < 140; ++offset) {
      const std::string text = "[\"" + std::string(offset, 'x') + "\"," + std::string(value) + "]";
      EXPECT_EQ(json::detail::skip_value(text, 0), text.size()) << text;
      EXPECT_EQ(json::detail::skip_value(text + ",1]", 0), text.size()) << text;
      EXPECT_EQ(json::find(text, "1"), value) << text;
      const std::string backslashes =
          "{\"" + std::string(2 * offset, '\\') + "\":" + std::string(value) + "}";
      EXPECT_EQ(json::detail::skip_value(backslashes + "}", 0), backslashes.size()) << backslashes;
    }
  }
}

TEST(JsonCut, NothingOutsideTheTextIsRead) {
  // Allocated to the byte, so that the address sanitizer sees a step too far.
  for (std::size_t size = 2; size < 200; ++size) {
    const std::string text = "\"" + std::string(size - 2, 'x') + "\"";
    const std::vector<char> exact(text.begin(), text.end());
    EXPECT_EQ(json::detail::skip_value({exact.data(), exact.size()}, 0), size);
    EXPECT_EQ(json::detail::skip_value({exact.data(), exact.size() - 1}, 0),
              size - 1);  // cut short: stops at the end
  }
}

TEST(JsonFind, FollowsMembersAndPositions) {
  const std::string_view text =
      R"( {"payload": {"odds": {"pinnacle": 1.95}, "list": [10, {"x": "y"}], "null": null, "7": "seven"}} )";
  EXPECT_EQ(json::find(text, "payload.odds.pinnacle"), "1.95");
  EXPECT_EQ(json::find(text, "payload.list.0"), "10");
  EXPECT_EQ(json::find(text, "payload.list.1.x"), "\"y\"");
  EXPECT_EQ(json::find(text, "payload.null"), "null");
  EXPECT_EQ(json::find(text, "payload.7"), "\"seven\"");
  EXPECT_EQ(json::find(text, "payload.odds"), R"({"pinnacle": 1.95})");
  EXPECT_EQ(json::find(" 5 ", ""), "5");
}

TEST(JsonFind, WhatIsNotThereIsEmpty) {
  const std::string_view text = R"({"a": [1, 2], "b": "text", "c": {}})";
  for (const char* path : {"x", "a.2", "a.-1", "a.01", "a.1x", "a.", "a.99999999999999999999999", "b.c",
                           "c.c", "a.0.0", ".a", "a..0"}) {
    EXPECT_EQ(json::find(text, path), "") << path;
  }
  EXPECT_EQ(json::find("", "a"), "");
}

TEST(JsonFind, TheLastOfDuplicateKeysCounts) {
  EXPECT_EQ(json::find(R"({"a":1,"b":2,"a":3})", "a"), "3");
  EXPECT_EQ(json::find(R"({"a":{"x":1},"\u0061":{"y":2}})", "a.y"), "2");
  EXPECT_EQ(json::find(R"({"a":{"x":1},"a":{"y":2}})", "a.x"), "");
}

TEST(JsonText, EscapesAreResolved) {
  EXPECT_EQ(json::text(R"("a\"b\\c\/d\b\f\n\r\t\u0041\u00e9\u20ac\ud83d\ude00")"), "a\"b\\c/d\b\f\n\r\tAé€😀");
  EXPECT_EQ(json::text("\"\""), "");
  EXPECT_EQ(json::text("1.50"), "1.50");
  EXPECT_EQ(json::text(R"("\u0000")"), std::string(1, '\0'));
}

TEST(JsonText, HalfOfASurrogatePairBecomesTheReplacementCharacter) {
  EXPECT_EQ(json::text(R"("\ud83d")"), "\xEF\xBF\xBD");
  EXPECT_EQ(json::text(R"("\ude00x")"), "\xEF\xBF\xBDx");
  EXPECT_EQ(json::text(R"("\ud83dx")"), "\xEF\xBF\xBDx");
  EXPECT_EQ(json::text(R"("\ud83d\ud83d\ude00")"), "\xEF\xBF\xBD😀");
  EXPECT_EQ(json::text(R"("\ud83d\n")"), "\xEF\xBF\xBD\n");
}

TEST(JsonText, NamesAreComparedDecoded) {
  EXPECT_TRUE(json::same_name("seq", "seq"));
  EXPECT_TRUE(json::same_name("s\\u0065q", "seq"));
  EXPECT_TRUE(json::same_name("a\\\\b", "a\\b"));
  EXPECT_FALSE(json::same_name("a\\\\b", "a\\\\b"));
  EXPECT_FALSE(json::same_name("Seq", "seq"));
  EXPECT_FALSE(json::same_name("seqs", "seq"));
}

TEST(JsonQuoted, WhatMustBeEscapedIs) {
  EXPECT_EQ(json::quoted("a\"b\\c\b\f\n\r\t\x01\x1f\x7f/"),
            "\"a\\\"b\\\\c\\b\\f\\n\\r\\t\\u0001\\u001f\x7f/\"");
  EXPECT_EQ(json::quoted("é€😀"), "\"é€😀\"");
  EXPECT_EQ(json::quoted(""), "\"\"");
  EXPECT_EQ(json::quoted(std::string_view("\0", 1)), "\"\\u0000\"");
}

TEST(JsonQuoted, InvalidUtf8BecomesTheReplacementCharacter) {
  const std::string bad = "\xEF\xBF\xBD";
  const std::pair<std::string_view, std::string> cases[] = {
      {"\xff", bad},                // never a byte of UTF-8
      {"a\x80z", "a" + bad + "z"},  // a tail without its head
      {"\xc3", bad},                // cut short
      {"\xe2\x82", bad},            // one for the part that could have gone on
      {"\xe2\x82z", bad + "z"},
      {"\xf0\x9f\x98", bad},
      {"\xc0\x80", bad + bad},                      // overlong
      {"\xed\xa0\x80", bad + bad + bad},            // a surrogate
      {"\xf4\x90\x80\x80", bad + bad + bad + bad},  // beyond U+10FFFF
      {"\xc3\xa9\xff", "é" + bad},
  };
  for (const auto& [text, expected] : cases)
    EXPECT_EQ(json::quoted(text), "\"" + expected + "\"");
}

TEST(JsonQuotedProperty, AnyBytesBecomeValidJsonAndTextComesBack) {
  test::RandomJson random(7);
  for (int round = 0; round < 5'000; ++round) {
    std::string bytes;
    for (std::size_t left = random.below(60); left > 0; --left)
      bytes += static_cast<char>(random.below(256));
    EXPECT_EQ(json::validate_copy(json::quoted(bytes)), "");
    const std::string token = random.string();
    const std::string text = json::text(token);
    EXPECT_EQ(json::text(json::quoted(text)), text);
    EXPECT_EQ(text, nlohmann::json::parse(token).get<std::string>());
  }
}

TEST(JsonCutProperty, WhatWasCutIsWhatAnotherParserSees) {
  test::RandomJson random(99);
  for (int round = 0; round < 5'000; ++round) {
    const std::string text = random.space() + random.value() + random.space();
    const nlohmann::json parsed = nlohmann::json::parse(text, nullptr, false);
    if (parsed.is_object()) {
      for (const auto& [key, value] : parsed.items()) {
        if (key.find('.') != std::string::npos || key.empty()) continue;
        const nlohmann::json cut = nlohmann::json::parse(json::find(text, key), nullptr, false);
        ASSERT_EQ(cut, value) << text << " at " << key;
      }
    } else if (parsed.is_array()) {
      for (std::size_t i = 0; i < parsed.size(); ++i) {
        ASSERT_EQ(nlohmann::json::parse(json::find(text, std::to_string(i)), nullptr, false), parsed[i])
            << text;
      }
    }
  }
}

TEST(JsonBase64, KnownAnswersOfRfc4648) {
  const std::pair<std::string_view, std::string_view> cases[] = {{"", ""},
                                                                 {"f", "Zg=="},
                                                                 {"fo", "Zm8="},
                                                                 {"foo", "Zm9v"},
                                                                 {"foob", "Zm9vYg=="},
                                                                 {"fooba", "Zm9vYmE="},
                                                                 {"foobar", "Zm9vYmFy"},
                                                                 {"\xff\xfe\xfd", "//79"}};
  for (const auto& [bytes, expected] : cases)
    EXPECT_EQ(json::base64(bytes), expected);
}

}  // namespace
}  // namespace bridge55
