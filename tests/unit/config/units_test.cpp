#include "config/units.hpp"

#include <gtest/gtest.h>

namespace bridge55::config {
namespace {

TEST(Integers, DigitsWithoutLeadingZeroOrSign) {
  EXPECT_EQ(parse_integer("0"), 0U);
  EXPECT_EQ(parse_integer("10"), 10U);
  for (const char* text :
       {"", "010", "00", "+1", "-1", "1.0", "1e3", "0x10", "1_000", " 1", "1 ", "ten", "١"})
    EXPECT_FALSE(parse_integer(text)) << text;
}

TEST(Integers, BeyondSixtyFourBitsSaturate) {
  EXPECT_EQ(parse_integer("18446744073709551615"), too_large);
  EXPECT_EQ(parse_integer("99999999999999999999999999"), too_large);
}

TEST(Booleans, OnlyTrueAndFalse) {
  EXPECT_EQ(parse_boolean("true"), true);
  EXPECT_EQ(parse_boolean("false"), false);
  for (const char* text : {"yes", "no", "on", "off", "True", "TRUE", "1", "0", "y", ""})
    EXPECT_FALSE(parse_boolean(text)) << text;
}

TEST(Durations, EachUnit) {
  EXPECT_EQ(parse_duration("500ms"), 500ms);
  EXPECT_EQ(parse_duration("5s"), 5s);
  EXPECT_EQ(parse_duration("2min"), 2min);
  EXPECT_EQ(parse_duration("1h"), 1h);
  EXPECT_EQ(parse_duration("7d"), std::chrono::hours(168));
  EXPECT_EQ(parse_duration("0s"), 0s);
}

TEST(Durations, NothingElse) {
  for (const char* text : {"", "5", "s", "5 s", "1.5s", "-1s", "5sec", "5m", "5S", "1h30min", "05s", "5µs"})
    EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(Durations, HugeOnesSaturateInsteadOfWrapping) {
  EXPECT_GT(*parse_duration("99999999999999999999d"), std::chrono::hours(1));
}

TEST(Durations, PrintInTheLargestUnitThatDivides) {
  for (const char* text : {"0s", "1ms", "1500ms", "5s", "90s", "2min", "36h", "7d"})
    EXPECT_EQ(print_duration(*parse_duration(text)), text);
  EXPECT_EQ(print_duration(60s), "1min");
}

TEST(Sizes, BinaryAndDecimal) {
  EXPECT_EQ(parse_size("64KiB"), kib(64));
  EXPECT_EQ(parse_size("2GiB"), gib(2));
  EXPECT_EQ(parse_size("3MiB"), mib(3));
  EXPECT_EQ(parse_size("1TiB"), gib(1024));
  EXPECT_EQ(parse_size("1kB"), Bytes{1000});
  EXPECT_EQ(parse_size("1MB"), Bytes{1'000'000});
  EXPECT_EQ(parse_size("2GB"), Bytes{2'000'000'000});
  EXPECT_EQ(parse_size("7B"), Bytes{7});
  for (const char* text : {"", "64", "64K", "64kib", "64 KiB", "1.5GiB", "-1B", "KiB"})
    EXPECT_FALSE(parse_size(text)) << text;
  EXPECT_EQ(parse_size("99999999999999TiB")->count, too_large);
}

TEST(Sizes, PrintBackToThemselves) {
  for (const char* text : {"0B", "7B", "1kB", "1500B", "64KiB", "2GiB", "3TB"})
    EXPECT_EQ(*parse_size(print_size(*parse_size(text))), *parse_size(text));
}

TEST(Modes, OctalOnly) {
  EXPECT_EQ(parse_mode("0660"), 0660U);
  EXPECT_EQ(parse_mode("600"), 0600U);
  EXPECT_EQ(parse_mode("0777"), 0777U);
  for (const char* text : {"", "0888", "1777", "66", "00660", "rw-", "-660", "0o660"})
    EXPECT_FALSE(parse_mode(text)) << text;
  EXPECT_EQ(print_mode(0660), "0660");
  EXPECT_EQ(print_mode(0007), "0007");
}

TEST(Rates, PerSecondOrPerMinute) {
  EXPECT_EQ(parse_rate("60/min"), (RateLimit{60, 1min, 0}));
  EXPECT_EQ(parse_rate("10/s"), (RateLimit{10, 1s, 0}));
  for (const char* text :
       {"", "60", "/min", "0/s", "60/h", "60/2s", "-1/s", "60 /min", "1000001/s", "1.5/s", "060/min"})
    EXPECT_FALSE(parse_rate(text)) << text;
  EXPECT_EQ(print_rate({60, 1min, 0}), "60/min");
  EXPECT_EQ(print_rate({10, 1s, 5}), "10/s");
}

TEST(Reserves, ShareOrCount) {
  EXPECT_EQ(parse_reserve("10%"), (Reserve{0.10, 0}));
  EXPECT_EQ(parse_reserve("2.5%"), (Reserve{0.025, 0}));
  EXPECT_EQ(parse_reserve("5"), (Reserve{0.10, 5}));
  for (const char* text : {"", "%", "91%", "-1%", "0", "10 %", "1e1%", "nan%", "1000001"})
    EXPECT_FALSE(parse_reserve(text)) << text;
}

TEST(Reserves, PrintBackToTheSameFraction) {
  for (const char* text : {"0%", "10%", "2.5%", "33.3%", "0.1%", "29%", "57%", "12.345678%", "90%", "7"})
    EXPECT_EQ(print_reserve(*parse_reserve(text)), text);
}

TEST(Names, PathSegmentsOnly) {
  EXPECT_TRUE(is_name("abp"));
  EXPECT_TRUE(is_name("live-odds_2"));
  EXPECT_TRUE(is_name(std::string(64, 'a')));
  for (const char* text : {"", "-a", "_a", "a.b", "a/b", "a b", "ä", "a:b", "..", "a*"})
    EXPECT_FALSE(is_name(text)) << text;
  EXPECT_FALSE(is_name(std::string(65, 'a')));
}

TEST(Uuids, HexInFiveGroups) {
  EXPECT_TRUE(is_uuid("5b1f2c3d-0000-4000-8000-000000000055"));
  EXPECT_FALSE(is_uuid("5b1f2c3d-0000-4000-8000-00000000005g"));
  EXPECT_FALSE(is_uuid("5b1f2c3d000040008000000000000055"));
}

TEST(Decimals, DigitsWithOnePoint) {
  for (const char* text : {"0", "500", "0.25", "100.00"})
    EXPECT_TRUE(is_decimal(text)) << text;
  for (const char* text : {"", ".5", "5.", "-1", "1e3", "1,000", "01", "1.2.3", "nan"})
    EXPECT_FALSE(is_decimal(text)) << text;
}

}  // namespace
}  // namespace bridge55::config
