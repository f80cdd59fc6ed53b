#include "bridges/scraping/relay_target.hpp"

#include <gtest/gtest.h>

namespace bridge55::scraping {
namespace {

using local::Head;
using local::Refusal;

const SignsIn kNobody = [](const local::Header&) { return false; };

Head head_of(std::vector<local::Header> headers) {
  Head head;
  head.method = "GET";
  head.headers = std::move(headers);
  return head;
}

SocketAsk asked(const Head& head, const SignsIn& signs_in = kNobody) {
  auto result = socket_ask(head, "wss://t", signs_in);
  EXPECT_TRUE(std::holds_alternative<SocketAsk>(result)) << std::get<Refusal>(result).message;
  return std::holds_alternative<SocketAsk>(result) ? std::get<SocketAsk>(result) : SocketAsk{};
}

bool refused(const Head& head) {
  return std::holds_alternative<Refusal>(socket_ask(head, "wss://t", kNobody));
}

TEST(ViaTarget, IsTheUrlAsItWasWritten) {
  const auto socket = via_target("/via/wss://host:8443/a%2Fb/../c?token=x&y=%7e");
  ASSERT_TRUE(socket);
  EXPECT_TRUE(socket->web_socket);
  EXPECT_EQ(socket->url, "wss://host:8443/a%2Fb/../c?token=x&y=%7e");
  EXPECT_TRUE(via_target("/via/ws://h")->web_socket);
  EXPECT_FALSE(via_target("/via/https://[::1]/")->web_socket);
  EXPECT_EQ(via_target("/via/HTTP://h?q")->url, "http://h?q");
}

TEST(ViaTarget, NothingElseIsOne) {
  for (const std::string_view bad :
       {"/via/", "/via", "/via/example.com", "/via/ftp://h", "/via/https:/h", "/via/https://",
        "/via/https:///x", "/via/wss://:80/", "/via/wss://user@/x", "/via/wss%3A//h", "/viax/https://h",
        "/%76ia/https://h"})
    EXPECT_FALSE(via_target(bad)) << bad;
}

TEST(SocketAsk, TakesTheHeadersThatAClientIsKnownByAndNoOther) {
  const SocketAsk ask = asked(head_of({{"Host", "127.0.0.1"},
                                       {"Cookie", "a=1"},
                                       {"Cookie", "b=2"},
                                       {"User-Agent", "ua"},
                                       {"Referer", "r"},
                                       {"Accept-Language", "de"},
                                       {"Authorization", "Bearer x"},
                                       {"Origin", "http://127.0.0.1"},
                                       {"X-Other", "1"},
                                       {"Sec-WebSocket-Key", "k"}}));
  const Fields expected = {{"Cookie", "a=1; b=2"},
                           {"User-Agent", "ua"},
                           {"Referer", "r"},
                           {"Accept-Language", "de"},
                           {"Authorization", "Bearer x"}};
  EXPECT_EQ(ask.relay.headers, expected);
  EXPECT_EQ(ask.relay.url, "wss://t");
}

TEST(SocketAsk, WhatSignsTheAppInStaysHere) {
  const auto by_authorization = [](const local::Header& header) { return header.name == "Authorization"; };
  EXPECT_TRUE(asked(head_of({{"Authorization", "Bearer local"}}), by_authorization).relay.headers.empty());
}

TEST(SocketAsk, XForwardSendsAnyHeaderInPlaceOfTheClientsOwn) {
  const SocketAsk ask = asked(head_of({{"x-forward-Origin", "https://t"},
                                       {"User-Agent", "mine"},
                                       {"X-Forward-User-Agent", "theirs"},
                                       {"X-Forwarded-For", "1.2.3.4"},
                                       {"X-Forward-Host", "t"}}));
  const Fields expected = {{"Origin", "https://t"}, {"User-Agent", "theirs"}, {"Host", "t"}};
  EXPECT_EQ(ask.relay.headers, expected);
  for (const char* name : {"X-Forward-Connection", "X-Forward-Upgrade", "X-Forward-Sec-WebSocket-Key",
                           "X-Forward-Transfer-Encoding", "X-Forward-Content-Length"})
    EXPECT_TRUE(refused(head_of({{name, "x"}}))) << name;
}

TEST(SocketAsk, ControlHeadersSteerAndAreNotPassedOn) {
  const SocketAsk ask = asked(head_of({{"X-CC", "US,DE"}, {"X-Agent", "de1"}, {"X-Idle-Timeout", "1.5"}}));
  EXPECT_EQ(ask.relay.geo, "US,DE");
  EXPECT_EQ(ask.relay.agent, "de1");
  EXPECT_EQ(ask.relay.idle, std::chrono::milliseconds(1500));
  EXPECT_TRUE(ask.relay.headers.empty());
  for (const char* alias : {"X-Geo", "X-Geo-CC", "X-Geo-Strict", "x-country"})
    EXPECT_EQ(steering_of(head_of({{alias, "AT"}})).geo, "AT") << alias;
  for (const char* bad : {"soon", "-1", "", "1s", "nan", "1e9"})
    EXPECT_EQ(refused(head_of({{"X-Idle-Timeout", bad}})), *bad != '\0') << bad;
}

TEST(SocketAsk, OneSubprotocolIsPassedOnOfSeveralTheNamedOne) {
  EXPECT_EQ(asked(head_of({})).subprotocol, "");
  const SocketAsk one = asked(head_of({{"Sec-WebSocket-Protocol", "graphql-transport-ws"}}));
  EXPECT_EQ(one.subprotocol, "graphql-transport-ws");
  EXPECT_EQ(one.relay.headers, (Fields{{"Sec-WebSocket-Protocol", "graphql-transport-ws"}}));
  EXPECT_EQ(asked(head_of({{"Sec-WebSocket-Protocol", "a, b"}})).subprotocol, "");
  EXPECT_EQ(asked(head_of({{"Sec-WebSocket-Protocol", "a"}, {"Sec-WebSocket-Protocol", "b"}})).subprotocol,
            "");
  EXPECT_EQ(asked(head_of({{"Sec-WebSocket-Protocol", "a, b"}, {"X-Subprotocol", "b"}})).subprotocol, "b");
  EXPECT_TRUE(refused(head_of({{"Sec-WebSocket-Protocol", "a, b"}, {"X-Subprotocol", "c"}})));
  EXPECT_TRUE(refused(head_of({{"Sec-WebSocket-Protocol", "a b"}})));
}

TEST(TargetFields, EverythingButTheConnectionsOwnAndWhatIsSaidToUs) {
  const auto fields = target_fields(head_of({{"Host", "h"},
                                             {"Accept", "a"},
                                             {"accept", "b"},
                                             {"Connection", "keep-alive, X-Hop"},
                                             {"X-Hop", "1"},
                                             {"TE", "trailers"},
                                             {"Content-Length", "3"},
                                             {"Content-Type", "text/plain"},
                                             {"X-Geo", "DE"},
                                             {"X-Timeout", "3"},
                                             {"X-Bridge-Max-Wait", "1s"},
                                             {"X-API-Key", "target's"},
                                             {"X-Forward-Origin", "https://t"},
                                             {"Sec-Fetch-Mode", "cors"}}),
                                    kNobody);
  ASSERT_TRUE(std::holds_alternative<Fields>(fields));
  const Fields expected = {
      {"Accept", "a, b"}, {"Content-Type", "text/plain"}, {"X-API-Key", "target's"}, {"Origin", "https://t"}};
  EXPECT_EQ(std::get<Fields>(fields), expected);
}

}  // namespace
}  // namespace bridge55::scraping
