// The pure parts of the simulated vendor's REST.
#include "tests/sim/abp_order_body.hpp"
#include "tests/sim/fetch.hpp"
#include "tests/sim/placements.hpp"
#include "tests/sim/rest_faults.hpp"
#include "tests/sim/scraping.hpp"

#include <gtest/gtest.h>

namespace bridge55::sim {
namespace {

using namespace std::chrono_literals;

HttpRequest request(const std::string& method, const std::string& path) {
  HttpRequest made;
  made.method = method;
  made.path = path;
  return made;
}

RestFault fault(const std::string& name, std::uint64_t uses = UINT64_MAX) {
  RestFault made;
  made.name = name;
  made.aspect = *aspect_of(name);
  made.uses = uses;
  return made;
}

TEST(SimRestFaults, OneOfEachAspectStrikesTheFirstThatFits) {
  RestFaults faults;
  auto filtered = fault("rest");
  filtered.path = "/orders";
  faults.add(filtered);
  faults.add(fault("limit", 1));
  faults.add(fault("slow"));
  faults.add(fault("cut_answer"));
  auto plan = faults.strike(request("GET", "/bets"), false, TimePoint{1h});
  EXPECT_TRUE(plan.answers("limit"));
  EXPECT_TRUE(plan.wires("cut_answer"));
  EXPECT_TRUE(plan.time);
  EXPECT_FALSE(faults.strike(request("GET", "/bets"), false, TimePoint{1h}).answer);
  EXPECT_TRUE(faults.strike(request("GET", "/orders"), false, TimePoint{1h}).answers("rest"));
}

TEST(SimRestFaults, AreUsedUpByCountAndEndWithTheirTime) {
  RestFaults faults;
  faults.add(fault("hang", 2));
  auto timed = fault("rest");
  timed.until = TimePoint{2h};
  faults.add(timed);
  for (int i = 0; i < 2; ++i)
    EXPECT_TRUE(faults.strike(request("GET", "/"), false, TimePoint{1h}).wire);
  const auto plan = faults.strike(request("GET", "/"), false, TimePoint{2h});
  EXPECT_FALSE(plan.wire || plan.answer);
}

TEST(SimRestFaults, AnUnlimitedOneReplacesItsLikeAndIdleClosingSparesTheFirstRequest) {
  RestFaults faults;
  auto first = fault("rest");
  first.status = 500;
  faults.add(first);
  faults.add(fault("rest"));
  faults.add(fault("close_idle"));
  const auto plan = faults.strike(request("GET", "/"), false, TimePoint{1h});
  EXPECT_EQ(plan.answer->status, 503u);
  EXPECT_FALSE(plan.wire);
  EXPECT_TRUE(faults.strike(request("GET", "/"), true, TimePoint{1h}).wires("close_idle"));
}

TEST(SimPlacements, AUuidIsTakenForTheWindowAndItsClientOnly) {
  Placements placements(30min);
  const TimePoint now{1h};
  placements.take("demo", "u", now);
  EXPECT_TRUE(placements.is_taken("demo", "u", now + 30min - 1ms));
  EXPECT_FALSE(placements.is_taken("demo", "u", now + 30min));
  EXPECT_FALSE(placements.is_taken("else", "u", now));
  EXPECT_FALSE(placements.is_taken("demo", "v", now));
}

TEST(SimOrderBody, TimesAreReadWithAndWithoutZoneAndFraction) {
  const std::int64_t want = 1'770'485'377'000;  // 2026-02-07T17:29:37Z
  EXPECT_EQ(parse_iso_time("2026-02-07T17:29:37Z"), want);
  EXPECT_EQ(parse_iso_time("2026-02-07 17:29:37"), want);
  EXPECT_EQ(parse_iso_time("2026-02-07T17:29:37.25+00:00"), want + 250);
  EXPECT_EQ(parse_iso_time("2026-02-07T19:29:37+02:00"), want);
  EXPECT_EQ(parse_iso_time("2026-02-07T12:29:37-05:00"), want);
  for (const char* bad :
       {"", "soon", "2026-02-07", "2026-13-07T17:29:37Z", "2026-02-07T17:29:37X", "2026-02-07T25:00:00Z"})
    EXPECT_FALSE(parse_iso_time(bad)) << bad;
}

TEST(SimScraping, TheBucketRefillsAtItsRateUpToTheBurst) {
  TokenBucket bucket;
  const TimePoint now{1h};
  EXPECT_TRUE(bucket.take(1, 2, now));
  EXPECT_TRUE(bucket.take(1, 2, now));
  EXPECT_FALSE(bucket.take(1, 2, now + 999ms));
  EXPECT_TRUE(bucket.take(1, 2, now + 1s));
  EXPECT_DOUBLE_EQ(bucket.remaining(1, 2, now + 1h), 2);
}

TEST(SimScraping, ABlockedAgentIsOutForItsDomainLongerTheSecondTime) {
  ScrapingNetwork network;
  const TimePoint now{1h};
  const AgentFilter only{{}, {"us1"}};
  network.block("us1", "a", now);
  EXPECT_FALSE(network.pick(only, "a", now));
  EXPECT_TRUE(network.pick(only, "b", now));
  EXPECT_EQ(network.state("us1", "a", now), "limited");
  EXPECT_TRUE(network.pick(only, "a", now + 60s));
  network.block("us1", "a", now + 60s);
  EXPECT_EQ(network.state("us1", "a", now + 120s), "unavailable");
  EXPECT_TRUE(network.pick(only, "a", now + 360s));
}

TEST(SimFetch, UrlsAreTakenApartAndLocationsResolved) {
  const auto target = parse_target("https://[::1]:8443?q=1#part");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->host + ' ' + target->port + ' ' + target->path, "::1 8443 /?q=1");
  EXPECT_EQ(parse_target("http://example.com")->port, "80");
  for (const char* bad : {"ftp://x/", "http:///x", "example.com", "http://x/a b"})
    EXPECT_FALSE(parse_target(bad)) << bad;
  EXPECT_EQ(resolve_url("http://a/b/c?d=/e", "f"), "http://a/b/f");
  EXPECT_EQ(resolve_url("http://a", "f"), "http://a/f");
  EXPECT_EQ(resolve_url("https://a/b", "//c/d"), "https://c/d");
  EXPECT_EQ(resolve_url("https://a/b/c", "/d"), "https://a/d");
}

}  // namespace
}  // namespace bridge55::sim
