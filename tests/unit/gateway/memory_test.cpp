#include "daemon/gateway/memory.hpp"

#include <gtest/gtest.h>

namespace bridge55::gateway {
namespace {

using events::Fate;
using namespace std::chrono_literals;

const SteadyTime kStart = SteadyTime(100h);

Memory::Known known(SteadyTime at, std::uint64_t trade = 1, Fate fate = Fate::open) {
  return {"app", trade, fate, at};
}

TEST(Memory, AnOrderIsKnownForTwentyFourHours) {
  Memory memory(10);
  memory.put("a", known(kStart));
  EXPECT_NE(memory.find("a", kStart + 24h - 1us), nullptr);
  EXPECT_EQ(memory.find("a", kStart + 24h), nullptr);
  EXPECT_EQ(memory.find("b", kStart), nullptr);
  memory.expire(kStart + 24h);
  EXPECT_EQ(memory.size(), 0u);
  EXPECT_FALSE(memory.has_forgotten(kStart + 24h));
}

TEST(Memory, WhatDoesNotFitIsForgottenOldestFirstAndSaidSo) {
  Memory memory(2);
  memory.put("a", known(kStart));
  memory.put("b", known(kStart + 1h));
  EXPECT_FALSE(memory.has_forgotten(kStart + 1h));
  memory.put("c", known(kStart + 2h));
  EXPECT_EQ(memory.size(), 2u);
  EXPECT_EQ(memory.find("a", kStart + 2h), nullptr);
  EXPECT_TRUE(memory.has_forgotten(kStart + 24h - 1us));
  EXPECT_FALSE(memory.has_forgotten(kStart + 24h));
}

TEST(Memory, WhatWasNeverSentTakesNoRoomFromWhatWas) {
  Memory memory(2);
  memory.put("a", known(kStart));
  for (std::uint64_t trade = 2; trade < 10; ++trade) {
    memory.put("b", known(kStart + 1h, trade));
    memory.erase("b", trade - 1);  // an earlier one: not this
    EXPECT_NE(memory.find("b", kStart + 1h), nullptr);
    memory.erase("b", trade);
    EXPECT_EQ(memory.find("b", kStart + 1h), nullptr);
  }
  EXPECT_NE(memory.find("a", kStart + 1h), nullptr);
  EXPECT_FALSE(memory.has_forgotten(kStart + 1h));
}

TEST(Memory, AFateBelongsToItsTradeOnly) {
  Memory memory(10);
  memory.put("a", known(kStart, 1, Fate::unsent));
  memory.put("a", known(kStart + 1h, 2));
  memory.set_fate("a", 1, Fate::unsent);
  EXPECT_EQ(memory.find("a", kStart + 1h)->fate, Fate::open);
  memory.set_fate("a", 2, Fate::placed);
  EXPECT_EQ(memory.find("a", kStart + 1h)->fate, Fate::placed);
}

TEST(Memory, AnOrderThatWasPutAgainLivesFromThen) {
  Memory memory(10);
  memory.put("a", known(kStart, 1));
  memory.put("a", known(kStart + 20h, 2));
  memory.expire(kStart + 30h);
  ASSERT_NE(memory.find("a", kStart + 30h), nullptr);
  EXPECT_EQ(memory.find("a", kStart + 30h)->trade, 2u);
}

TEST(Memory, OneOrderPutWithoutEndStaysBounded) {
  Memory memory(100);
  for (std::uint64_t i = 0; i < 10'000; ++i)
    memory.put("a", known(kStart, i));
  EXPECT_EQ(memory.size(), 1u);
  EXPECT_FALSE(memory.has_forgotten(kStart));
}

}  // namespace
}  // namespace bridge55::gateway
