// What passes between an app and upstream, and what stays behind.
#include "daemon/gateway/headers.hpp"

#include "daemon/gateway/key_in_body.hpp"

#include <gtest/gtest.h>

namespace bridge55::gateway {
namespace {

std::vector<std::string> up(std::vector<local::Header> headers, std::string_view key_header = "X-API-Key") {
  local::Head head;
  head.headers = std::move(headers);
  std::vector<net::HttpField> fields;
  pass_up(head, key_header, fields);
  std::vector<std::string> out;
  for (const net::HttpField& field : fields)
    out.push_back(std::string(field.name) + "=" + std::string(field.value));
  return out;
}
using Names = std::vector<std::string>;

TEST(HeadersUp, WhatAnAppSaysToTheVendorPassesInOrder) {
  EXPECT_EQ(up({{"Accept", "a"}, {"X-Geo", "DE"}, {"accept", "b"}, {"Cookie", "c=d"}}),
            (Names{"Accept=a", "X-Geo=DE", "accept=b", "Cookie=c=d"}));
}

TEST(HeadersUp, HopByHopAndWhatConnectionNamesStayBehind) {
  EXPECT_EQ(up({{"Connection", "keep-alive, X-One"},
                {"x-one", "1"},
                {"Keep-Alive", "5"},
                {"TE", "trailers"},
                {"Trailer", "x"},
                {"Upgrade", "h2c"},
                {"Proxy-Connection", "x"},
                {"Transfer-Encoding", "chunked"},
                {"Proxy-Authorization", "x"},
                {"X-Two", "2"}}),
            (Names{"X-Two=2"}));
}

TEST(HeadersUp, KeysOverridesAndWordsToTheDaemonStayBehind) {
  EXPECT_EQ(up({{"Authorization", "x"},
                {"X-API-KEY", "x"},
                {"X-Abp-Api-Key", "x"},
                {"X-Bridge-Timeout", "5s"},
                {"X-Http-Method-Override", "POST"},
                {"X-Original-URL", "/"},
                {"Host", "h"},
                {"Content-Length", "1"},
                {"Expect", "100-continue"},
                {"X-Request-Id", "r"}}),
            Names{});
  EXPECT_EQ(up({{"X-Own-Key", "x"}}, "x-own-key"), Names{});
}

TEST(HeadersDown, FramingAndWhatLoosensABrowsersRulesStayBehind) {
  net::ResponseHead head;
  head.fields = {{"Connection", "X-One"},
                 {"X-One", "1"},
                 {"Content-Length", "2"},
                 {"Set-Cookie", "a"},
                 {"Set-Cookie", "b"},
                 {"Alt-Svc", "h3"},
                 {"X-Request-Id", "r"},
                 {"X-RateLimit-Limit", "9"},
                 {"Access-Control-Allow-Origin", "*"},
                 {"X-Bridge-Sent", "yes"},
                 {"Retry-After", "1"}};
  std::string lines;
  append_lines(head, lines);
  EXPECT_EQ(lines, "Set-Cookie: a\r\nSet-Cookie: b\r\nX-RateLimit-Limit: 9\r\nRetry-After: 1\r\n");
}

TEST(HeadersDown, UpstreamCannotSpeakInTheDaemonsName) {
  net::ResponseHead head;
  head.fields = {{"Proxy-Status", "bridge55; error=x"},
                 {"Proxy-Status", "cdn; error=x"},
                 {"Cache-Status", "bridge55; hit"}};
  ASSERT_EQ(pass_down(head).size(), 1u);
  EXPECT_EQ(pass_down(head)[0].value, "cdn; error=x");
}

TEST(KeyInAnswer, WhatUpstreamSaysBackIsMaskedInItsLength) {
  std::string text = R"({"api_key":"secret-1","again":"secret-1"})";
  EXPECT_TRUE(mask_key(text, "secret-1"));
  EXPECT_EQ(text, R"({"api_key":"********","again":"********"})");
  EXPECT_FALSE(mask_key(text, "secret-1"));
  EXPECT_FALSE(mask_key(text, ""));
}

TEST(KeyInBody, OursGoesInAndTheAppsGoesOut) {
  std::string body = R"({ "apiKey":"mine", "url": "u" ,"key":"mine","n":1.50,"api\u004bey":"mine"})";
  EXPECT_EQ(put_key(body, "the\"key"), "");
  EXPECT_EQ(body, R"({"apiKey":"the\"key","url":"u","n":1.50})");
  body = "{}";
  EXPECT_EQ(put_key(body, "k"), "");
  EXPECT_EQ(body, R"({"apiKey":"k"})");
}

TEST(KeyInBody, WhatIsNoJsonObjectIsRefused) {
  for (const char* bad : {"", "[]", "{", "\"x\"", "{\"a\":1}x"}) {
    std::string body = bad;
    EXPECT_NE(put_key(body, "k"), "") << bad;
    EXPECT_EQ(body, bad);
  }
}

}  // namespace
}  // namespace bridge55::gateway
