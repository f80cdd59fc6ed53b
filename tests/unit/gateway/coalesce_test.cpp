#include "daemon/gateway/coalesce.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace bridge55::gateway {
namespace {

using namespace std::chrono_literals;
using Way = Coalesce::Way;

SharedAnswerPtr answer(std::string body = "x", unsigned status = 200) {
  return std::make_shared<SharedAnswer>(SharedAnswer{status, {}, std::move(body)});
}

struct CoalesceTest : testing::Test {
  Coalesce::Asked ask(std::string_view path, std::string_view cache_control = {},
                      std::string_view query = {}) {
    return reads.ask({"GET", path, query, headers, cache_control}, now);
  }
  Coalesce::Finished finish(const Coalesce::Asked& asked, SharedAnswerPtr a = answer()) {
    return reads.finish(asked.flight, std::move(a), now);
  }
  std::vector<HeaderView> headers;
  SteadyTime now = SteadyTime{} + 24h;
  Coalesce reads{Coalesce::Settings{.share = {"/bookmakers", "/markets", "/network/*"},
                                    .cache = {{"/bookmakers", 60s}, {"/static/*", 1s}, {"/static/x", 5s}}}};
};

TEST_F(CoalesceTest, OnlyWhatTheConfigNamesIsShared) {
  EXPECT_EQ(ask("/orders").way, Way::alone);
  EXPECT_EQ(ask("/orders").status, "");
  EXPECT_EQ(ask("/bookmakers/x").way, Way::alone);
  EXPECT_EQ(ask("/network").way, Way::alone);
  EXPECT_EQ(ask("/network/").way, Way::alone);
  EXPECT_EQ(ask("/network/a/b").way, Way::lead);
  EXPECT_EQ(reads.ask({"POST", "/markets", "", {}, ""}, now).way, Way::alone);
}

TEST_F(CoalesceTest, IdenticalReadsInFlightAreOne) {
  const auto first = ask("/markets"), second = ask("/markets"), third = ask("/markets");
  EXPECT_EQ(first.way, Way::lead);
  EXPECT_EQ(first.status, "bridge55; fwd=uri-miss");
  EXPECT_EQ(second.way, Way::follow);
  EXPECT_EQ(second.flight, first.flight);
  EXPECT_EQ(second.status, "bridge55; fwd=miss; collapsed");
  EXPECT_EQ(third.way, Way::follow);
  const auto done = finish(first);
  EXPECT_TRUE(done.serves);
  EXPECT_FALSE(done.stored);
  EXPECT_EQ(ask("/markets").way, Way::lead);
}

TEST_F(CoalesceTest, EveryHeaderThatGoesUpstreamTellsReadsApart) {
  headers = {{"Accept", "application/json"}, {"X-A", "1"}};
  const auto first = ask("/markets");
  headers = {{"x-a", "1"}, {"ACCEPT", "application/json"}};
  EXPECT_EQ(ask("/markets").way, Way::follow);
  headers = {{"x-a", "1"}, {"cache-control", "max-age=5"}, {"ACCEPT", "application/json"}};
  EXPECT_EQ(ask("/markets").way, Way::follow);
  headers = {{"x-a", "2"}, {"ACCEPT", "application/json"}};
  EXPECT_EQ(ask("/markets").way, Way::lead);
  headers = {{"x-a", "1"}};
  EXPECT_EQ(ask("/markets").way, Way::lead);
  EXPECT_EQ(ask("/markets", "", "a=1").way, Way::lead);
}

TEST_F(CoalesceTest, NoTwoRequestsSpellTheSameKey) {
  headers = {{"a", "1"}, {"b", "2"}};
  ask("/markets");
  headers = {{"a", "11:b1:2"}};
  EXPECT_EQ(ask("/markets").way, Way::lead);
  headers = {{"a", "2"}, {"a", "1"}};
  ask("/markets");
  headers = {{"a", "1"}, {"a", "2"}};
  EXPECT_EQ(ask("/markets").way, Way::lead);
}

TEST_F(CoalesceTest, ACachedAnswerLivesItsLifetime) {
  const auto first = ask("/bookmakers");
  EXPECT_TRUE(finish(first, answer("body")).stored);
  now += 18s;
  const auto hit = ask("/bookmakers");
  EXPECT_EQ(hit.way, Way::hit);
  EXPECT_EQ(hit.answer->body, "body");
  EXPECT_EQ(hit.status, "bridge55; hit; ttl=42");
  now += 42s;
  const auto stale = ask("/bookmakers");
  EXPECT_EQ(stale.way, Way::lead);
  EXPECT_EQ(stale.status, "bridge55; fwd=stale");
}

TEST_F(CoalesceTest, ACachedPathThatIsNotSharedIsNotCollapsed) {
  const auto first = ask("/static/x");
  EXPECT_EQ(ask("/static/x").way, Way::lead);
  EXPECT_TRUE(finish(first).stored);
  now += 4s;  // the precise pattern's five seconds
  EXPECT_EQ(ask("/static/x").way, Way::hit);
}

TEST_F(CoalesceTest, OnlyComplete200sOfModestSizeAreKept) {
  EXPECT_FALSE(finish(ask("/bookmakers"), answer("x", 206)).stored);
  EXPECT_FALSE(finish(ask("/bookmakers"), nullptr).serves);
  EXPECT_FALSE(finish(ask("/bookmakers"), answer(std::string((1 << 20) + 1, 'x'))).stored);
  EXPECT_EQ(reads.cached_bytes(), 0u);
}

TEST_F(CoalesceTest, NoCacheAsksForAFreshOneWhichOthersThenGet) {
  finish(ask("/bookmakers"), answer("old"));
  const auto fresh = ask("/bookmakers", "max-age=3, No-Cache");
  EXPECT_EQ(fresh.way, Way::lead);
  EXPECT_EQ(fresh.status, "bridge55; fwd=request");
  EXPECT_EQ(ask("/bookmakers", "no-cache").way, Way::lead);
  EXPECT_TRUE(finish(fresh, answer("new")).stored);
  EXPECT_EQ(ask("/bookmakers").answer->body, "new");
}

TEST_F(CoalesceTest, NoCacheDoesNotJoinAFlight) {
  const auto slow = ask("/markets"), fresh = ask("/markets", "no-cache");
  EXPECT_EQ(fresh.way, Way::lead);
  EXPECT_EQ(ask("/markets").flight, fresh.flight);
  finish(slow);  // the older one's end does not end the newer
  EXPECT_EQ(ask("/markets").flight, fresh.flight);
}

TEST_F(CoalesceTest, NoStoreGoesAlone) {
  finish(ask("/bookmakers"));
  const auto asked = ask("/bookmakers", "no-store");
  EXPECT_EQ(asked.way, Way::alone);
  EXPECT_EQ(asked.status, "bridge55; fwd=request");
}

TEST_F(CoalesceTest, AWriteEmptiesTheCache) {
  finish(ask("/bookmakers"));
  reads.write_began();
  EXPECT_EQ(ask("/bookmakers").way, Way::lead);
  reads.write_ended();
  EXPECT_EQ(ask("/bookmakers").status, "bridge55; fwd=uri-miss");
  EXPECT_EQ(reads.cached_bytes(), 0u);
}

TEST_F(CoalesceTest, NoReadIsAnsweredByOneThatBeganBeforeAWriteEnded) {
  const auto before = ask("/bookmakers");
  reads.write_began();
  const auto during = ask("/bookmakers");
  EXPECT_EQ(during.way, Way::lead);
  EXPECT_EQ(ask("/bookmakers").flight, during.flight);
  reads.write_ended();
  const auto after = ask("/bookmakers");
  EXPECT_EQ(after.way, Way::lead);
  for (const auto& old : {before, during}) {
    const auto done = finish(old, answer("old"));
    EXPECT_FALSE(done.stored);
    EXPECT_FALSE(done.serves);
  }
  EXPECT_EQ(ask("/bookmakers").flight, after.flight);
  EXPECT_TRUE(finish(after, answer("new")).stored);
  EXPECT_EQ(ask("/bookmakers").answer->body, "new");
}

TEST_F(CoalesceTest, NothingIsKeptWhileAnyWriteRuns) {
  reads.write_began();
  reads.write_began();
  reads.write_ended();
  const auto asked = ask("/bookmakers");
  EXPECT_FALSE(finish(asked).stored);
  reads.write_ended();
  EXPECT_TRUE(finish(ask("/bookmakers")).stored);
}

TEST_F(CoalesceTest, AFlightEndsWhenTheLastWhoWaitsLeaves) {
  const auto first = ask("/markets");
  ask("/markets");
  EXPECT_FALSE(reads.leave(first.flight));
  EXPECT_EQ(ask("/markets").way, Way::follow);
  EXPECT_FALSE(reads.leave(first.flight));
  EXPECT_TRUE(reads.leave(first.flight));
  EXPECT_FALSE(reads.leave(first.flight));
  EXPECT_EQ(ask("/markets").way, Way::lead);
}

TEST(CoalesceBounds, TheLeastRecentlyUsedGoFirst) {
  Coalesce reads({.share = {}, .cache = {{"/c/*", 60s}}, .max_answer = 10'000, .max_total = 25'000});
  const SteadyTime now = SteadyTime{} + 24h;
  const auto get = [&](std::string_view path) { return reads.ask({"GET", path, "", {}, ""}, now); };
  for (const char* path : {"/c/1", "/c/2"})
    reads.finish(get(path).flight, answer(std::string(9'000, 'x')), now);
  EXPECT_EQ(get("/c/1").way, Way::hit);
  reads.finish(get("/c/3").flight, answer(std::string(9'000, 'x')), now);
  EXPECT_LE(reads.cached_bytes(), 25'000u);
  EXPECT_EQ(get("/c/2").way, Way::lead);
  EXPECT_EQ(get("/c/1").way, Way::hit);
  EXPECT_EQ(get("/c/3").way, Way::hit);
}

TEST(CoalesceBounds, AReloadEmptiesTheCacheAndLetsFlightsLand) {
  Coalesce reads({.share = {"/a"}, .cache = {{"/a", 60s}}});
  const SteadyTime now = SteadyTime{} + 24h;
  const auto asked = reads.ask({"GET", "/a", "", {}, ""}, now);
  reads.configure({.share = {}, .cache = {}});
  const auto done = reads.finish(asked.flight, answer(), now);
  EXPECT_TRUE(done.serves);
  EXPECT_FALSE(done.stored);
  EXPECT_EQ(reads.ask({"GET", "/a", "", {}, ""}, now).way, Way::alone);
}

}  // namespace
}  // namespace bridge55::gateway
