#include "bridges/rabbitmq/amqp_url.hpp"

#include <gtest/gtest.h>

namespace bridge55::rabbitmq {
namespace {

AmqpUrl parsed(std::string_view text) {
  auto result = parse_amqp_url(text);
  if (auto* wrong = std::get_if<std::string>(&result)) ADD_FAILURE() << text << ": " << *wrong;
  return std::holds_alternative<AmqpUrl>(result) ? std::get<AmqpUrl>(result) : AmqpUrl{};
}

std::string wrong_with(std::string_view text) {
  auto result = parse_amqp_url(text);
  return std::holds_alternative<std::string>(result) ? std::get<std::string>(result) : "";
}

TEST(AmqpUrl, EveryPartIsReadAndDecoded) {
  const AmqpUrl url = parsed("amqps://us%65r:p%40ss%3Aw%2F@broker.example.com:5673/v%2Fhost");
  EXPECT_TRUE(url.tls);
  EXPECT_EQ(url.user, "user");
  EXPECT_EQ(url.password.reveal(), "p@ss:w/");
  EXPECT_EQ(url.host, "broker.example.com");
  EXPECT_EQ(url.port, 5673);
  EXPECT_EQ(url.vhost, "v/host");
}

TEST(AmqpUrl, DefaultsAreTheUsualOnes) {
  const AmqpUrl url = parsed("amqp://");
  EXPECT_EQ(url.host, "localhost");
  EXPECT_EQ(url.port, 5672);
  EXPECT_EQ(url.user, "guest");
  EXPECT_EQ(url.password.reveal(), "guest");
  EXPECT_EQ(url.vhost, "/");
  EXPECT_EQ(url.heartbeat.count(), 10);
  EXPECT_EQ(parsed("amqps://h").port, 5671);
  EXPECT_EQ(parsed("amqp://h/").vhost, "/");
  EXPECT_EQ(parsed("amqp://h/%2F").vhost, "/");
  EXPECT_EQ(parsed("amqp://h/x").vhost, "x");
}

TEST(AmqpUrl, Ipv6AddressesLoseTheirBrackets) {
  const AmqpUrl url = parsed("amqp://[::1]:5700/");
  EXPECT_EQ(url.host, "::1");
  EXPECT_EQ(url.port, 5700);
  EXPECT_EQ(url.where(), "[::1]:5700/");
}

TEST(AmqpUrl, HeartbeatAndTimeoutComeFromTheQuery) {
  const AmqpUrl url = parsed("amqp://h/?heartbeat=30&connection_timeout=1500");
  EXPECT_EQ(url.heartbeat.count(), 30);
  EXPECT_EQ(url.connection_timeout.count(), 1500);
  EXPECT_NE(wrong_with("amqp://h/?heartbeat=0"), "");
  EXPECT_NE(wrong_with("amqp://h/?heartbeat=x"), "");
  EXPECT_NE(wrong_with("amqp://h/?verify=none"), "");
}

TEST(AmqpUrl, WhatIsBrokenIsRefused) {
  for (const char* text : {"http://h/", "amqp:/h", "", "amqp://h:0/", "amqp://h:65536/", "amqp://h:x/",
                           "amqp://h:/", "amqp://[::1/", "amqp://[::1]x/", "amqp://u%4:p@h/",
                           "amqp://u:%zz@h/", "amqp://h/%00", "amqp://h/a/b", "amqp://h%2/"}) {
    EXPECT_NE(wrong_with(text), "") << text;
  }
}

TEST(AmqpUrl, WhatMayBeShownHoldsNoSecret) {
  EXPECT_EQ(parsed("amqp://user:canary@h:1/v").where(), "h:1/v");
  EXPECT_EQ(wrong_with("amqp://user:canary@h:x/v").find("canary"), std::string::npos);
}

}  // namespace
}  // namespace bridge55::rabbitmq
