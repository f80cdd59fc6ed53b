#include "daemon/net/ws_handshake.hpp"

#include <gtest/gtest.h>

namespace bridge55 {
namespace {

using net::judge;

constexpr std::string_view kKey = "dGhlIHNhbXBsZSBub25jZQ==";

std::string answer(std::string_view status, std::string_view headers) {
  return std::string("HTTP/1.1 ").append(status).append("\r\n").append(headers).append("\r\n");
}

constexpr std::string_view kUpgrade = "Upgrade: WebSocket\r\n";
constexpr std::string_view kConnection = "Connection: keep-alive, Upgrade\r\n";
constexpr std::string_view kAccept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

std::string all(std::initializer_list<std::string_view> headers) {
  std::string text;
  for (const auto header : headers)
    text += header;
  return answer("101 Switching Protocols", text);
}

TEST(Handshake, AProperAnswerUpgrades) {
  EXPECT_TRUE(judge(all({kUpgrade, kConnection, kAccept}), kKey).upgraded());
}

TEST(Handshake, EachMissingOrWrongPartIsRefused) {
  EXPECT_FALSE(judge(all({kConnection, kAccept}), kKey).upgraded());
  EXPECT_FALSE(judge(all({kUpgrade, kAccept}), kKey).upgraded());
  EXPECT_FALSE(judge(all({kUpgrade, kConnection}), kKey).upgraded());
  EXPECT_FALSE(judge(all({kUpgrade, kConnection, "Sec-WebSocket-Accept: bad\r\n"}), kKey).upgraded());
  EXPECT_FALSE(
      judge(all({kUpgrade, kConnection, kAccept, "Sec-WebSocket-Extensions: permessage-deflate\r\n"}), kKey)
          .upgraded());
}

TEST(Handshake, ARefusalKeepsItsStatusAndRetryAfter) {
  const auto refused =
      judge(answer("429 Too Many Requests", "Retry-After: 7\r\nContent-Length: 2\r\n"), kKey);
  EXPECT_EQ(refused.status, 429u);
  EXPECT_EQ(refused.retry_after, "7");
  EXPECT_FALSE(refused.upgraded());
}

TEST(Handshake, WhatIsNotHttpIsSaidSo) {
  for (const std::string& head : {std::string("SSH-2.0-OpenSSH\r\n\r\n"), std::string("\x15\x03\x01\r\n\r\n"),
                                  std::string("\r\n\r\n")}) {
    EXPECT_FALSE(judge(head, kKey).upgraded());
    EXPECT_FALSE(judge(head, kKey).trouble.empty());
  }
}

TEST(Handshake, AHugeHeaderThrowsNothing) {
  const auto judged = judge(answer("101 x", "X: " + std::string(70000, 'x') + "\r\n"), kKey);
  EXPECT_FALSE(judged.upgraded());
  EXPECT_FALSE(judged.trouble.empty());
}

TEST(Handshake, ARequestIsBuiltFromCheckedParts) {
  EXPECT_EQ(net::check({"h", "/ws", {{"X-API-Key", "k"}}}), "");
  EXPECT_EQ(net::check({"h\r\n", "/ws", {}}), "Host");
  EXPECT_EQ(net::check({"h", "/w s", {}}), "target");
  EXPECT_EQ(net::check({"h", "/ws", {{"X", "a\r\nEvil: 1"}}}), "header");
  EXPECT_EQ(net::check({"h", "/ws", {{"X Y", "a"}}}), "header");
  const std::string text = net::upgrade_request({"h:1", "/ws?a=b", {{"X-API-Key", "k"}}}, kKey);
  EXPECT_TRUE(text.starts_with("GET /ws?a=b HTTP/1.1\r\nHost: h:1\r\n"));
  EXPECT_TRUE(text.ends_with("X-API-Key: k\r\n\r\n"));
}

}  // namespace
}  // namespace bridge55
