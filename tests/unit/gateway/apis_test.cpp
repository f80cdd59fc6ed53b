// Which request is what, and who may make it: every documented endpoint, and what is in no table.
#include "bridges/apis.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace bridge55::gateway {
namespace {

using config::Scope;
using config::UpstreamKind;

struct Row {
  const char* method;
  const char* path;
  Kind kind;
  Scope scope;
};

void expect_all(UpstreamKind upstream, const std::vector<Row>& rows) {
  const auto api = bridges::make_api(upstream);
  for (const Row& row : rows) {
    const Verdict verdict = api->classify(row.method, row.path);
    EXPECT_EQ(name_of(verdict.kind), name_of(row.kind)) << row.method << ' ' << row.path;
    EXPECT_EQ(verdict.scopes, static_cast<unsigned>(row.scope)) << row.method << ' ' << row.path;
  }
}

TEST(Apis, AbpByTheTable) {
  expect_all(UpstreamKind::abp, {
                                    {"GET", "/accounts", Kind::read, Scope::read},
                                    {"GET", "/accounts/pinnacle/main", Kind::read, Scope::read},
                                    {"HEAD", "/orders", Kind::read, Scope::read},
                                    {"GET", "/place-orders", Kind::read, Scope::read},
                                    {"POST", "/place-orders", Kind::placement, Scope::trade},
                                    {"POST", "/cancel-orders", Kind::cancel, Scope::cancel},
                                    {"POST", "/cancel-all-orders", Kind::cancel_all, Scope::cancel},
                                    {"POST", "/accounts", Kind::write, Scope::accounts},
                                    {"PATCH", "/accounts/pinnacle/main", Kind::write, Scope::accounts},
                                    {"DELETE", "/accounts/pinnacle/main", Kind::write, Scope::accounts},
                                });
}

TEST(Apis, AnUnknownWriteToAbpOrMmCountsAsAPlacement) {
  expect_all(UpstreamKind::abp, {
                                    {"POST", "/Place-Orders", Kind::placement, Scope::trade},
                                    {"POST", "/place-orders;x=1", Kind::placement, Scope::trade},
                                    {"POST", "/orders", Kind::placement, Scope::trade},
                                    {"PUT", "/accounts", Kind::placement, Scope::trade},
                                    {"DELETE", "/cancel-orders", Kind::placement, Scope::trade},
                                    {"POST", "/accountsx", Kind::placement, Scope::trade},
                                    {"TRACE", "/accounts", Kind::placement, Scope::trade},
                                    {"POST", "/", Kind::placement, Scope::trade},
                                });
  expect_all(UpstreamKind::mm, {
                                   {"POST", "/api/v1/orders", Kind::placement, Scope::trade},
                                   {"POST", "/api/v1/orders//cancel", Kind::placement, Scope::trade},
                                   {"POST", "/api/v1/orders/1/2/cancel", Kind::placement, Scope::trade},
                                   {"DELETE", "/api/v1/orders/1", Kind::placement, Scope::trade},
                                   {"POST", "/api/v2/trading/start", Kind::placement, Scope::trade},
                               });
}

TEST(Apis, MmByTheTable) {
  expect_all(UpstreamKind::mm, {
                                   {"GET", "/api/v1/me", Kind::read, Scope::read},
                                   {"GET", "/api/v1/trading/status", Kind::read, Scope::read},
                                   {"POST", "/api/v1/orders/123/cancel", Kind::cancel, Scope::cancel},
                                   {"POST", "/api/v1/orders/cancel-all", Kind::cancel_all, Scope::cancel},
                                   {"POST", "/api/v1/trading/pause", Kind::cancel, Scope::cancel},
                                   {"POST", "/api/v1/trading/stop", Kind::cancel, Scope::cancel},
                                   {"POST", "/api/v1/trading/start", Kind::start, Scope::trade},
                                   {"POST", "/api/v1/trading/resume", Kind::start, Scope::trade},
                               });
}

TEST(Apis, ScrapingIsOneScope) {
  expect_all(UpstreamKind::scraping, {
                                         {"GET", "/fetch", Kind::read, Scope::scrape},
                                         {"POST", "/fetch", Kind::write, Scope::scrape},
                                         {"DELETE", "/fetch", Kind::write, Scope::scrape},
                                         {"GET", "/usage", Kind::read, Scope::scrape},
                                         {"GET", "/network/health/example.com", Kind::read, Scope::scrape},
                                         {"POST", "/browser", Kind::write, Scope::scrape},
                                         {"POST", "/amqp", Kind::write, Scope::scrape},
                                     });
  const auto api = bridges::make_api(UpstreamKind::scraping);
  EXPECT_TRUE(api->classify("POST", "/browser").key_in_body);
  EXPECT_TRUE(api->classify("POST", "/amqp").key_in_body);
  EXPECT_FALSE(api->classify("POST", "/fetch").key_in_body);
}

TEST(Apis, AFeedOfWebSocketsHasNone) {
  EXPECT_EQ(bridges::make_api(UpstreamKind::websocket), nullptr);
}

TEST(Apis, UsageIsReadAsDocumentedAndNothingElse) {
  const auto api = bridges::make_api(UpstreamKind::scraping);
  const auto usage = api->read_usage(R"({"total":1,"rate_limit":{"rps":10.0,"burst":12,"remaining":9.3}})");
  ASSERT_TRUE(usage);
  EXPECT_EQ(usage->rps, 10.0);
  EXPECT_EQ(usage->burst, 12);
  EXPECT_EQ(usage->remaining, 9.3);
  for (const char* bad : {"", "{}", "[1", R"({"rate_limit":{"rps":0,"burst":1,"remaining":1}})",
                          R"({"rate_limit":{"rps":"10","burst":1,"remaining":1}})"}) {
    EXPECT_FALSE(api->read_usage(bad)) << bad;
  }
}

}  // namespace
}  // namespace bridge55::gateway
