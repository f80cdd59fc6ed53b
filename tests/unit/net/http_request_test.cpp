#include "daemon/net/http_request.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace bridge55 {
namespace {

using net::build_request;
using net::BuiltRequest;
using net::HttpField;
using net::HttpRequest;

TEST(HttpRequest, TheHeadIsBuiltOverWhatWasThere) {
  BuiltRequest built;
  const std::vector<HttpField> fields = {{"X-API-Key", "k"}, {"Accept", "*/*"}};
  HttpRequest request;
  request.method = "POST";
  request.target = "/orders?a=b%20c";
  request.host = "h:8080";
  request.fields = fields;
  request.content_length = 12;
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(build_request(request, built), "");
    EXPECT_EQ(built.head,
              "POST /orders?a=b%20c HTTP/1.1\r\nHost: h:8080\r\nX-API-Key: k\r\nAccept: "
              "*/*\r\nContent-Length: 12\r\n\r\n");
    EXPECT_EQ(built.length, 12u);
  }
  HttpRequest head;
  head.method = "HEAD";
  head.host = "h";
  EXPECT_EQ(build_request(head, built), "");
  EXPECT_EQ(built.head, "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(built.to_head);
  EXPECT_EQ(built.length, 0u);
}

TEST(HttpRequest, NothingThatEndsALineOrFramesABodyPasses) {
  BuiltRequest built;
  const auto refused = [&](const HttpRequest& request) {
    const bool words = !build_request(request, built).empty();
    EXPECT_TRUE(built.head.empty() || !words);
    return words;
  };
  const auto with = [](auto change) {
    HttpRequest request;
    request.host = "h";
    change(request);
    return request;
  };
  using namespace std::string_view_literals;
  EXPECT_FALSE(refused(with([](HttpRequest&) {})));
  for (const auto method : {""sv, "GE T"sv, "GET\r\n"sv, "CONNECT"sv})
    EXPECT_TRUE(refused(with([&](HttpRequest& r) { r.method = method; }))) << method;
  for (const auto target :
       {""sv, "x"sv, "http://h/"sv, "*"sv, "/a b"sv, "/a\r\nX: y"sv, "/a#b"sv, "/\xc3\xa4"sv, "/\0"sv})
    EXPECT_TRUE(refused(with([&](HttpRequest& r) { r.target = target; }))) << target;
  for (const auto host : {""sv, "a b"sv, "h\r\nX: y"sv})
    EXPECT_TRUE(refused(with([&](HttpRequest& r) { r.host = host; }))) << host;
  for (const HttpField field : {HttpField{"", "x"},
                                {"a b", "x"},
                                {"a:", "x"},
                                {"a", "x\r\ny"},
                                {"a", "x\ny"},
                                {"a", "x\0y"sv},
                                {"Host", "x"},
                                {"content-length", "1"},
                                {"Transfer-Encoding", "chunked"},
                                {"Connection", "close"},
                                {"Expect", "100-continue"}}) {
    EXPECT_TRUE(refused(with([&](HttpRequest& r) { r.fields = {&field, 1}; }))) << field.name;
  }
  EXPECT_TRUE(refused(with([](HttpRequest& r) { r.chunked = true, r.content_length = 1; })));
}

}  // namespace
}  // namespace bridge55
