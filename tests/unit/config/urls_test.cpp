#include "config/urls.hpp"

#include "config/templates.hpp"

#include <array>

#include <gtest/gtest.h>

namespace bridge55::config {
namespace {

constexpr std::array<std::string_view, 2> ws{"ws", "wss"};

TEST(Urls, FaultsAreToldWithoutTheUrl) {
  EXPECT_EQ(url_fault("wss://host/ws", {.schemes = ws}), "");
  EXPECT_EQ(url_fault("wss://[::1]:8443", {.schemes = ws}), "");
  EXPECT_EQ(url_fault("", {.schemes = ws}), "is not a URL");
  EXPECT_EQ(url_fault("host:80", {.schemes = ws}), "does not begin with ws:// or wss://");
  EXPECT_EQ(url_fault("https://host", {.schemes = ws}), "does not begin with ws:// or wss://");
  EXPECT_EQ(url_fault("wss:///path", {.schemes = ws}), "has no host");
  EXPECT_EQ(url_fault("wss://h:0", {.schemes = ws}), "has a port that is not between 1 and 65535");
  EXPECT_EQ(url_fault("wss://h:65536", {.schemes = ws}), "has a port that is not between 1 and 65535");
  EXPECT_EQ(url_fault("wss://user:secret@h", {.schemes = ws}), "holds a user name or password");
  EXPECT_EQ(url_fault("wss://h?token=secret", {.schemes = ws}), "has a query");
  EXPECT_EQ(url_fault("wss://h#x", {.schemes = ws}), "has a fragment");
  EXPECT_EQ(url_fault("wss://h/x", {.schemes = ws, .path = false}), "has a path");
  EXPECT_EQ(url_fault("wss://h/a b", {.schemes = ws}), "is not a URL");
}

TEST(Urls, AmqpPathIsOneVirtualHost) {
  EXPECT_EQ(amqp_url_fault("amqp://guest:guest@127.0.0.1:5672/%2F"), "");
  EXPECT_EQ(amqp_url_fault("amqps://host"), "");
  EXPECT_EQ(amqp_url_fault("amqp://host/"), "");
  EXPECT_EQ(amqp_url_fault("amqp://host//"),
            "has a path of more than one segment (a slash in a virtual host is %2F)");
  EXPECT_EQ(amqp_url_fault("http://host"), "does not begin with amqp:// or amqps://");
}

TEST(Urls, PasswordAndQueryAreMasked) {
  EXPECT_EQ(masked_url("amqp://user:pa%40ss@host:5672/v"), "amqp://user:***@host:5672/v");
  EXPECT_EQ(masked_url("wss://host/ws?token=x&y=1"), "wss://host/ws?***");
  EXPECT_EQ(masked_url("https://host:8443/a:b@c"), "https://host:8443/a:b@c");
  EXPECT_EQ(masked_url("amqp://user@host"), "amqp://user@host");
  EXPECT_EQ(masked_url("amqp://:secret@host"), "amqp://:***@host");
  EXPECT_TRUE(url_has_secret("amqp://u:p@h"));
  EXPECT_FALSE(url_has_secret("amqp://h"));
  EXPECT_EQ(url_password("amqp://u:p%40@h"), "p@");
}

TEST(Addresses, HostAndPort) {
  EXPECT_EQ(split_host_port("127.0.0.1:5580").host, "127.0.0.1");
  EXPECT_EQ(split_host_port("[::1]:0").host, "::1");
  EXPECT_EQ(split_host_port("[::1]:65535").port, "65535");
  for (const char* text :
       {"", "5580", ":5580", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1:80", "a:080", "[]:1"})
    EXPECT_EQ(split_host_port(text).host, "") << text;
}

TEST(Addresses, LoopbackIsTheWholeBlock) {
  for (const char* host : {"127.0.0.1", "127.8.9.10", "::1", "localhost"})
    EXPECT_TRUE(is_loopback(host)) << host;
  for (const char* host : {"0.0.0.0", "::", "10.0.0.1", "example.com", "localhost.evil", "::ffff:10.0.0.1"})
    EXPECT_FALSE(is_loopback(host)) << host;
}

TEST(Origins, NothingAfterTheHost) {
  EXPECT_TRUE(is_origin("https://app.example.com"));
  EXPECT_TRUE(is_origin("http://localhost:3000"));
  for (const char* text :
       {"*", "null", "https://a/", "https://a/b", "app.example.com", "https://u@a", "ftp://a"})
    EXPECT_FALSE(is_origin(text)) << text;
}

TEST(Templates, BracesFieldsAndFilters) {
  for (const char* text : {"", "fixed", "{source}.{channel}.{event|lower}", "{payload.a.b|upper}", "x{key}"})
    EXPECT_EQ(template_fault(text), "") << text;
  EXPECT_EQ(template_fault("{source"), "has a `{` that is never closed");
  EXPECT_EQ(template_fault("{a{b}}"), "has a `{` that is never closed");
  EXPECT_EQ(template_fault("source}"), "has a `}` without a `{` before it");
  EXPECT_EQ(template_fault("{}"), "has a field that is empty");
  EXPECT_EQ(template_fault("{event|}"), "has a filter that is neither |lower nor |upper");
  EXPECT_EQ(template_fault("{event|trim}"), "has a filter that is neither |lower nor |upper");
  EXPECT_EQ(template_fault("{paylod.x}"), "has a field that does not begin with a member of the envelope");
  EXPECT_EQ(template_fault("{payload..x}"), "has a field that has an empty segment");
  EXPECT_EQ(template_fault("{payload.a b}"), "has a field that holds a character that no path may hold");
}

}  // namespace
}  // namespace bridge55::config
