// Who an app is, and which scope opens which route: the table of the contract's section 9.
#include "daemon/local/auth.hpp"

#include "daemon/local/router.hpp"

#include <gtest/gtest.h>

namespace bridge55::local {
namespace {

using config::Scope;

constexpr unsigned bits(Scope scope) {
  return static_cast<unsigned>(scope);
}

const NameService kNames{
    [](const std::string& name) { return name == "ops" ? std::optional<uid_t>(1001) : std::nullopt; },
    [](const std::string& name) { return name == "trading" ? std::optional<gid_t>(2001) : std::nullopt; }};

config::Client client(std::string name, unsigned allow) {
  config::Client made;
  made.name = std::move(name);
  made.allow = allow;
  return made;
}

std::vector<config::Client> three() {
  config::Client by_token = client("executor", bits(Scope::events) | bits(Scope::trade));
  by_token.token = config::Secret("secret-token");
  config::Client by_user = client("ops", bits(Scope::admin));
  by_user.user = "ops";
  config::Client by_group = client("desk", bits(Scope::read));
  by_group.group = "trading";
  return {by_token, by_user, by_group};
}

Head with(std::string name, std::string value) {
  Head head;
  head.headers = {{std::move(name), std::move(value)}};
  return head;
}

std::string name_of(const std::variant<App, Refusal>& who) {
  if (const auto* refusal = std::get_if<Refusal>(&who)) return std::to_string(refusal->status);
  return std::get<App>(who).name;
}

TEST(Auth, WithoutClientsTheSocketsModeDecidesAndTcpMayReadAndScrape) {
  const Clients open(std::nullopt, kNames);
  const App on_unix = std::get<App>(open.identify(Peer{true, 1, {}}, Head{}));
  const App on_tcp = std::get<App>(open.identify(Peer{}, Head{}));
  for (const Scope scope : {Scope::events, Scope::read, Scope::scrape, Scope::trade, Scope::cancel,
                            Scope::accounts, Scope::admin}) {
    EXPECT_TRUE(on_unix.may(scope));
    EXPECT_EQ(on_tcp.may(scope), scope == Scope::events || scope == Scope::read || scope == Scope::scrape);
  }
  EXPECT_FALSE(on_tcp.identified);
}

TEST(Auth, TokensAreTakenFromEitherHeader) {
  const Clients clients(three(), kNames);
  EXPECT_EQ(name_of(clients.identify(Peer{}, with("Authorization", "Bearer secret-token"))), "executor");
  EXPECT_EQ(name_of(clients.identify(Peer{}, with("authorization", "bearer  secret-token "))), "executor");
  EXPECT_EQ(name_of(clients.identify(Peer{}, with("X-API-Key", "secret-token"))), "executor");
}

TEST(Auth, AnyoneElseGets401) {
  const Clients clients(three(), kNames);
  EXPECT_EQ(name_of(clients.identify(Peer{}, Head{})), "401");
  EXPECT_EQ(name_of(clients.identify(Peer{true, 9, {9}}, Head{})), "401");
  for (const char* token : {"", "secret-toke", "secret-token2", "SECRET-TOKEN"}) {
    EXPECT_EQ(name_of(clients.identify(Peer{}, with("X-API-Key", token))), "401") << token;
  }
  EXPECT_EQ(name_of(clients.identify(Peer{}, with("Authorization", "Basic c2VjcmV0LXRva2Vu"))), "401");
  EXPECT_EQ(name_of(clients.identify(Peer{true, 1001, {}}, with("X-API-Key", "wrong"))), "401")
      << "a wrong token is not forgiven";
}

TEST(Auth, UsersAndGroupsAreKnownOnUnixSocketsAlone) {
  const Clients clients(three(), kNames);
  EXPECT_EQ(name_of(clients.identify(Peer{true, 1001, {5}}, Head{})), "ops");
  EXPECT_EQ(name_of(clients.identify(Peer{true, 7, {5, 2001}}, Head{})), "desk");
  EXPECT_EQ(name_of(clients.identify(Peer{true, 1001, {2001}}, with("X-API-Key", "secret-token"))),
            "executor")
      << "a token says more";
  EXPECT_EQ(name_of(clients.identify(Peer{false, {}, {}}, Head{})), "401");
}

TEST(Auth, NamesThatDoNotExistMatchNobodyAndAreTold) {
  auto settings = three();
  settings[1].user = "ghost";
  const Clients clients(settings, kNames);
  EXPECT_EQ(clients.unresolved(), std::vector<std::string>{"user ghost"});
  EXPECT_EQ(name_of(clients.identify(Peer{true, 1001, {}}, Head{})), "401");
  EXPECT_EQ(name_of(clients.identify(Peer{true, {}, {}}, Head{})), "401");
}

TEST(Auth, RefusalsSayHowToAllow) {
  const Clients clients(three(), kNames), open(std::nullopt, kNames);
  const App executor = std::get<App>(clients.identify(Peer{}, with("X-API-Key", "secret-token")));
  EXPECT_NE(clients.require(executor, bits(Scope::admin), Peer{})->message.find("add `admin` to its `allow`"),
            std::string::npos);
  const App anybody = std::get<App>(open.identify(Peer{}, Head{}));
  const auto refusal = open.require(anybody, bits(Scope::admin), Peer{});
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->status, 403u);
  EXPECT_NE(refusal->message.find("clients:"), std::string::npos);
}

TEST(Auth, TradeIncludesCancelAndAdminNothingElse) {
  const Clients clients(three(), kNames);
  EXPECT_TRUE(std::get<App>(clients.identify(Peer{}, with("X-API-Key", "secret-token"))).may(Scope::cancel));
  EXPECT_FALSE(std::get<App>(clients.identify(Peer{true, 1001, {}}, Head{})).may(Scope::events));
  EXPECT_EQ(clients.scopes_of("desk"), bits(Scope::read));
  EXPECT_FALSE(clients.scopes_of("gone"));
}

// Every route with every method and every scope: what is served, and with which scope alone.
TEST(Auth, EveryRouteMethodAndScopeIsAsTheContractSays) {
  struct Row {
    const char *path, *methods;
    unsigned scopes;
  };
  constexpr unsigned kEvents = bits(Scope::events), kAdmin = bits(Scope::admin);
  const std::vector<Row> contract = {{"/", "GET HEAD", kEvents},
                                     {"/events", "GET HEAD", kEvents},
                                     {"/events/page", "GET HEAD", kEvents},
                                     {"/events/ack", "POST", kEvents},
                                     {"/events/consumers/risk", "DELETE", kEvents | kAdmin},
                                     {"/healthz", "GET HEAD", 0},
                                     {"/livez", "GET HEAD", 0},
                                     {"/readyz", "GET HEAD", 0},
                                     {"/metrics", "GET HEAD", 0},
                                     {"/status", "GET HEAD", kEvents | kAdmin},
                                     {"/admin/reload", "POST", kAdmin}};
  ASSERT_EQ(contract.size(), routes().size());
  for (const Row& row : contract) {
    for (const std::string method :
         {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get"}) {
      const auto routed = route(method, row.path);
      const std::string methods = std::string(" ") + row.methods + " ";
      if (methods.find(" " + method + " ") == std::string::npos) {
        ASSERT_TRUE(std::holds_alternative<Refusal>(routed)) << method << row.path;
        EXPECT_EQ(std::get<Refusal>(routed).status, 405u);
        continue;
      }
      ASSERT_TRUE(std::holds_alternative<Routed>(routed)) << method << row.path;
      EXPECT_EQ(std::get<Routed>(routed).scopes, row.scopes) << row.path;
      const Clients clients(std::vector<config::Client>{}, kNames);
      for (unsigned bit = 1; bit <= bits(Scope::admin); bit <<= 1) {
        const App app{"x", bit, true};
        const bool may = row.scopes == 0 || !clients.require(app, row.scopes, Peer{});
        EXPECT_EQ(may, row.scopes == 0 || (row.scopes & bit) != 0) << method << row.path << bit;
      }
    }
  }
}

TEST(Router, UnknownPathsAre404AndOtherMethodsNameTheAllowedOnes) {
  for (const char* path : {"/event", "/events/", "//events", "/events/consumers/", "/events/consumers/a/b",
                           "/Events", "/state/abp/orders", ""}) {
    const auto routed = route("GET", path);
    ASSERT_TRUE(std::holds_alternative<Refusal>(routed)) << path;
    EXPECT_EQ(std::get<Refusal>(routed).status, 404u) << path;
    EXPECT_EQ(std::get<Refusal>(routed).code, "NOT_FOUND");
  }
  EXPECT_EQ(std::get<Routed>(route("DELETE", "/events/consumers/risk")).segment, "risk");
  EXPECT_EQ(std::get<Refusal>(route("POST", "/events")).headers.at(0).second, "GET, HEAD");
}

}  // namespace
}  // namespace bridge55::local
