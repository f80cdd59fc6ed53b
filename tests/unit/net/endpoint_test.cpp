#include "daemon/net/endpoint.hpp"

#include <map>

#include <gtest/gtest.h>

namespace bridge55 {
namespace {

using net::choose_proxy;
using net::parse_endpoint;

net::Environment with(std::map<std::string, std::string> variables) {
  return [variables = std::move(variables)](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::string() : found->second;
  };
}

TEST(Endpoint, UrlsAreTakenApart) {
  const auto vendor = parse_endpoint("wss://v2.55-tech.com/ws");
  ASSERT_TRUE(vendor);
  EXPECT_TRUE(vendor->tls);
  EXPECT_EQ(vendor->host, "v2.55-tech.com");
  EXPECT_EQ(vendor->port, 443);
  EXPECT_EQ(vendor->target, "/ws");
  EXPECT_EQ(vendor->host_header, "v2.55-tech.com");
  const auto local = parse_endpoint("ws://[::1]:8080?a=b");
  ASSERT_TRUE(local);
  EXPECT_FALSE(local->tls);
  EXPECT_EQ(local->host, "::1");
  EXPECT_EQ(local->target, "/?a=b");
  EXPECT_EQ(local->host_header, "[::1]:8080");
  EXPECT_EQ(parse_endpoint("wss://h:443/")->host_header, "h");
  for (const char* wrong : {"", "v2.55-tech.com", "ftp://h/", "wss:///ws", "wss://h:99999/"})
    EXPECT_FALSE(parse_endpoint(wrong)) << wrong;
}

TEST(Proxy, TheConfigComesBeforeTheEnvironment) {
  const auto endpoint = *parse_endpoint("wss://v2.55-tech.com/ws");
  const auto environment = with({{"HTTPS_PROXY", "http://env:1"}});
  EXPECT_EQ(choose_proxy(endpoint, "http://config:2", environment).proxy->host, "config");
  EXPECT_EQ(choose_proxy(endpoint, "", environment).proxy->host, "env");
  EXPECT_FALSE(choose_proxy(endpoint, "", with({})).proxy);
  EXPECT_FALSE(choose_proxy(*parse_endpoint("ws://h/"), "", environment).proxy);
}

TEST(Proxy, CredentialsAreDecodedAndEncoded) {
  const auto choice = choose_proxy(*parse_endpoint("wss://h/"), "http://us%40er:p%3Ass@proxy:3128", with({}));
  ASSERT_TRUE(choice.proxy);
  EXPECT_EQ(choice.proxy->port, 3128);
  EXPECT_EQ(choice.proxy->basic_credentials, "dXNAZXI6cDpzcw==");
  EXPECT_EQ(choose_proxy(*parse_endpoint("wss://h/"), "proxy:3128", with({})).proxy->host, "proxy");
}

TEST(Proxy, OneThatCannotBeUsedIsSaidWithoutItsPassword) {
  const auto choice = choose_proxy(*parse_endpoint("wss://h/"), "socks5://u:secret@proxy:1080", with({}));
  EXPECT_FALSE(choice.proxy);
  EXPECT_FALSE(choice.trouble.empty());
  EXPECT_EQ(choice.trouble.find("secret"), std::string::npos);
}

TEST(Proxy, NoProxyExemptsNamesSuffixesAndAll) {
  const auto endpoint = *parse_endpoint("wss://v2.55-tech.com/ws");
  const auto chosen = [&](const char* list) {
    return choose_proxy(endpoint, "", with({{"https_proxy", "http://env:1"}, {"NO_PROXY", list}}))
        .proxy.has_value();
  };
  for (const char* list : {"*", "v2.55-tech.com", "55-tech.com", ".55-tech.com", "*.55-tech.com",
                           "a, V2.55-TECH.com", "v2.55-tech.com:443"}) {
    EXPECT_FALSE(chosen(list)) << list;
  }
  for (const char* list : {"", "tech.com", "5-tech.com", "v2.55-tech.com:444", "x"})
    EXPECT_TRUE(chosen(list)) << list;
}

}  // namespace
}  // namespace bridge55
