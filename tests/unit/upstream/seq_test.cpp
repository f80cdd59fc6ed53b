#include "bridges/upstream/seq.hpp"

#include <gtest/gtest.h>

namespace bridge55 {
namespace {

using upstream::SeqTracker;
using Verdict = SeqTracker::Verdict;

TEST(Seq, ContiguousNumbersAreFineWhereverTheyStart) {
  SeqTracker tracker;
  for (const char* seq : {"7", "8", "9", "10"})
    EXPECT_EQ(tracker.see(seq, seq), Verdict::fine);
}

TEST(Seq, AHoleIsMeasured) {
  SeqTracker tracker;
  tracker.see("1", "a");
  EXPECT_EQ(tracker.see("5", "b"), Verdict::hole);
  EXPECT_EQ(tracker.expected(), 2u);
  EXPECT_EQ(tracker.received(), 5u);
  EXPECT_EQ(tracker.see("6", "c"), Verdict::fine);
}

TEST(Seq, AReorderedMessageFillsItsHoleOnce) {
  SeqTracker tracker;
  tracker.see("1", "a");
  EXPECT_EQ(tracker.see("4", "d"), Verdict::hole);
  EXPECT_EQ(tracker.see("3", "c"), Verdict::late);
  EXPECT_EQ(tracker.see("3", "c"), Verdict::duplicate);
  EXPECT_EQ(tracker.see("2", "b"), Verdict::late);
  EXPECT_EQ(tracker.see("5", "e"), Verdict::fine);
}

TEST(Seq, OnlyEqualBytesAreADuplicate) {
  SeqTracker tracker;
  tracker.see("1", "a");
  tracker.see("2", "b");
  EXPECT_EQ(tracker.see("2", "b"), Verdict::duplicate);
  EXPECT_EQ(tracker.see("2", "B"), Verdict::altered);
  EXPECT_EQ(tracker.see("1", "a"), Verdict::duplicate);
  EXPECT_EQ(tracker.see("3", "c"), Verdict::fine);
}

TEST(Seq, ACounterThatBeginsAnewIsAReset) {
  SeqTracker tracker;
  for (const char* seq : {"1", "2", "3"})
    tracker.see(seq, seq);
  EXPECT_EQ(tracker.see("1", "other"), Verdict::reset);
  EXPECT_EQ(tracker.expected(), 4u);
  EXPECT_EQ(tracker.see("2", "2nd"), Verdict::fine);
}

TEST(Seq, AfterOneWildNumberTheOldCountGoesOnAndItsHolesAreSeen) {
  SeqTracker tracker;
  const auto see = [&](const char* seq) { return tracker.see(seq, seq); };
  EXPECT_EQ(see("3"), SeqTracker::Verdict::fine);
  EXPECT_EQ(see("90000"), SeqTracker::Verdict::hole);
  EXPECT_EQ(see("4"), SeqTracker::Verdict::late);
  EXPECT_EQ(see("5"), SeqTracker::Verdict::late);
  EXPECT_EQ(see("6"), SeqTracker::Verdict::fine);
  EXPECT_EQ(see("12"), SeqTracker::Verdict::hole);
}

TEST(Seq, LateArrivalsInASmallHoleMoveNoBaseline) {
  SeqTracker tracker;
  const auto see = [&](const char* seq) { return tracker.see(seq, seq); };
  for (const char* seq : {"1", "7"}) see(seq);
  for (const char* seq : {"2", "3", "4", "5", "6"}) EXPECT_EQ(see(seq), SeqTracker::Verdict::late) << seq;
  EXPECT_EQ(see("8"), SeqTracker::Verdict::fine);
}

TEST(Seq, AJumpFarBackIsAReset) {
  SeqTracker tracker;
  tracker.see("5000", "a");
  EXPECT_EQ(tracker.see("20", "b"), Verdict::reset);
  EXPECT_EQ(tracker.see("21", "c"), Verdict::fine);
}

TEST(Seq, DigitsCountInStringsAndAbove53Bits) {
  SeqTracker tracker;
  EXPECT_EQ(tracker.see("\"9007199254740992\"", "a"), Verdict::fine);
  EXPECT_EQ(tracker.see("9007199254740993", "b"), Verdict::fine);
  EXPECT_EQ(tracker.see("9007199254740995", "d"), Verdict::hole);
  EXPECT_EQ(tracker.received() - tracker.expected(), 1u);
}

TEST(Seq, AbsentAndUnreadableOnesChangeNothing) {
  SeqTracker tracker;
  tracker.see("1", "a");
  EXPECT_EQ(tracker.see("", "x"), Verdict::absent);
  EXPECT_EQ(tracker.see("null", "x"), Verdict::absent);
  for (const char* seq :
       {"1.5", "-3", "\"abc\"", "{}", "18446744073709551616", "18446744073709551615", "\"\"", "true"}) {
    EXPECT_EQ(tracker.see(seq, "x"), Verdict::unreadable) << seq;
  }
  EXPECT_EQ(tracker.see("2", "b"), Verdict::fine);
}

TEST(Seq, ANewSubscriptionCountsAnew) {
  SeqTracker tracker;
  tracker.see("500", "a");
  tracker.restart();
  EXPECT_EQ(tracker.see("1", "a"), Verdict::fine);
}

TEST(Seq, ManyHolesAreForgottenOldestFirst) {
  SeqTracker tracker;
  for (int i = 0; i < 1000; i += 2)
    tracker.see(std::to_string(i), std::to_string(i));
  EXPECT_EQ(tracker.see("997", "late"), Verdict::late);
}

}  // namespace
}  // namespace bridge55
