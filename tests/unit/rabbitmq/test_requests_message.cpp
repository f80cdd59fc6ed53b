// What a message must be to be a request, and how an answer looks as a reply.
#include "bridges/rabbitmq/requests_message.hpp"

#include <gtest/gtest.h>

namespace bridge55::rabbitmq {
namespace {

local::InnerRequest good(std::string_view message) {
  auto read = read_request(message);
  const auto* fault = std::get_if<local::Refusal>(&read);
  EXPECT_EQ(fault, nullptr) << fault->message;
  return fault ? local::InnerRequest{} : std::get<local::InnerRequest>(std::move(read));
}

unsigned refused(std::string_view message) {
  const auto read = read_request(message);
  const auto* fault = std::get_if<local::Refusal>(&read);
  return fault ? fault->status : 0;
}

using Headers = std::vector<std::pair<std::string, std::string>>;

TEST(RequestMessage, a_path_alone_is_a_get_without_a_body) {
  const auto request = good(R"({"path": "/abp/orders?a=b"})");
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.path, "/abp/orders?a=b");
  EXPECT_FALSE(request.body);
  EXPECT_TRUE(request.headers.empty());
}

TEST(RequestMessage, a_json_body_goes_byte_for_byte_and_says_what_it_is) {
  const auto request =
      good(R"({"method":"POST","path":"/abp/place-orders","body": {"b":1.50, "a":12345678901234567890} })");
  EXPECT_EQ(request.body, R"({"b":1.50, "a":12345678901234567890})");
  EXPECT_EQ(request.headers, (Headers{{"Content-Type", "application/json"}}));
  EXPECT_EQ(good(R"({"path":"/x","body":false})").body, "false");
  EXPECT_FALSE(good(R"({"path":"/x","body":null})").body);
}

TEST(RequestMessage, a_text_goes_as_that_text) {
  EXPECT_EQ(good(R"({"path":"/x","body":"{\"a\": 1.0}"})").body, R"({"a": 1.0})");
  EXPECT_EQ(good(R"({"path":"/x","body":"{\"a\": 1.0}"})").headers,
            (Headers{{"Content-Type", "application/json"}}));
  EXPECT_EQ(good(R"({"path":"/x","body":"a\u0000\u00e9"})").body, std::string("a\0\xc3\xa9", 4));
  EXPECT_TRUE(good(R"({"path":"/x","body":"plain"})").headers.empty());
  EXPECT_EQ(good(R"({"path":"/x","body":""})").body, "");
}

TEST(RequestMessage, headers_are_texts_numbers_or_lists_and_their_connection_is_not_ours) {
  const auto request = good(
      R"({"path":"/x","headers":{"A":"1","N":5,"L":["a","b"],"Host":"h","content-length":"3","Connection":"close"}})");
  EXPECT_EQ(request.headers, (Headers{{"A", "1"}, {"N", "5"}, {"L", "a"}, {"L", "b"}}));
  EXPECT_EQ(good(R"({"path":"/x","headers":{"content-type":"text/x"},"body":{}})").headers,
            (Headers{{"content-type", "text/x"}}));
}

TEST(RequestMessage, what_is_no_object_is_400_and_what_cannot_be_used_422) {
  for (const char* bad : {"", "{", "[]", "1", "\"x\"", "{\"path\":\"/x\"} x", "{\"path\":\"\xff\"}"})
    EXPECT_EQ(refused(bad), 400u) << bad;
  for (const char* bad :
       {"{}", R"({"path":1})", R"({"path":"x"})", R"({"path":""})", R"({"path":"http://x/"})",
        R"({"path":"/x","method":null})", R"({"path":"/x","headers":"x"})",
        R"({"path":"/x","headers":{"a":{}}})", R"({"path":"/x","headers":{"a":[1,{}]}})",
        R"({"path":"/x","query":{}})", R"({"path":"/x","path":"/y"})", R"({"path":"/x","p\u0061th":"/y"})"})
    EXPECT_EQ(refused(bad), 422u) << bad;
}

TEST(RequestMessage, another_method_path_or_body_is_another_request_and_other_headers_are_not) {
  const auto print = [](std::string_view message) { return print_of(good(message)); };
  const auto one = print(R"({"method":"POST","path":"/x","body":{"a":1}})");
  EXPECT_EQ(one, print(R"({"body":{"a":1},"path":"/x","method":"POST","headers":{"X-Request-Id":"2"}})"));
  EXPECT_NE(one, print(R"({"method":"PUT","path":"/x","body":{"a":1}})"));
  EXPECT_NE(one, print(R"({"method":"POST","path":"/y","body":{"a":1}})"));
  EXPECT_NE(one, print(R"({"method":"POST","path":"/x","body":{"a":2}})"));
}

TEST(RequestReply, json_is_embedded_as_it_came) {
  EXPECT_EQ(reply_text({200, {{"A", "1"}}, "{\"n\": 1.50}\n"}),
            R"({"status":200,"headers":{"A":"1"},"body":{"n": 1.50}})");
}

TEST(RequestReply, other_text_is_a_string_and_other_bytes_are_base64) {
  EXPECT_EQ(reply_text({200, {}, "a\"b\n"}), R"({"status":200,"headers":{},"body":"a\"b\n"})");
  EXPECT_EQ(reply_text({204, {}, ""}), R"({"status":204,"headers":{},"body":""})");
  EXPECT_EQ(reply_text({200, {}, "\xef\xbf\xbd!"}),
            "{\"status\":200,\"headers\":{},\"body\":\"\xef\xbf\xbd!\"}");
  EXPECT_EQ(reply_text({200, {}, "\xff\xfe"}),
            R"({"status":200,"headers":{},"body":"//4=","encoding":"base64"})");
}

TEST(RequestReply, a_header_that_came_twice_is_a_list) {
  EXPECT_EQ(reply_text({200, {{"Set-Cookie", "a"}, {"X", "1"}, {"set-cookie", "b"}}, "1"}),
            R"({"status":200,"headers":{"Set-Cookie":["a","b"],"X":"1"},"body":1})");
}

}  // namespace
}  // namespace bridge55::rabbitmq
