#include "bridges/rabbitmq/confirms.hpp"

#include <random>
#include <set>

#include <gtest/gtest.h>

namespace bridge55::rabbitmq {
namespace {

using Answer = Confirms::Answer;

Confirms with_published(std::size_t count, std::size_t window = 8) {
  Confirms confirms(window);
  for (std::size_t i = 0; i < count; ++i)
    confirms.published();
  return confirms;
}

TEST(Confirms, TagsCountFromOne) {
  Confirms confirms(4);
  EXPECT_EQ(confirms.published(), 1u);
  EXPECT_EQ(confirms.published(), 2u);
}

TEST(Confirms, WindowIsFullUntilTheFirstIsDone) {
  auto confirms = with_published(4, 4);
  EXPECT_FALSE(confirms.room());
  EXPECT_EQ(confirms.ack(2, false), Answer::taken);
  EXPECT_EQ(confirms.take_done(), 0u);
  EXPECT_FALSE(confirms.room()) << "a hole before it keeps its place";
  confirms.ack(1, false);
  EXPECT_EQ(confirms.take_done(), 2u);
  EXPECT_TRUE(confirms.room());
  EXPECT_EQ(confirms.in_flight(), 2u);
}

TEST(Confirms, MultipleConfirmsEverythingUpToTheTag) {
  auto confirms = with_published(5);
  confirms.ack(3, true);
  EXPECT_EQ(confirms.take_done(), 3u);
  EXPECT_EQ(confirms.unanswered(), 2u);
}

TEST(Confirms, MultipleWithTagZeroConfirmsEverything) {
  auto confirms = with_published(5);
  EXPECT_EQ(confirms.ack(0, true), Answer::taken);
  EXPECT_EQ(confirms.take_done(), 5u);
}

TEST(Confirms, TagThatWasNeverPublishedIsUnknown) {
  auto confirms = with_published(2);
  EXPECT_EQ(confirms.ack(3, false), Answer::unknown);
  EXPECT_EQ(confirms.ack(3, true), Answer::unknown);
  EXPECT_EQ(confirms.ack(0, false), Answer::unknown);
  EXPECT_EQ(confirms.nack(UINT64_MAX, true), Answer::unknown);
  EXPECT_EQ(confirms.take_done(), 0u);
  EXPECT_EQ(Confirms(2).ack(0, true), Answer::unknown) << "nothing was published at all";
}

TEST(Confirms, RepeatedConfirmChangesNothing) {
  auto confirms = with_published(3);
  confirms.ack(1, false);
  EXPECT_EQ(confirms.ack(1, false), Answer::nothing);
  confirms.take_done();
  EXPECT_EQ(confirms.ack(1, false), Answer::nothing);
  EXPECT_EQ(confirms.ack(1, true), Answer::nothing);
  EXPECT_EQ(confirms.nack(1, false), Answer::nothing);
  EXPECT_FALSE(confirms.nacked());
  EXPECT_EQ(confirms.unanswered(), 2u);
}

TEST(Confirms, RefusedMessageStopsTheCursorBeforeIt) {
  auto confirms = with_published(4);
  confirms.nack(2, false);
  confirms.ack(4, true);
  EXPECT_TRUE(confirms.nacked());
  EXPECT_EQ(confirms.take_done(), 1u);
  EXPECT_EQ(confirms.take_done(), 0u);
  EXPECT_EQ(confirms.unanswered(), 0u);
  EXPECT_EQ(confirms.in_flight(), 3u);
}

TEST(Confirms, AfterARewindOldAnswersCountForNothing) {
  auto confirms = with_published(4);
  confirms.nack(1, false);
  confirms.rewind();
  EXPECT_FALSE(confirms.nacked());
  EXPECT_EQ(confirms.in_flight(), 0u);
  EXPECT_EQ(confirms.published(), 5u);
  EXPECT_EQ(confirms.ack(3, true), Answer::nothing);
  EXPECT_EQ(confirms.take_done(), 0u);
  confirms.ack(5, false);
  EXPECT_EQ(confirms.take_done(), 1u);
}

// Any order of single and multiple answers gives what a plain set of answered tags gives.
TEST(Confirms, AnyOrderOfAnswersAgreesWithAModel) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    Confirms confirms(16);
    std::set<std::uint64_t> acked;
    std::uint64_t published = 0, done = 0;
    for (int step = 0; step < 200; ++step) {
      if (confirms.room() && random() % 2 == 0) {
        published = confirms.published();
        continue;
      }
      const std::uint64_t tag = random() % (published + 3);
      const bool multiple = random() % 3 == 0;
      const Answer answer = confirms.ack(tag, multiple);
      const std::uint64_t reach = tag == 0 && multiple ? published : tag;
      ASSERT_EQ(answer == Answer::unknown, reach == 0 || reach > published);
      if (answer == Answer::unknown) continue;
      for (std::uint64_t each = multiple ? 1 : reach; each <= reach; ++each)
        acked.insert(each);
      std::uint64_t expected = done;
      while (acked.contains(expected + 1))
        ++expected;
      done += confirms.take_done();
      ASSERT_EQ(done, expected);
      ASSERT_EQ(confirms.in_flight(), published - done);
    }
  }
}

}  // namespace
}  // namespace bridge55::rabbitmq
