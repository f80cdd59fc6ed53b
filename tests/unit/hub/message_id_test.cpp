#include "daemon/events/message_id.hpp"

#include <string>

#include <gtest/gtest.h>

namespace bridge55::events {
namespace {

constexpr WallMicros kMinute = 60'000'000, kStart = 1'771'183'909'000'000;

Facts fact(std::string_view payload, std::string_view ts = "17") {
  Facts facts;
  facts.source = "abp";
  facts.channel = "orders";
  facts.name = "UPDATE";
  facts.payload = payload;
  facts.ts = ts;
  return facts;
}

TEST(MessageIds, EqualFactsOnTwoMachinesGetEqualIds) {
  MessageIds one, other;
  EXPECT_EQ(one.accept(fact("{}"), 1, kStart).id, other.accept(fact("{}"), 999, kStart + 7).id);
}

TEST(MessageIds, EveryFieldCountsAndNoneRunsIntoTheNext) {
  MessageIds ids;
  const auto plain = ids.accept(fact("12", "3"), 1, kStart).id;
  EXPECT_NE(ids.accept(fact("1", "23"), 2, kStart).id, plain);
  Facts with_old = fact("12", "3");
  with_old.old = "1";
  EXPECT_NE(ids.accept(with_old, 3, kStart).id, plain);
  Facts other_channel = fact("12", "3");
  other_channel.channel = "bets";
  EXPECT_NE(ids.accept(other_channel, 4, kStart).id, plain);
}

TEST(MessageIds, TheSecondEqualFactWithinTenMinutesIsAnother) {
  MessageIds ids, elsewhere;
  const auto first = ids.accept(fact("{}"), 1, kStart), second = ids.accept(fact("{}"), 2, kStart + kMinute);
  EXPECT_EQ(second.equal_before, 1u);
  EXPECT_NE(first.id, second.id);
  elsewhere.accept(fact("{}"), 5, kStart);
  EXPECT_EQ(elsewhere.accept(fact("{}"), 6, kStart + 2).id, second.id);
}

TEST(MessageIds, AfterTenMinutesCountingBeginsAgain) {
  MessageIds ids;
  const auto first = ids.accept(fact("{}"), 1, kStart);
  EXPECT_EQ(ids.accept(fact("{}"), 2, kStart + 10 * kMinute + 2'000'000).id, first.id);
}

TEST(MessageIds, WithoutAVendorTimeTheEventIdStandsIn) {
  MessageIds ids;
  EXPECT_NE(ids.accept(fact("{}", ""), 1, kStart).id, ids.accept(fact("{}", ""), 2, kStart).id);
}

TEST(MessageIds, CountingGoesOnOverARestart) {
  MessageIds before, after;
  const auto first = before.accept(fact("{}"), 1, kStart);
  const auto second = before.accept(fact("{}"), 2, kStart + 1);
  after.restore(kStart, first.fingerprint);
  EXPECT_EQ(after.accept(fact("{}"), 3, kStart + kMinute).id, second.id);
}

TEST(MessageIds, AClockThatStepsBackForgetsNothing) {
  MessageIds ids;
  ids.accept(fact("{}"), 1, kStart);
  EXPECT_EQ(ids.seen(fact("{}"), kStart - 3600 * 1'000'000ll), 1u);
}

TEST(MessageIds, MemoryIsBoundedAndOldFactsLeave) {
  MessageIds ids(5'000);
  WallMicros now = kStart;
  for (int i = 0; i < 200'000; ++i, now += 1'000) {
    const std::string payload = std::to_string(i);
    EXPECT_EQ(ids.accept(fact(payload), static_cast<EventId>(i), now).equal_before, 0u);
  }
  EXPECT_EQ(ids.seen(fact("199999"), now), 1u);
}

TEST(MessageIds, ManyFactsAreToldApartWhileOthersExpire) {
  MessageIds ids;
  WallMicros now = kStart;
  for (int i = 0; i < 300'000; ++i, now += 10'000) {          // 3,000 s: five windows
    const std::string payload = std::to_string(i % 100'000);  // comes again after 1,000 s: forgotten by then
    ASSERT_EQ(ids.accept(fact(payload), static_cast<EventId>(i), now).equal_before, 0u) << i;
    if (i % 1000 == 0 && i > 500) {
      const std::string earlier = std::to_string((i - 500) % 100'000);
      ASSERT_EQ(ids.seen(fact(earlier), now), 1u) << i;
    }
  }
}

}  // namespace
}  // namespace bridge55::events
