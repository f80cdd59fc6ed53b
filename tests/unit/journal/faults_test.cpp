// A disk that is full, slow, broken or without power.
#include "tests/unit/journal/faulty_disk.hpp"
#include "tests/unit/journal/journal_fixture.hpp"

#include <algorithm>
#include <filesystem>
#include <random>

namespace bridge55::events {
namespace {

constexpr EventId kFirst = 1'771'183'909'000'000;

Sample large(std::size_t bytes) {
  Sample sample;
  sample.payload = "\"" + std::string(bytes, 'x') + "\"";
  return sample;
}

class FaultTest : public JournalTest {
 protected:
  FaultyDisk disk;
};

TEST_F(FaultTest, every_durable_report_has_been_synced) {
  Running running(directory);
  for (EventId i = 0; i < 20; ++i) {
    const std::uint64_t before = disk.syncs;
    running.append(kFirst + i);
    ASSERT_TRUE(running.durable(kFirst + i));
    EXPECT_GT(disk.syncs, before);
  }
}

TEST_F(FaultTest, a_full_disk_is_said_waited_out_and_loses_nothing_that_fits) {
  Running running(directory);
  running.append(kFirst);
  ASSERT_TRUE(running.durable(kFirst));
  disk.space = 0;
  running.append_many(kFirst + 1, 2000, 1, large(700));
  ASSERT_TRUE(running.until([&] { return !running.writable.empty(); }));
  EXPECT_FALSE(running.writable[0].first);
  EXPECT_FALSE(running.writable[0].second.empty());
  // What the log still has room for may go through first.
  EXPECT_TRUE(
      running.until([&] { return !running.writable.back().first && !running.journal().stats().writable; }));
  EXPECT_TRUE(running.fatal.empty());
  disk.space = INT64_MAX;
  ASSERT_TRUE(running.durable(kFirst + 2000));
  ASSERT_TRUE(running.until([&] { return running.writable.back().first; }));
  EXPECT_TRUE(running.journal().stats().writable);
  EXPECT_TRUE(running.skipped.empty());
  EXPECT_EQ(running.ids().size(), 2001u);
}

TEST_F(FaultTest, a_cursor_that_met_a_full_disk_is_stored_when_space_returns) {
  {
    Running running(directory);
    disk.space = 0;
    running.append_many(kFirst, 500, 1, large(700));
    ASSERT_TRUE(running.until([&] { return !running.writable.empty(); }));
    running.journal().store_cursor("rabbit", 77);
    disk.space = INT64_MAX;
    ASSERT_TRUE(running.barrier());
  }
  Running running(directory);
  EXPECT_EQ(running.recovered().cursors.at("rabbit"), 77u);
}

TEST_F(FaultTest, what_exceeds_the_inbox_while_the_disk_is_full_is_one_hole_that_is_said) {
  Running running(directory);
  disk.space = 0;
  running.append_many(kFirst, 100, 1, large(700));
  ASSERT_TRUE(running.until([&] { return !running.writable.empty(); }));
  const Sample big = large(1 << 20);
  for (EventId i = 0; i < 60; ++i)
    running.append(kFirst + 1000 + i, big);
  EXPECT_LE(running.journal().inbox_bytes(), Journal::kInboxLimit);
  running.append(kFirst + 2000);  // would fit, but a hole with islands could not be said as one range
  disk.space = INT64_MAX;
  ASSERT_TRUE(running.until([&] { return !running.skipped.empty(); }));
  ASSERT_EQ(running.skipped.size(), 1u);
  const Running::Hole hole = running.skipped[0];
  EXPECT_EQ(hole.last, kFirst + 2000);
  EXPECT_EQ(hole.count, hole.last == kFirst + 2000 ? kFirst + 1060 - hole.first + 1 : 0);
  running.append(kFirst + 3000);
  ASSERT_TRUE(running.durable(kFirst + 3000));
  for (const EventId id : running.ids())
    EXPECT_TRUE(id < hole.first || id > hole.last);
  EXPECT_EQ(running.ids().size(), 100 + 61 - hole.count + 1);
}

TEST_F(FaultTest, ids_do_not_run_out_while_the_disk_is_full) {
  EventId wanted = 0;
  {
    Running running(directory);
    disk.space = 0;
    running.append_many(kFirst, 500, 1, large(700));
    ASSERT_TRUE(running.until([&] { return !running.writable.empty(); }));
    wanted = running.journal().ceiling() + 90'000'000;
    running.journal().want_ceiling(wanted);
    EXPECT_TRUE(running.until([&] { return running.journal().ceiling() >= wanted; }));
  }
  disk.space = INT64_MAX;
  Running running(directory);
  EXPECT_GE(running.recovered().ceiling, wanted);
}

TEST_F(FaultTest, a_start_on_a_full_disk_works_and_is_not_taken_for_clean_afterwards) {
  EventId ceiling = 0;
  {
    Running running(directory);
    running.append_many(kFirst, 100, 1);
    ASSERT_TRUE(running.durable(kFirst + 99));
    running.close();
  }
  disk.space = 0;
  {
    Running running(directory);
    EXPECT_TRUE(running.recovered().clean_stop);
    ceiling = running.journal().ceiling();
    EXPECT_EQ(running.ids().size(), 100u);
    running.append(ceiling);
    ASSERT_TRUE(running.until([&] { return !running.writable.empty(); }));
    disk.space = INT64_MAX;
    ASSERT_TRUE(running.durable(ceiling));
  }
  Running running(directory);
  EXPECT_FALSE(running.recovered().clean_stop);
  EXPECT_GE(running.recovered().ceiling, ceiling);
}

TEST_F(FaultTest, closing_on_a_full_disk_comes_to_an_end_and_is_no_clean_stop) {
  {
    Running running(directory);
    disk.space = 0;
    running.append_many(kFirst, 500, 1, large(700));
    ASSERT_TRUE(running.until([&] { return !running.writable.empty(); }));
    running.close();
  }
  disk.space = INT64_MAX;
  Running running(directory);
  EXPECT_FALSE(running.recovered().clean_stop);
}

TEST_F(FaultTest, a_failed_sync_is_final_and_nothing_is_reported_after_it) {
  Running running(directory);
  running.append(kFirst);
  ASSERT_TRUE(running.durable(kFirst));
  disk.syncs_fail = true;
  running.append(kFirst + 1);
  ASSERT_TRUE(running.until([&] { return !running.fatal.empty(); }));
  disk.syncs_fail = false;
  running.append(kFirst + 2);
  bool passed = false;
  running.journal().barrier([&] { passed = true; });
  running.close();
  EXPECT_EQ(running.durable_id, kFirst);
  EXPECT_FALSE(passed);
  EXPECT_FALSE(running.journal().stats().writable);
}

TEST_F(FaultTest, after_a_failed_sync_the_next_start_is_not_clean_and_holds_what_was_reported) {
  {
    Running running(directory);
    running.append_many(kFirst, 100, 1);
    ASSERT_TRUE(running.durable(kFirst + 99));
    disk.syncs_fail = true;
    running.append(kFirst + 100);
    ASSERT_TRUE(running.until([&] { return !running.fatal.empty(); }));
    running.close();
  }
  disk.syncs_fail = false;
  Running running(directory);
  EXPECT_FALSE(running.recovered().clean_stop);
  EXPECT_GE(running.ids().size(), 100u);
}

TEST_F(FaultTest, a_failed_write_is_final) {
  Running running(directory);
  disk.writes_fail = true;
  running.append(kFirst);
  EXPECT_TRUE(running.until([&] { return !running.fatal.empty(); }));
  EXPECT_EQ(running.durable_id, 0u);
}

TEST_F(FaultTest, a_stalled_sync_is_not_noticed_by_the_io_thread) {
  Running running(directory);
  disk.held = true;
  running.append(kFirst);
  running.append_many(kFirst + 1, 1000, 1, large(700));  // returns at once: else this test would never end
  EXPECT_GT(running.journal().inbox_bytes(), 700'000u);
  EXPECT_EQ(running.durable_id, 0u);
  disk.held = false;
  EXPECT_TRUE(running.durable(kFirst + 1000));
  EXPECT_TRUE(running.until([&] { return running.journal().inbox_bytes() == 0; }));
}

TEST_F(FaultTest, a_disk_that_can_be_written_but_not_read_is_no_end_of_the_journal) {
  Running running(directory);
  running.append_many(kFirst, 5000, 1, large(700));
  ASSERT_TRUE(running.durable(kFirst + 4999));
  disk.reads_fail = true;
  const ReadResult got = running.read({});
  EXPECT_NE(got.damage, "");
  EXPECT_TRUE(got.more);
  EXPECT_EQ(got.scanned_through, 0u);
  EXPECT_TRUE(running.until([&] { return !running.fatal.empty(); }));
  disk.reads_fail = false;
  EXPECT_EQ(running.ids().size(), 5000u);
}

// Frame 41 is the first whose head a sector's end divides between the commit mark and the salts: torn there,
// it shows the mark of an older round.
TEST_F(FaultTest, a_torn_write_that_shows_an_older_commit_mark_is_no_damage) {
  constexpr std::size_t frame = 32 + 41 * (16384 + 24);
  static_assert((frame + 8) % 512 == 0);
  const std::string copy = directory + "/torn";
  {
    Running running(directory);
    running.append(kFirst, large(1'500'000));  // one commit of some ninety frames
    ASSERT_TRUE(running.durable(kFirst));
    std::filesystem::create_directory(copy);
    for (const char* name : {"/journal.db", "/journal.db-wal"})
      spit(copy + name, slurp(directory + name));
  }
  std::string log = slurp(copy + "/journal.db-wal");
  ASSERT_GT(log.size(), frame + 10 * 16384);
  log[frame + 7] = 9;
  spit(copy + "/journal.db-wal", log);
  Running again(copy);
  for (const std::string& repair : again.recovered().repairs)
    EXPECT_EQ(repair.find("damaged ("), repair.npos) << repair;
  again.append(kFirst + 1);
  EXPECT_TRUE(again.durable(kFirst + 1));
}

TEST_F(FaultTest, a_power_cut_forgets_nothing_that_was_reported_durable) {
  std::mt19937 chance(4711);
  Running running(directory, [] {
    config::Journal settings;
    settings.retention_size = config::mib(16);  // a small log: cuts fall into checkpoints too
    return settings;
  }());
  EventId next = kFirst, stored = 0;
  for (int round = 0; round < 25; ++round) {
    for (int batch = 0; batch < 8; ++batch) {
      running.append_many(next, 1 + chance() % 60, 1, large(chance() % 3000));
      next += 100;
      running.until([&] { return chance() % 4 == 0; });
    }
    running.journal().store_cursor("rabbit", running.durable_id);
    if (chance() % 2 == 0) {
      const EventId cursor = running.durable_id;
      ASSERT_TRUE(running.barrier());
      stored = std::max(stored, cursor);
    }
    const EventId reported = running.durable_id, ceiling = running.journal().ceiling();
    const std::string copy = directory + "/cut" + std::to_string(round);
    disk.cut_power(directory, copy, chance);
    const std::vector<EventId> wanted = running.ids();

    Running again(copy);
    EXPECT_FALSE(again.recovered().clean_stop);
    EXPECT_GE(again.recovered().ceiling, ceiling);
    const std::vector<EventId> found = again.ids();
    EXPECT_TRUE(std::ranges::is_sorted(found));
    for (const EventId id : wanted) {
      if (id <= reported && id > again.recovered().gone_through) {
        ASSERT_TRUE(std::ranges::binary_search(found, id)) << "round " << round << " id " << id;
      }
    }
    if (stored != 0) {
      EXPECT_GE(again.recovered().cursors.at("rabbit"), stored);
    }
    for (const std::string& repair : again.recovered().repairs)
      EXPECT_EQ(repair.find("damaged ("), repair.npos) << repair;
  }
}

}  // namespace
}  // namespace bridge55::events
