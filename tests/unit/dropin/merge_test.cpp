#include "bridges/upstream/merge.hpp"

#include <array>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace bridge55::test {
namespace {

using namespace std::chrono_literals;
using upstream::Merge;

class MergeTest : public ::testing::Test {
 protected:
  bool arrives(unsigned session, std::string_view payload) {
    events::Facts facts;
    facts.channel = "orders";
    facts.name = "UPDATE";
    facts.payload = payload;
    return merge.arrives(session, facts, now);
  }
  Merge merge;
  SteadyTime now{100h};
};

TEST_F(MergeTest, TheSecondSessionsCopyIsDropped) {
  EXPECT_TRUE(arrives(0, "a"));
  EXPECT_FALSE(arrives(1, "a"));
  EXPECT_TRUE(arrives(1, "b"));
  EXPECT_FALSE(arrives(0, "b"));
}

TEST_F(MergeTest, WhatOneSessionBringsTwiceHappenedTwice) {
  EXPECT_TRUE(arrives(0, "a"));
  EXPECT_TRUE(arrives(0, "a"));
  EXPECT_FALSE(arrives(1, "a"));
  EXPECT_FALSE(arrives(1, "a"));
  EXPECT_TRUE(arrives(1, "a"));
  EXPECT_FALSE(arrives(0, "a"));
}

TEST_F(MergeTest, EverySessionMatchesOnce) {
  EXPECT_TRUE(arrives(0, "a"));
  EXPECT_FALSE(arrives(1, "a"));
  EXPECT_FALSE(arrives(2, "a"));
  EXPECT_TRUE(arrives(2, "a"));
  EXPECT_FALSE(arrives(0, "a"));
  EXPECT_FALSE(arrives(1, "a"));
}

TEST_F(MergeTest, AfterTenSecondsAnEqualArrivalIsNews) {
  EXPECT_TRUE(arrives(0, "a"));
  now += 10s;
  EXPECT_FALSE(arrives(1, "a"));
  now += 1ms;
  EXPECT_TRUE(arrives(2, "a"));
}

TEST_F(MergeTest, EachFieldTells) {
  events::Facts facts;
  facts.channel = "orders", facts.name = "UPDATE", facts.ts = "1", facts.payload = "{}", facts.old = "{}";
  EXPECT_TRUE(merge.arrives(0, facts, now));
  EXPECT_FALSE(merge.arrives(1, facts, now));
  for (std::string_view events::Facts::*field :
       {&events::Facts::channel, &events::Facts::name, &events::Facts::ts, &events::Facts::payload,
        &events::Facts::old}) {
    events::Facts other = facts;
    other.*field = "2";
    EXPECT_TRUE(merge.arrives(1, other, now));
  }
  events::Facts counted = facts;  // each session has its own numbers
  counted.seq = "9", counted.subscription = "2", counted.raw = "raw";
  EXPECT_FALSE(merge.arrives(2, counted, now));
}

// Each session brings the same story in the same order, with real repetitions, at a pace of its own: the
// result holds each fact as often as it happened, and no session's order is broken.
TEST_F(MergeTest, AnyInterleavingOfEqualStoriesGivesTheStoryOnce) {
  std::mt19937 random(55);
  for (int round = 0; round < 300; ++round) {
    merge = {};
    const std::size_t sessions = 1 + random() % 4;
    std::vector<std::string> story;
    for (std::size_t i = 0; i < 60; ++i)
      story.push_back(std::string(1, static_cast<char>('a' + random() % 5)));
    std::array<std::size_t, 4> at{};
    std::vector<std::string> merged;
    for (;;) {
      const unsigned session = static_cast<unsigned>(random() % sessions);
      if (at[session] < story.size()) {
        const std::string& fact = story[at[session]++];
        if (arrives(session, fact)) merged.push_back(fact);
      }
      std::size_t done = 0;
      for (std::size_t i = 0; i < sessions; ++i)
        done += at[i] == story.size();
      if (done == sessions) break;
    }
    std::map<std::string, int> happened, told;
    for (const auto& fact : story)
      ++happened[fact];
    for (const auto& fact : merged)
      ++told[fact];
    EXPECT_EQ(told, happened);
  }
}

// The story goes on while one session hands over to the next, each joining before the last one leaves.
TEST_F(MergeTest, AHandOverLosesAndRepeatsNothing) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    merge = {};
    std::vector<std::string> merged;
    std::vector<std::string> story;
    for (int i = 0; i < 90; ++i)
      story.push_back(std::to_string(i / 2));  // each happens twice
    std::size_t first = 0, second = 20 + random() % 20;
    const std::size_t leaves = second + 30;
    while (first < leaves || second < story.size()) {
      const bool turn = random() % 2 == 0;
      if (turn && first < leaves) {
        if (arrives(0, story[first])) merged.push_back(story[first]);
        ++first;
      } else if (!turn && second < story.size()) {
        if (first < leaves && second > first + 10) continue;  // it lags or leads by a little
        if (arrives(1, story[second])) merged.push_back(story[second]);
        ++second;
      }
    }
    std::map<std::string, int> told;
    for (const auto& fact : merged)
      ++told[fact];
    EXPECT_EQ(merged.size(), story.size());
    for (const auto& [fact, times] : told)
      EXPECT_EQ(times, 2) << fact;
  }
}

TEST_F(MergeTest, OfAFloodTheOldestAreForgotten) {
  for (std::size_t i = 0; i <= Merge::kMostRemembered; ++i)
    EXPECT_TRUE(arrives(0, std::to_string(i)));
  EXPECT_FALSE(arrives(1, std::to_string(Merge::kMostRemembered)));
  EXPECT_FALSE(arrives(1, "1"));
  EXPECT_TRUE(arrives(1, "0"));
}

}  // namespace
}  // namespace bridge55::test
