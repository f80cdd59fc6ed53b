#include "bridges/scraping/fetched_page.hpp"

#include <gtest/gtest.h>

namespace bridge55::scraping {
namespace {

FetchedPage page_of(std::string_view answer) {
  auto result = read_fetched_page(answer);
  EXPECT_TRUE(std::holds_alternative<FetchedPage>(result)) << std::get<std::string>(result);
  return std::holds_alternative<FetchedPage>(result) ? std::get<FetchedPage>(result) : FetchedPage{};
}

TEST(FetchBody, HoldsMethodHeadersAndTheBodyAsText) {
  EXPECT_EQ(fetch_body({"GET", {}, {}}), R"({"method":"GET","headers":{}})");
  EXPECT_EQ(fetch_body({"PUT", {{"A", "1"}, {"B", "\"x\""}}, "{\"k\":1}\n"}),
            R"({"method":"PUT","headers":{"A":"1","B":"\"x\""},"body":"{\"k\":1}\n"})");
}

TEST(FetchedPage, IsTheTextOfRawOrTheBytesOfRawJson) {
  const FetchedPage text =
      page_of(R"({"meta":{"status":203,"final_url":"https://e/","blocked":false,"headers":{"content-type":"text/html",)"
              R"("x-n":7},"agent":{"id":"scraping-de1"},"bytes":3},"raw":"a\u00e9\n","raw_json":null})");
  EXPECT_EQ(text.status, 203u);
  EXPECT_EQ(text.body, "a\xc3\xa9\n");
  EXPECT_EQ(text.agent, "scraping-de1");
  EXPECT_EQ(text.final_url, "https://e/");
  EXPECT_FALSE(text.blocked);
  ASSERT_EQ(text.headers.size(), 2u);
  EXPECT_EQ(text.headers[1], (std::pair<std::string, std::string>("x-n", "7")));
  const FetchedPage data =
      page_of(R"({"meta":{"status":200,"blocked":true},"raw":null,"raw_json":{ "price": 1.950, "n":12345678901234567890 }})");
  EXPECT_EQ(data.body, R"({ "price": 1.950, "n":12345678901234567890 })");
  EXPECT_TRUE(data.blocked);
  EXPECT_EQ(page_of(R"({"meta":{"status":204},"raw":null,"raw_json":null})").body, "");
}

TEST(FetchedPage, AHeaderThatCannotBeOneIsLeftOut) {
  const FetchedPage page = page_of(
      R"({"meta":{"status":200,"headers":{"ok":"1","bad":"a\r\nSet-Cookie: x","no good":"1","list":["a","b"],"n":null}}})");
  ASSERT_EQ(page.headers.size(), 3u);
  EXPECT_EQ(page.headers[0].first, "ok");
  EXPECT_EQ(page.headers[1], (std::pair<std::string, std::string>("list", "a")));
  EXPECT_EQ(page.headers[2], (std::pair<std::string, std::string>("list", "b")));
}

TEST(FetchedPage, WhatIsNoSuchAnswerIsSaidInWords) {
  for (const std::string_view bad : {"", "<html>", "[]", "{}", R"({"meta":{"status":"200"}})",
                                     R"({"meta":{"status":101}})", R"({"meta":{"status":1000}})"})
    EXPECT_TRUE(std::holds_alternative<std::string>(read_fetched_page(bad))) << bad;
}

}  // namespace
}  // namespace bridge55::scraping
