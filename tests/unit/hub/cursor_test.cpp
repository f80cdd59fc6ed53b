// The hub's numbering and the cursors over tail and journal, on a journal in memory.
#include "daemon/events/cursor.hpp"

#include "daemon/base/metrics.hpp"
#include "tests/support/fake_journal.hpp"

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace bridge55::events {
namespace {

struct CursorTest : testing::Test {
  tests::FakeJournal journal;
  metrics::Registry metrics;
  Recovered recovered;
  std::unique_ptr<Hub> hub;

  void open(std::size_t tail_limit = 1 << 20) {
    hub = std::make_unique<Hub>(journal, metrics, recovered, tail_limit);
    journal.handlers.durable = [this](EventId id) { hub->on_durable(id); };
  }
  EventId publish(const std::string& payload, std::string_view ts = {}) {
    Facts facts;
    facts.source = "abp";
    facts.channel = "orders";
    facts.name = "UPDATE";
    facts.ts = ts;
    facts.payload = payload;
    const auto event = hub->publish(facts);
    hub->flush();
    return event->id();
  }
  void publish_many(int from, int to) {
    for (int i = from; i < to; ++i)
      publish(std::to_string(i));
  }
  // Takes everything that is there, answering journal reads as they come.
  std::vector<std::string> drain(Cursor& cursor, std::size_t step = SIZE_MAX) {
    std::vector<std::string> seen;
    while (true) {
      const auto events = cursor.next(step);
      for (const auto& event : events)
        seen.emplace_back(event->payload());
      cursor.advance(events.size());
      if (events.empty() && (cursor.has_loss() || journal.answer_reads() == 0)) return seen;
    }
  }
  static std::vector<std::string> numbers(int from, int to) {
    std::vector<std::string> all;
    for (int i = from; i < to; ++i)
      all.push_back(std::to_string(i));
    return all;
  }
};

TEST_F(CursorTest, IdsIncreaseStrictlyAndAreTheClockWhereTheyCan) {
  open();
  EventId last = 0;
  for (int i = 0; i < 10'000; ++i) {
    const EventId id = publish("1");
    ASSERT_GT(id, last);
    last = id;
  }
  EXPECT_LT(last, static_cast<EventId>(wall_now()) + 10'000);
}

TEST_F(CursorTest, NoIdIsAtOrBelowWhatAnEarlierRunMayHaveHandedOut) {
  recovered.ceiling = static_cast<EventId>(wall_now()) + 3'600'000'000;
  open();
  EXPECT_GT(publish("1"), recovered.ceiling);
}

TEST_F(CursorTest, NoIdExceedsTheDurableCeilingAndSourcesAreStoppedBeforeIt) {
  open();
  journal.commit_at_once = false;
  journal.ceiling_value = static_cast<EventId>(wall_now()) - 5'000'000;  // the disk stalled five seconds ago
  recovered.last_id = 0;
  int count = 0;
  while (!hub->must_pause() && count < 2'000'000) {
    ASSERT_LE(publish("1"), journal.ceiling_value);
    if (++count % 1000 == 0) journal.commit();
  }
  EXPECT_GT(count, 900'000);
  EXPECT_FALSE(journal.wanted_ceilings.empty());
}

TEST_F(CursorTest, ALiveCursorSeesEventsBeforeTheyAreDurableADurableOneAfter) {
  open();
  journal.commit_at_once = false;
  int live_wakes = 0, durable_wakes = 0;
  Cursor live(*hub, hub->last_id(), Cursor::Reads::live, [&] { ++live_wakes; });
  Cursor durable(*hub, hub->last_id(), Cursor::Reads::durable, [&] { ++durable_wakes; });
  publish("1");
  EXPECT_EQ(live_wakes, 1);
  EXPECT_EQ(durable_wakes, 0);
  EXPECT_EQ(drain(live), numbers(1, 2));
  EXPECT_TRUE(drain(durable).empty());
  journal.commit();
  EXPECT_EQ(durable_wakes, 1);
  EXPECT_EQ(drain(durable), numbers(1, 2));
}

TEST_F(CursorTest, ASlowCursorIsServedFromTheJournalAndComesBackToTheTailWithoutHoleOrOverlap) {
  open(20'000);  // a tail of a few dozen events
  Cursor cursor(*hub, 0, Cursor::Reads::live, [] {});
  publish_many(0, 5'000);
  EXPECT_EQ(drain(cursor, 7), numbers(0, 5'000));
  EXPECT_FALSE(cursor.behind());
  publish_many(5'000, 5'010);
  EXPECT_EQ(drain(cursor), numbers(5'000, 5'010));
}

TEST_F(CursorTest, EventsArrivingDuringTheCatchUpAreNotMissed) {
  open(20'000);
  Cursor cursor(*hub, 0, Cursor::Reads::live, [] {});
  publish_many(0, 3'000);
  std::vector<std::string> seen;
  int next = 3'000;
  for (int turn = 0; turn < 400; ++turn) {
    const auto events = cursor.next(50);
    for (const auto& event : events)
      seen.emplace_back(event->payload());
    cursor.advance(events.size());
    if (turn % 3 == 0) publish_many(next, next + 10), next += 10;
    if (events.empty()) journal.answer_reads();
  }
  const auto rest = drain(cursor);
  seen.insert(seen.end(), rest.begin(), rest.end());
  EXPECT_EQ(seen, numbers(0, next));
}

TEST_F(CursorTest, AReleasedChunkIsReadAgainFromWhereTheCursorStood) {
  open(20'000);
  publish_many(0, 3'000);
  Cursor cursor(*hub, 0, Cursor::Reads::live, [] {});
  EXPECT_TRUE(cursor.next(10).empty());
  journal.answer_reads();
  auto events = cursor.next(10);
  ASSERT_EQ(events.size(), 10u);
  cursor.advance(4);
  cursor.release();
  EXPECT_EQ(drain(cursor), numbers(4, 3'000));
}

TEST_F(CursorTest, CursorsThatMoveTogetherShareOneRead) {
  open(20'000);
  publish_many(0, 3'000);
  Cursor one(*hub, 0, Cursor::Reads::live, [] {}), other(*hub, 0, Cursor::Reads::live, [] {});
  one.next();
  other.next();
  EXPECT_EQ(journal.answer_reads(), 1u);
  EXPECT_EQ(one.next().data(), other.next().data());
}

TEST_F(CursorTest, AStartAfterARestartReadsTheJournalThenTheTail) {
  open();
  publish_many(0, 100);
  recovered.last_id = recovered.ceiling = hub->last_id();
  open();
  publish_many(100, 120);
  Cursor cursor(*hub, journal.rows[49]->id(), Cursor::Reads::durable, [] {});
  EXPECT_EQ(drain(cursor), numbers(50, 120));
}

TEST_F(CursorTest, APositionOlderThanRetentionIsSaidOnceAndNothingThatIsHeldIsSkipped) {
  open(20'000);
  publish_many(0, 3'000);
  const EventId start = journal.rows[0]->id(), gone = journal.rows[999]->id();
  journal.forget_through(gone);
  Cursor cursor(*hub, start, Cursor::Reads::live, [] {});
  EXPECT_TRUE(drain(cursor).empty());
  ASSERT_TRUE(cursor.has_loss());
  const auto loss = cursor.take_loss();
  EXPECT_EQ(loss.gone_through, gone);
  EXPECT_EQ(loss.oldest, journal.rows[0]->id());
  EXPECT_EQ(drain(cursor), numbers(1'000, 3'000));
  EXPECT_FALSE(cursor.has_loss());
}

TEST_F(CursorTest, FromTheEarliestIsNoLoss) {
  open(20'000);
  publish_many(0, 3'000);
  journal.forget_through(journal.rows[999]->id());
  hub->set_gone_through(journal.stats_value.gone_through);
  Cursor cursor(*hub, 0, Cursor::Reads::live, [] {});
  EXPECT_EQ(drain(cursor), numbers(1'000, 3'000));
}

TEST_F(CursorTest, RepositionGoesBackAndAnOldReadIsIgnored) {
  open(20'000);
  publish_many(0, 3'000);
  Cursor cursor(*hub, journal.rows[2'000]->id(), Cursor::Reads::live, [] {});
  cursor.next();  // a read is under way
  cursor.reposition(journal.rows[9]->id());
  EXPECT_EQ(drain(cursor), numbers(10, 3'000));
}

TEST_F(CursorTest, ACursorMayGoAwayWhileItIsWokenOrRead) {
  open(20'000);
  std::unique_ptr<Cursor> doomed;
  doomed = std::make_unique<Cursor>(*hub, hub->last_id(), Cursor::Reads::live, [&] { doomed.reset(); });
  Cursor other(*hub, hub->last_id(), Cursor::Reads::live, [] {});
  publish_many(0, 3'000);
  EXPECT_EQ(drain(other).size(), 3'000u);
  auto reading = std::make_unique<Cursor>(*hub, 0, Cursor::Reads::live, [] {});
  reading->next();
  reading.reset();
  journal.answer_reads();
}

TEST_F(CursorTest, WhatAWokenConsumerSaysIsDeliveredToo) {
  open();
  std::vector<std::string> seen;
  std::unique_ptr<Cursor> cursor;
  bool said = false;
  cursor = std::make_unique<Cursor>(*hub, hub->last_id(), Cursor::Reads::live, [&] {
    const auto events = cursor->next();
    for (const auto& event : events)
      seen.emplace_back(event->payload());
    cursor->advance(events.size());
    if (!said) {
      said = true;
      hub->say("control", "TEST", "2");
    }
  });
  publish("1");
  EXPECT_EQ(seen, numbers(1, 3));
}

TEST_F(CursorTest, TheTailKeepsWhatIsNotDurableAndIsBoundedOtherwise) {
  open(20'000);
  journal.commit_at_once = false;
  publish_many(0, 1'000);
  EXPECT_EQ(hub->tail().end() - hub->tail().begin(), 1'000u);
  journal.commit();
  EXPECT_LE(hub->tail().bytes(), 20'000u);
}

TEST_F(CursorTest, OnAFullDiskMemoryIsBoundedAndASlowCursorWaitsForTheDiskWithoutMissingAnything) {
  open(20'000);
  journal.commit_at_once = false;
  hub->on_writable(false);
  Cursor slow(*hub, 0, Cursor::Reads::live, [] {});
  const std::string big = '"' + std::string(1 << 20, 'x') + '"';
  for (int i = 0; i < 200; ++i)
    publish(big);
  EXPECT_FALSE(hub->must_pause());
  EXPECT_LE(hub->tail().bytes(), 20'000u + 2 * Journal::kInboxLimit + (3u << 20));
  EXPECT_TRUE(drain(slow).empty()) << "what it needs has left the memory and is not on disk yet";
  journal.commit();
  EXPECT_EQ(drain(slow).size(), 200u);
}

TEST_F(CursorTest, EqualFactsThatAreBothNewAfterAReconnectAreBothTaken) {
  open();
  Facts facts;
  facts.source = "abp";
  facts.channel = "orders";
  facts.name = "UPDATE";
  facts.ts = "5";
  facts.payload = "1";
  EXPECT_TRUE(hub->publish(facts, true));
  EXPECT_TRUE(hub->publish(facts, true));
  EXPECT_TRUE(hub->publish(facts, true));
  hub->session_began("abp");
  for (int i = 0; i < 3; ++i)
    EXPECT_FALSE(hub->publish(facts, true)) << i;
  EXPECT_TRUE(hub->publish(facts, true));
}

TEST_F(CursorTest, AClockThatStepsBackDoesNotLetTheIdsRunOut) {
  open();
  publish("1");
  const EventId ahead = hub->last_id() + 3'600'000'000;
  recovered.ceiling = ahead;
  journal.ceiling_value = ahead + 500'000;
  open();
  publish("1");
  ASSERT_FALSE(journal.wanted_ceilings.empty());
  EXPECT_GT(journal.wanted_ceilings.back(), ahead + 1'000'000);
}

TEST_F(CursorTest, RedeliveriesAfterAReconnectAreDroppedOnceEach) {
  open();
  publish("{\"a\":1}", "5");
  Facts facts;
  facts.source = "abp";
  facts.channel = "orders";
  facts.name = "UPDATE";
  facts.ts = "5";
  facts.payload = "{\"a\":1}";
  EXPECT_FALSE(hub->publish(facts, true));
  EXPECT_TRUE(hub->publish(facts, true)) << "the vendor sent it once before, so a second one is news";
}

}  // namespace
}  // namespace bridge55::events
