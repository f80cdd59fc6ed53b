#include "bridges/upstream/hand_over.hpp"

#include <map>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace bridge55::test {
namespace {

using namespace std::chrono_literals;
using upstream::HandOver;

class HandOverTest : public ::testing::Test {
 protected:
  static events::Facts facts_of(const std::string& payload) {
    events::Facts facts;
    facts.source = "abp", facts.channel = "orders", facts.name = "UPDATE", facts.payload = payload;
    return facts;
  }
  void first(const std::string& payload) {
    if (hand_over.first_brings(facts_of(payload), now).news) told.push_back(payload);
  }
  void second(const std::string& payload, bool new_channel = false) {
    if (hand_over.second_brings(facts_of(payload), new_channel, now).news) told.push_back(payload);
  }
  void second_late(const std::string& payload) {
    if (hand_over.second_brings_late(facts_of(payload), now)) told.push_back(payload);
  }
  HandOver::Release release = [this](const events::Facts& facts, std::uint64_t) {
    told.emplace_back(facts.payload);
  };
  using Told = std::vector<std::string>;

  HandOver hand_over;
  SteadyTime now{100h};
  Told told;
};

TEST_F(HandOverTest, TheFirstSessionsOrderIsTheOrder) {
  second("3");
  second("4");
  first("1");
  first("2");
  first("3");
  first("4");
  second("1");
  second("2");
  EXPECT_EQ(told, (Told{"1", "2", "3", "4"}));
  EXPECT_EQ(hand_over.held(), 0u);
}

TEST_F(HandOverTest, ChannelsThatOnlyTheSecondHasDoNotWait) {
  second("a", true);
  second("a", true);
  EXPECT_EQ(told, (Told{"a", "a"}));
}

TEST_F(HandOverTest, WhatTheFirstHadNotBroughtYetIsReleasedInOrderAtTheEnd) {
  first("1");
  second("1");
  second("2");
  second("2");
  second("3");
  hand_over.release_all(release);
  second_late("4");
  EXPECT_EQ(told, (Told{"1", "2", "2", "3", "4"}));
}

TEST_F(HandOverTest, WhatTheFirstHadBroughtAheadIsDroppedWhenTheSecondComesToIt) {
  for (const char* fact : {"1", "2", "2", "3"})
    first(fact);
  second("1");
  hand_over.release_all(release);
  for (const char* fact : {"2", "2", "3", "3"})
    second_late(fact);
  EXPECT_EQ(told, (Told{"1", "2", "2", "3", "3"}));
}

TEST_F(HandOverTest, WhatTheFirstNeverBringsIsReleasedAndItsLateTwinDropped) {
  second("lost");
  EXPECT_TRUE(hand_over.caught_up(now));
  now += 1s;
  EXPECT_FALSE(hand_over.caught_up(now));
  first("1");
  now += HandOver::kPatience;
  hand_over.release_overdue(now, release);
  EXPECT_EQ(told, (Told{"1", "lost"}));
  EXPECT_TRUE(hand_over.caught_up(now));
  first("lost");
  EXPECT_EQ(told, (Told{"1", "lost"}));
}

TEST_F(HandOverTest, HeldEventsKeepEveryField) {
  events::Facts facts = facts_of("{\"a\" : 1}");
  facts.key = "k", facts.seq = "7", facts.ts = "5", facts.subscription = "2", facts.old = "[]",
  facts.raw = "{raw}";
  EXPECT_FALSE(hand_over.second_brings(facts, false, now).news);
  int seen = 0;
  hand_over.release_all([&](const events::Facts& held, std::uint64_t) {
    ++seen;
    EXPECT_EQ(held.source, "abp");
    EXPECT_EQ(held.channel, "orders");
    EXPECT_EQ(held.name, "UPDATE");
    EXPECT_EQ(held.payload, "{\"a\" : 1}");
    EXPECT_EQ(held.key, "k");
    EXPECT_EQ(held.seq, "7");
    EXPECT_EQ(held.ts, "5");
    EXPECT_EQ(held.subscription, "2");
    EXPECT_EQ(held.old, "[]");
    EXPECT_EQ(held.raw, "{raw}");
    EXPECT_NE(held.raw.data(), facts.raw.data());
  });
  EXPECT_EQ(seen, 1);
}

TEST_F(HandOverTest, ATicketTellsWhichArrivalOfTheSecondWaitsAndWhichIsTold) {
  const auto held = [this](const char* payload) {
    return hand_over.second_brings(facts_of(payload), false, now).ticket;
  };
  const std::uint64_t a = held("a"), b = held("b"), again = held("a"), c = held("c");
  EXPECT_TRUE(a != 0 && b != 0 && again != a && c != 0);
  EXPECT_EQ(hand_over.first_brings(facts_of("b"), now).ticket, b);
  EXPECT_EQ(hand_over.first_brings(facts_of("a"), now).ticket, a);
  EXPECT_EQ(hand_over.first_brings(facts_of("new"), now).ticket, 0u);
  EXPECT_EQ(held("new"), 0u);  // a twin
  std::vector<std::uint64_t> released;
  hand_over.release_all([&](const events::Facts&, std::uint64_t ticket) { released.push_back(ticket); });
  EXPECT_EQ(released, (std::vector<std::uint64_t>{again, c}));
}

TEST_F(HandOverTest, WhatIsHeldIsBounded) {
  const std::string large(1u << 20, 'x');
  for (int i = 0; i < 40; ++i) {
    second(large + std::to_string(i));
    hand_over.release_overdue(now, release);
  }
  EXPECT_LE(hand_over.held(), 16u);
  EXPECT_EQ(told.size() + hand_over.held(), 40u);
}

// One lags behind the other by any amount, facts repeat, and at some moment the first is gone: what is told
// is the story, once, and in its order up to the end of the first.
TEST_F(HandOverTest, AnyPaceTellsTheStoryOnceAndInOrder) {
  std::mt19937 random(55);
  for (int round = 0; round < 500; ++round) {
    hand_over = {};
    told.clear();
    Told story;
    for (int i = 0; i < 80; ++i)
      story.push_back(std::to_string(random() % 7 == 0 && i > 0 ? i - 1 : i));
    std::size_t a = 0, b = random() % 30;
    // A repetition right across the login: its second half cannot be told from the first's twin.
    while (b > 0 && story[b] == story[b - 1])
      ++b;
    const std::size_t joined = b, leaves = std::max<std::size_t>(joined, 20 + random() % 60);
    const unsigned bias = random() % 9 + 1;
    while (a < leaves) {
      if (random() % 10 < bias) {
        first(story[a++]);
      } else if (b < story.size()) {
        second(story[b++]);
      }
    }
    hand_over.release_all(release);
    while (b < story.size())
      second_late(story[b++]);
    EXPECT_EQ(told, story) << "round " << round;
  }
}

}  // namespace
}  // namespace bridge55::test
