// A browser on this machine is not an app: what keeps pages, DNS rebinding and leaked tokens out.
#include "daemon/local/guard.hpp"

#include <gtest/gtest.h>

namespace bridge55::local {
namespace {

const Door kTcp{false, false, "127.0.0.1", 5580};

Head request(std::vector<Header> headers) {
  Head head;
  head.headers = std::move(headers);
  return head;
}

unsigned status(std::vector<Header> headers, const config::Http& http = {}, const Door& door = kTcp) {
  const Admission admission = admit(request(std::move(headers)), door, http);
  return admission.refusal ? admission.refusal->status : 200;
}

TEST(Guard, LoopbackHostsAreServed) {
  for (const char* host : {"localhost", "LOCALHOST:5580", "127.0.0.1", "127.0.0.1:5580", "127.9.9.9:1",
                           "[::1]", "[::1]:5580", "[::ffff:127.0.0.1]:80", "localhost.:80"}) {
    EXPECT_EQ(status({{"Host", host}}), 200u) << host;
  }
}

TEST(Guard, OtherHostsGet421) {
  for (const char* host :
       {"evil.example", "evil.example:5580", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1",
        "0.0.0.0", "[::2]", "127.1", "2130706433", "0177.0.0.1", "::1"}) {
    EXPECT_NE(status({{"Host", host}}), 200u) << host;
  }
  EXPECT_EQ(status({{"Host", "evil.example"}}), 421u);
}

TEST(Guard, HostsThatAreNoHostGet400) {
  for (const char* host : {"", "a b", "localhost:", "localhost:x", "localhost:70000", "localhost/",
                           "user@localhost", "[::1", "a,b"}) {
    EXPECT_EQ(status({{"Host", host}}), 400u) << host;
  }
}

TEST(Guard, AllowedHostsAreServed) {
  config::Http http;
  http.allowed_hosts = {"bridge.lan", "other.lan:443"};
  EXPECT_EQ(status({{"Host", "Bridge.LAN:5580"}}, http), 200u);
  EXPECT_EQ(status({{"Host", "other.lan:443"}}, http), 200u);
  EXPECT_EQ(status({{"Host", "other.lan:444"}}, http), 421u);
}

TEST(Guard, AListenerThatIsNotLoopbackIsKnownByItsAddress) {
  const Door door{false, true, "10.1.2.3", 5580};
  EXPECT_EQ(status({{"Host", "10.1.2.3:5580"}}, {}, door), 200u);
  EXPECT_EQ(status({{"Host", "10.1.2.4:5580"}}, {}, door), 421u);
}

TEST(Guard, UnixSocketsMayLeaveTheHostEmpty) {
  const Door door{true, false, "", 0};
  EXPECT_EQ(status({{"Host", ""}}, {}, door), 200u);
  EXPECT_EQ(status({{"Host", "localhost"}}, {}, door), 200u);
  EXPECT_EQ(status({{"Host", "evil.example"}}, {}, door), 421u);
}

TEST(Guard, OnlyTheListenersOwnOriginIsServed) {
  const auto with = [](const char* origin) {
    return std::vector<Header>{{"Host", "127.0.0.1:5580"}, {"Origin", origin}};
  };
  EXPECT_EQ(status(with("http://127.0.0.1:5580")), 200u);
  EXPECT_EQ(status(with("http://localhost:5580")), 200u);
  EXPECT_EQ(status(with("HTTP://LOCALHOST:5580")), 200u);
  for (const char* origin :
       {"null", "", "http://127.0.0.1", "http://127.0.0.1:8080", "https://127.0.0.1:5580",
        "http://evil.example", "file://", "http://127.0.0.1:5580.evil.example", "http://evil.example:5580",
        "chrome-extension://x", "127.0.0.1:5580"}) {
    EXPECT_EQ(status(with(origin)), 403u) << origin;
  }
}

TEST(Guard, ATunnelledPageIsItsOwnOriginByItsHost) {
  EXPECT_EQ(status({{"Host", "localhost:9000"}, {"Origin", "http://localhost:9000"}}), 200u);
  EXPECT_EQ(status({{"Host", "localhost:9000"}, {"Origin", "http://localhost:9001"}}), 403u);
}

TEST(Guard, ATlsListenersOriginIsHttps) {
  const Door door{false, true, "127.0.0.1", 443};
  EXPECT_EQ(status({{"Host", "localhost"}, {"Origin", "https://localhost"}}, {}, door), 200u);
  EXPECT_EQ(status({{"Host", "localhost"}, {"Origin", "http://localhost:443"}}, {}, door), 403u);
}

TEST(Guard, AllowedOriginsAreServedWithTheirCorsHeader) {
  config::Http http;
  http.allowed_origins = {"https://app.example/"};
  const Admission admission = admit(
      request({{"Host", "localhost"}, {"Origin", "https://app.example"}, {"Sec-Fetch-Site", "cross-site"}}),
      kTcp, http);
  EXPECT_FALSE(admission.refusal);
  EXPECT_EQ(admission.cors_origin, "https://app.example");
  EXPECT_EQ(status({{"Host", "localhost"}, {"Origin", "https://app.example.evil"}}, http), 403u);
}

TEST(Guard, ByDefaultThereIsNoCorsHeader) {
  EXPECT_EQ(admit(request({{"Host", "localhost"}}), kTcp, {}).cors_origin, "");
  EXPECT_EQ(
      admit(request({{"Host", "localhost:5580"}, {"Origin", "http://localhost:5580"}}), kTcp, {}).cors_origin,
      "");
}

TEST(Guard, RequestsThatAPageOfAnotherSiteMadeGet403) {
  for (const char* site : {"cross-site", "same-site", "", "SAME-ORIGIN", "x"}) {
    EXPECT_EQ(status({{"Host", "localhost"}, {"Sec-Fetch-Site", site}}), 403u) << site;
  }
  EXPECT_EQ(status({{"Host", "localhost"}, {"Sec-Fetch-Site", "same-origin"}}), 200u);
  EXPECT_EQ(status({{"Host", "localhost"}, {"Sec-Fetch-Site", "none"}}), 200u);
}

TEST(Guard, TokensInTheUrlAreRefusedHoweverTheyAreSpelled) {
  for (const char* name : {"token", "apiKey", "api_key", "APIKEY", "Token", "apikey"}) {
    const auto refusal = refuse_secrets_in_url({{"after", "1"}, {name, "canary"}});
    ASSERT_TRUE(refusal) << name;
    EXPECT_EQ(refusal->message.find("canary"), std::string::npos);
  }
  EXPECT_FALSE(refuse_secrets_in_url({{"source", "token"}}));
}

}  // namespace
}  // namespace bridge55::local
