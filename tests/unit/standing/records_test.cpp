// What AMQP streams and fetched pages say, and what is asked of them.
#include "bridges/scraping/standing/amqp_record.hpp"
#include "bridges/scraping/standing/page.hpp"
#include "bridges/scraping/standing/refusals.hpp"
#include "daemon/events/json.hpp"

#include <gtest/gtest.h>

namespace bridge55::scraping::standing {
namespace {

using namespace std::chrono_literals;

TEST(AmqpRecord, TheRequestHasWhatTheVendorDocumentsAndNoKey) {
  config::Relay relay;
  relay.host = "broker.example.com";
  relay.port = 5671;
  relay.ssl = true;
  relay.username = "user";
  relay.password = config::Secret("p\"ss");
  relay.exchange = "x";
  relay.geo = "DE";
  EXPECT_EQ(
      amqp_request(relay),
      R"({"host":"broker.example.com","port":5671,"virtual_host":"/","username":"user","password":"p\"ss",)"
      R"("exchange":"x","routing_key":"#","queue_prefix":"scrape","ssl":true,"heartbeat":60,"geo":"DE"})");
}

TEST(AmqpRecord, AMessageIsCutFromItsBytes) {
  const std::string_view data =
      R"({"body": "{\"odds\": 1.950}", "routing_key": "19454.match.123", "exchange": "19454.all", "delivery_tag": 1, "content_type": "application/json"})";
  AmqpMessage message;
  ASSERT_EQ(read_amqp_message(data, message), "");
  EXPECT_EQ(json::text(message.body), R"({"odds": 1.950})");
  std::string relay;
  append_amqp_relay(relay, "scraping-de1", message);
  EXPECT_EQ(relay, R"({"node_id":"scraping-de1","routing_key":"19454.match.123","exchange":"19454.all",)"
                   R"("content_type":"application/json","delivery_tag":1})");
}

TEST(AmqpRecord, WhatIsNotThereIsLeftOut) {
  AmqpMessage message;
  ASSERT_EQ(read_amqp_message(R"({"body":""})", message), "");
  std::string relay;
  append_amqp_relay(relay, "", message);
  EXPECT_EQ(relay, R"({"node_id":""})");
}

TEST(AmqpRecord, WhatCannotBeUnderstoodHasAReason) {
  AmqpMessage message;
  for (const char* data : {"", "x", "[]", "{}", "{\"body\":", "{\"body\":\"\xff\"}"})
    EXPECT_NE(read_amqp_message(data, message), "") << data;
}

TEST(AmqpRecord, AnErrorSaysWhoseItIs) {
  End end = read_amqp_error(R"({"message": "agent error: connection refused", "code": 1011})");
  EXPECT_EQ(end.cause, Cause::agent);
  EXPECT_EQ(end.close_code, 1011);
  EXPECT_EQ(end.reason, "the scraping network ended the stream: agent error: connection refused");
  EXPECT_EQ(read_amqp_error(R"({"message":"Rate limit exceeded"})").cause, Cause::limited);
  EXPECT_EQ(read_amqp_error(R"({"message":"Invalid API key"})").cause, Cause::refused);
  EXPECT_EQ(read_amqp_error(R"({"message":"agent error: 403 ACCESS_REFUSED - Login was refused"})").cause,
            Cause::refused);
  EXPECT_EQ(read_amqp_error("noise").cause, Cause::agent);
}

TEST(Page, ThePollHasTheTargetInAHeaderAndTheRestInTheBody) {
  config::Relay relay;
  relay.url = "https://example.com/prices.json?a=1";
  relay.headers = {{"Accept", config::Secret("x")}, {"cookie", config::Secret("a=b")}};
  relay.cookies = {{"session", config::Secret("abc")}};
  relay.timeout = 1500ms;
  relay.allow_redirects = false;
  relay.geo = "US,DE";
  relay.agent = "de1";
  const PageAsk ask = ask_for_page(relay);
  EXPECT_EQ(
      ask.body,
      R"({"method":"GET","headers":{"Accept":"x","Cookie":"a=b; session=abc"},"timeout":1.5,"allow_redirects":false})");
  const std::vector<std::pair<std::string, std::string>> headers = {{"X-Target-URL", relay.url},
                                                                    {"Content-Type", "application/json"},
                                                                    {"X-Geo", "US,DE"},
                                                                    {"X-Agent", "de1"}};
  EXPECT_EQ(ask.headers, headers);
  EXPECT_TRUE(ask.repeatable);
  relay.method = "POST";
  relay.body = "q=\"1\"";
  relay.timeout = 30s;
  const PageAsk post = ask_for_page(relay);
  EXPECT_FALSE(post.repeatable);
  EXPECT_NE(post.body.find(R"("body":"q=\"1\"","timeout":30,)"), std::string::npos) << post.body;
}

constexpr const char* kMeta =
    R"("meta":{"status":200,"final_url":"https://example.com/","elapsed_ms":245,"blocked":false,"agent":{"id":"scraping-de1"},"bytes":4521})";

TEST(Page, JsonKeepsItsBytes) {
  const std::string answer = std::string("{") + kMeta + R"(,"raw":null,"raw_json":{"a" : 1.950}})";
  FetchedPage page;
  ASSERT_EQ(read_fetched_page(answer, page), "");
  EXPECT_EQ(page.body(), R"({"a" : 1.950})");
  EXPECT_FALSE(page.blocked);
  EXPECT_EQ(page.status_code(), 200u);
  std::string relay;
  append_page_relay(relay, page);
  EXPECT_EQ(relay,
            R"({"node_id":"scraping-de1","status":200,"final_url":"https://example.com/","elapsed_ms":245})");
}

TEST(Page, TextIsWhatRawSays) {
  const std::string answer = std::string("{") + kMeta + R"(,"raw":"<p>\u00e9","raw_json":null})";
  FetchedPage page;
  ASSERT_EQ(read_fetched_page(answer, page), "");
  EXPECT_EQ(page.body(), "<p>\xc3\xa9");
}

TEST(Page, ABlockedOneSaysSo) {
  FetchedPage page;
  ASSERT_EQ(read_fetched_page(R"({"meta":{"status":403,"blocked":true},"raw":"no"})", page), "");
  EXPECT_TRUE(page.blocked);
  EXPECT_EQ(page.status_code(), 403u);
}

TEST(Page, WhatCannotBeUnderstoodHasAReason) {
  FetchedPage page;
  for (const char* answer : {"", "<html>", "{}", R"({"meta":5})", R"({"meta":{}})"})
    EXPECT_NE(read_fetched_page(answer, page), "") << answer;
}

TEST(Page, OnlyAChangedBodyIsNews) {
  Changes changes(false);
  EXPECT_TRUE(changes.is_news("a"));
  EXPECT_FALSE(changes.is_news("a"));
  EXPECT_TRUE(changes.is_news("b"));
  EXPECT_TRUE(changes.is_news("a"));
  EXPECT_TRUE(changes.is_news(""));
  Changes always(true);
  EXPECT_TRUE(always.is_news("a"));
  EXPECT_TRUE(always.is_news("a"));
}

TEST(Ends, TheVendorsStatusSaysWhatToDo) {
  EXPECT_EQ(end_of_status(401, "").cause, Cause::refused);
  EXPECT_EQ(end_of_status(403, R"({"detail":"Invalid or missing API key"})").reason,
            "the scraping network answered 403: Invalid or missing API key");
  EXPECT_EQ(end_of_status(429, "").cause, Cause::limited);
  EXPECT_EQ(end_of_status(422, "").cause, Cause::refused);
  EXPECT_EQ(end_of_status(502, "").cause, Cause::agent);
  EXPECT_EQ(end_of_status(504, R"({"detail":{"message":"late"}})").reason,
            "the scraping network answered 504: late");
}

TEST(Ends, TheGatewaysRefusalSaysWhatToDo) {
  local::Refusal refusal{429, "QUEUE_TIMEOUT", "the limit is used up", {{"Retry-After", "7"}}, {}};
  EXPECT_EQ(end_of_refusal(refusal).cause, Cause::limited);
  EXPECT_EQ(end_of_refusal(refusal).retry_after, 7s);
  refusal = {503, "BREAKER_OPEN", "failed repeatedly", {{"Retry-After", "3"}}, {}};
  EXPECT_EQ(end_of_refusal(refusal).cause, Cause::unreachable);
  EXPECT_EQ(end_of_refusal(refusal).retry_after, 3s);
  refusal.status = 0;
  EXPECT_EQ(end_of_refusal(refusal).cause, Cause::stopped);
}

}  // namespace
}  // namespace bridge55::scraping::standing
