#include "daemon/dropin/unacked.hpp"

#include <array>
#include <random>
#include <set>

#include <gtest/gtest.h>

namespace bridge55::test {
namespace {

dropin::Unacked sent(std::uint64_t count) {
  dropin::Unacked unacked;
  for (std::uint64_t seq = 1; seq <= count; ++seq)
    unacked.sent(seq, seq * 10);
  return unacked;
}

TEST(DropInUnacked, ACumulativeAckTakesAllUpToIt) {
  auto unacked = sent(5);
  EXPECT_EQ(unacked.acknowledge_through(3), 30u);
  EXPECT_EQ(unacked.open(), 2u);
  EXPECT_EQ(unacked.acknowledge_through(3), 0u);
  EXPECT_EQ(unacked.acknowledge_through(99), 50u);
  EXPECT_EQ(unacked.open(), 0u);
}

TEST(DropInUnacked, SingleAcksMoveThePlaceOnlyOverWhatIsWhole) {
  auto unacked = sent(5);
  EXPECT_EQ(unacked.acknowledge(std::array<std::uint64_t, 2>{2, 4}), 0u);
  EXPECT_EQ(unacked.open(), 3u);
  EXPECT_EQ(unacked.acknowledge(std::array<std::uint64_t, 1>{1}), 20u);
  EXPECT_EQ(unacked.acknowledge(std::array<std::uint64_t, 3>{1, 4, 77}), 0u);
  EXPECT_EQ(unacked.open(), 2u);
  EXPECT_EQ(unacked.acknowledge_through(3), 40u);  // 4 was done before
  EXPECT_EQ(unacked.open(), 1u);
}

TEST(DropInUnacked, AnAckBetweenTwoNumbersOfAHoleTakesWhatIsBelow) {
  dropin::Unacked unacked;
  unacked.sent(1, 10);
  unacked.sent(9, 20);
  EXPECT_EQ(unacked.acknowledge_through(5), 10u);
  EXPECT_EQ(unacked.open(), 1u);
}

TEST(DropInUnacked, MemoryIsBoundedAndThePlaceNeverRunsAhead) {
  auto unacked = sent(100'000);
  EXPECT_LE(unacked.open(), dropin::Unacked::kMost);
  EXPECT_EQ(unacked.acknowledge(std::array<std::uint64_t, 1>{2}), 0u);  // 1 is open, and they are kept as one
  const events::EventId through = unacked.acknowledge_through(50'000);
  EXPECT_LE(through, 500'000u);
  EXPECT_GT(through, 400'000u);
  EXPECT_EQ(unacked.acknowledge_through(100'000), 1'000'000u);
}

TEST(DropInUnacked, WithAWindowEachMessageIsKnownByItsSeqHoweverLongTheFirstStaysOpen) {
  dropin::Unacked unacked;
  unacked.sent(1, 10);
  for (std::uint64_t seq = 2; seq <= 20'000; ++seq) {
    unacked.sent(seq, seq * 10);
    if (seq <= 50) continue;
    EXPECT_EQ(unacked.acknowledge(std::array<std::uint64_t, 1>{seq - 49}), 0u);
    ASSERT_EQ(unacked.open(), 50u) << seq;
  }
  EXPECT_EQ(unacked.acknowledge_through(10'000), 199'510u);
  EXPECT_EQ(unacked.acknowledge_through(20'000), 200'000u);
}

TEST(DropInUnacked, AgreesWithAPlainModelOnRandomAcks) {
  std::mt19937 random(55);
  for (int round = 0; round < 200; ++round) {
    dropin::Unacked unacked;
    std::set<std::uint64_t> open;
    std::uint64_t next = 1, place = 0;
    for (int step = 0; step < 100; ++step) {
      if (random() % 2 == 0) {
        open.insert(next);
        unacked.sent(next, next);
        ++next;
        continue;
      }
      const std::uint64_t seq = random() % (next + 2);
      const bool cumulative = random() % 4 == 0;
      const events::EventId moved = cumulative ? unacked.acknowledge_through(seq)
                                               : unacked.acknowledge(std::array<std::uint64_t, 1>{seq});
      cumulative ? void(open.erase(open.begin(), open.upper_bound(seq))) : void(open.erase(seq));
      const std::uint64_t whole = open.empty() ? next - 1 : *open.begin() - 1;
      EXPECT_EQ(moved, whole > place ? whole : 0u);
      place = std::max(place, whole);
      EXPECT_EQ(unacked.open(), open.size());
    }
  }
}

}  // namespace
}  // namespace bridge55::test
