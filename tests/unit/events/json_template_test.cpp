#include "daemon/events/json_template.hpp"

#include "daemon/events/json.hpp"

#include <string>
#include <variant>

#include <gtest/gtest.h>

namespace bridge55 {
namespace {

constexpr std::string_view kFrame =
    R"({"seq":184467440737095516160,"price":1.50,"name":"a\"b\u00e9","no":null,"yes":true,"list":[1, 2],"deep":{"x":"y"}})";

std::string rendered(std::string_view text) {
  auto compiled = events::JsonTemplate::compile(text);
  if (const auto* wrong = std::get_if<std::string>(&compiled)) return "error: " + *wrong;
  std::string out = std::get<events::JsonTemplate>(compiled).render(
      [](std::string_view name) { return json::find(kFrame, name); });
  EXPECT_EQ(json::validate_copy(out), "") << out;
  return out;
}

TEST(JsonTemplate, APlaceholderAloneKeepsTheNumberWithAllItsDigits) {
  EXPECT_EQ(rendered(R"({"type":"ack","seq":"{seq}"})"), R"({"type":"ack","seq":184467440737095516160})");
  EXPECT_EQ(rendered(R"("{price}")"), "1.50");
}

TEST(JsonTemplate, OtherTokensStayWhatTheyAreToo) {
  EXPECT_EQ(rendered(R"(["{name}","{yes}","{list}","{deep.x}"])"), R"(["a\"b\u00e9",true,[1, 2],"y"])");
}

TEST(JsonTemplate, InsideTextValuesAreDecodedAndEscapedAgain) {
  EXPECT_EQ(rendered(R"({"a":"n={name}; p={price}\n"})"), "{\"a\":\"n=a\\\"bé; p=1.50\\n\"}");
  EXPECT_EQ(rendered(R"(["{seq}{price}"])"), R"(["1844674407370955161601.50"])");
}

TEST(JsonTemplate, MissingAndNullRenderAnUnderscore) {
  EXPECT_EQ(rendered(R"(["{nothing}","{no}","x{no}y"])"), R"(["_","_","x_y"])");
}

TEST(JsonTemplate, CaseChangesMakeText) {
  EXPECT_EQ(rendered(R"(["{deep.x|upper}","{seq|lower}"])"), R"(["Y","184467440737095516160"])");
}

TEST(JsonTemplate, KeysAndEverythingElseStayAsWritten) {
  EXPECT_EQ(rendered(R"( { "{seq}" : 1.0 , "b" : [ true, null, "\u0041" ] } )"),
            R"( { "{seq}" : 1.0 , "b" : [ true, null, "\u0041" ] } )");
  EXPECT_EQ(rendered("{}"), "{}");
  EXPECT_EQ(rendered("42"), "42");
  EXPECT_EQ(rendered(R"("")"), R"("")");
}

TEST(JsonTemplate, WhatIsNoJsonOrNoTemplateIsSaid) {
  EXPECT_EQ(rendered("{seq}"), "error: not JSON: an object's member must begin with a string");
  EXPECT_EQ(rendered(""), "error: not JSON: it is empty");
  EXPECT_EQ(rendered(R"({"a":"{"})"), "error: a { is never closed; expected {field}");
  EXPECT_TRUE(rendered(R"({"a":"{}"})").starts_with("error: "));
  EXPECT_TRUE(rendered(R"({"a":"{x|trim}"})").starts_with("error: "));
}

}  // namespace
}  // namespace bridge55
