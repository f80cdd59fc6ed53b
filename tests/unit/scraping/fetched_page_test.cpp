#include "bridges/scraping/fetched_page.hpp"

#include <gtest/gtest.h>

namespace bridge55::scraping {
namespace {

FetchedPage page_of(std::string_view answer) {
  FetchedPage page;
  EXPECT_EQ(read_fetched_page(answer, page), "") << answer;
  return page;
}

TEST(FetchBody, HoldsMethodHeadersAndTheBodyAsText) {
  EXPECT_EQ(fetch_body({"GET", {}, {}, {}}), R"({"method":"GET","headers":{}})");
  EXPECT_EQ(fetch_body({"PUT", {{"A", "1"}, {"B", "\"x\""}}, "{\"k\":1}\n", {}}),
            R"({"method":"PUT","headers":{"A":"1","B":"\"x\""},"body":"{\"k\":1}\n"})");
  EXPECT_EQ(fetch_body({"GET", {}, {}, std::chrono::milliseconds(2500), false}),
            R"({"method":"GET","headers":{},"timeout":2.5,"allow_redirects":false})");
}

TEST(FetchedPage, IsTheTextOfRawOrTheBytesOfRawJson) {
  const FetchedPage text = page_of(
      R"({"meta":{"status":203,"final_url":"https://e/","blocked":false,"headers":{"content-type":"text/html",)"
      R"("x-n":7},"agent":{"id":"scraping-de1"},"bytes":3},"raw":"a\u00e9\n","raw_json":null})");
  EXPECT_EQ(text.status_code(), 203u);
  EXPECT_EQ(text.body(), "a\xc3\xa9\n");
  EXPECT_EQ(text.node_id, "scraping-de1");
  EXPECT_EQ(text.final_url, "\"https://e/\"");
  EXPECT_FALSE(text.blocked);
  const auto fields = text.fields();
  ASSERT_EQ(fields.size(), 2u);
  EXPECT_EQ(fields[1], (std::pair<std::string, std::string>("x-n", "7")));
  const FetchedPage data = page_of(
      R"({"meta":{"status":200,"blocked":true},"raw":null,"raw_json":{ "price": 1.950, "n":12345678901234567890 }})");
  EXPECT_EQ(data.body(), R"({ "price": 1.950, "n":12345678901234567890 })");
  EXPECT_TRUE(data.blocked);
  EXPECT_EQ(page_of(R"({"meta":{"status":204},"raw":null,"raw_json":null})").body(), "");
}

TEST(FetchedPage, AHeaderThatCannotBeOneIsLeftOut) {
  const FetchedPage page = page_of(
      R"({"meta":{"status":200,"headers":{"ok":"1","bad":"a\r\nSet-Cookie: x","no good":"1","list":["a","b"],"n":null}}})");
  const auto fields = page.fields();
  ASSERT_EQ(fields.size(), 3u);
  EXPECT_EQ(fields[0].first, "ok");
  EXPECT_EQ(fields[1], (std::pair<std::string, std::string>("list", "a")));
  EXPECT_EQ(fields[2], (std::pair<std::string, std::string>("list", "b")));
}

TEST(FetchedPage, WhatIsNoSuchAnswerIsSaidInWords) {
  for (const std::string_view bad :
       {"", "<html>", "[]", "{}", R"({"meta":[]})", R"({"meta":{"status":"200"}})"}) {
    FetchedPage page;
    EXPECT_NE(read_fetched_page(bad, page), "") << bad;
  }
}

}  // namespace
}  // namespace bridge55::scraping
