// What leaves the journal, when, and in which order.
#include "daemon/events/journal_store.hpp"
#include "tests/unit/journal/journal_fixture.hpp"

#include <algorithm>
#include <filesystem>
#include <map>

namespace bridge55::events {
namespace {

constexpr EventId kFirst = 1'771'183'909'000'000;

Sample of(const std::string& source, const std::string& channel, std::size_t bytes = 900) {
  Sample sample;
  sample.source = source;
  sample.channel = channel;
  sample.payload = "\"" + std::string(bytes, 'x') + "\"";
  return sample;
}

config::Journal limited(std::uint64_t size) {
  config::Journal settings;
  settings.retention_size = config::Bytes{size};
  return settings;
}

class RetentionTest : public JournalTest {
 protected:
  // How many events of each channel are held.
  static std::map<std::string, std::size_t> held(Running& running) {
    std::map<std::string, std::size_t> counts;
    ReadRequest request;
    for (bool more = true; more;) {
      const ReadResult got = running.read(request);
      EXPECT_EQ(got.damage, "");
      for (const EventPtr& event : got.events)
        ++counts[std::string(event->channel())];
      request.after = got.scanned_through;
      more = got.more;
    }
    return counts;
  }
};

TEST_F(RetentionTest, the_size_limit_holds_under_sustained_load) {
  constexpr std::uint64_t limit = 24u << 20;
  Running running(directory, limited(limit));
  running.journal().hold_from(UINT64_MAX);
  std::uint64_t largest = 0;
  EventId id = kFirst;
  for (int round = 0; round < 60; ++round) {
    running.append_many(id, 1000, 1, of("abp", "status"));
    ASSERT_TRUE(running.durable(id + 999));
    id += 1000;
    largest = std::max(largest, running.journal().stats().file_bytes);
  }
  EXPECT_LT(largest, limit * 11 / 10);
  const std::uint64_t on_disk =
      std::filesystem::file_size(path()) + std::filesystem::file_size(path() + "-wal");
  EXPECT_LT(on_disk, limit * 11 / 10);
  const JournalStats stats = running.journal().stats();
  EXPECT_GT(stats.events, 10'000u);  // and what fits is kept
  EXPECT_LT(stats.events, 30'000u);
  const std::vector<EventId> ids = running.ids();
  EXPECT_EQ(ids.size(), stats.events);
  EXPECT_EQ(ids.back(), id - 1);
  EXPECT_EQ(stats.oldest_id, ids.front());
  EXPECT_EQ(stats.gone_through, ids.front() - 1);
  EXPECT_TRUE(running.forced.empty());
}

TEST_F(RetentionTest, cheap_channels_go_first_and_money_last_when_the_size_presses) {
  Running running(directory, limited(24u << 20));
  running.journal().hold_from(UINT64_MAX);
  Sample relay = of("scraping", "prices");
  relay.relay = R"({"node_id":"x"})";
  EventId id = kFirst;
  for (int round = 0; round < 80; ++round) {
    running.append_many(id, 10, 1, of("abp", "orders"));
    running.append_many(id + 10, 10, 1, of("bridge", "session"));
    running.append_many(id + 20, 50, 1, of("abp", "status"));
    running.append_many(id + 100, 100, 1, of("abp", "fixtures"));
    running.append_many(id + 200, 100, 1, of("abp", "betslip"));
    running.append_many(id + 300, 100, 1, of("mm", "scores"));
    running.append_many(id + 400, 100, 1, relay);
    ASSERT_TRUE(running.durable(id + 499));
    id += 500;
  }
  auto counts = held(running);
  EXPECT_EQ(counts["orders"], 800u);
  EXPECT_EQ(counts["session"], 800u);
  EXPECT_EQ(counts["status"], 4000u);
  EXPECT_LT(counts["fixtures"], 8000u);
  EXPECT_LT(counts["prices"], 8000u);
  EXPECT_GT(counts["fixtures"] + counts["betslip"] + counts["scores"] + counts["prices"], 3000u);
  // Now the rest presses: what is neither cheap nor money goes before money does.
  for (int round = 0; round < 40; ++round) {
    running.append_many(id, 1000, 1, of("abp", "status"));
    ASSERT_TRUE(running.durable(id + 999));
    id += 1000;
  }
  counts = held(running);
  EXPECT_EQ(counts["orders"], 800u);
  EXPECT_EQ(counts["session"], 800u);
  EXPECT_EQ(counts["fixtures"] + counts["betslip"] + counts["scores"] + counts["prices"], 0u);
  EXPECT_GT(running.journal().stats().gone_through, kFirst);
  EXPECT_EQ(running.journal().stats().oldest_id, kFirst);
}

TEST_F(RetentionTest, money_goes_too_when_there_is_nothing_else) {
  Running running(directory, limited(16u << 20));
  running.journal().hold_from(UINT64_MAX);
  EventId id = kFirst;
  for (int round = 0; round < 40; ++round, id += 1000) {
    running.append_many(id, 1000, 1, of("abp", "orders"));
    ASSERT_TRUE(running.durable(id + 999));
  }
  EXPECT_LT(running.journal().stats().file_bytes, 18u << 20);
  EXPECT_EQ(running.ids().back(), id - 1);
}

// Says of the commits up to an id that they were made at another time, with checksums that fit.
void date_back(const std::string& path, EventId through, WallMicros at) {
  Store store(path);
  std::vector<CommitRow> rows;
  {
    sqlite::Statement all(store.connection(), "SELECT * FROM commits WHERE last_id<=? ORDER BY first_id");
    for (all.bind(1, through); all.row();)
      rows.push_back(commit_row(all));
  }
  ASSERT_FALSE(rows.empty());
  store.begin();
  for (CommitRow& row : rows) {
    row.at = at;
    store.connection().run(("DELETE FROM commits WHERE first_id=" + std::to_string(row.first_id)).c_str());
    store.insert_commit(row);
  }
  store.commit();
}

class AgeTest : public RetentionTest {
 protected:
  void SetUp() override {
    Running running(directory);
    running.append_many(kFirst, 1000, 1);
    ASSERT_TRUE(running.durable(kFirst + 999));
    running.append_many(kFirst + 1000, 1000, 1);
    ASSERT_TRUE(running.durable(kFirst + 1999));
    running.close();
  }
};

TEST_F(AgeTest, what_is_past_its_age_goes_and_the_rest_stays) {
  date_back(path(), kFirst + 999, wall_now() - 8 * 24 * 3'600'000'000LL);
  Running running(directory);
  ASSERT_TRUE(running.until([&] { return running.journal().stats().gone_through == kFirst + 999; }));
  EXPECT_EQ(running.ids().size(), 1000u);
  EXPECT_EQ(running.journal().stats().events, 1000u);
}

TEST_F(AgeTest, what_was_committed_while_the_clock_was_years_ahead_grows_old_from_now_on) {
  date_back(path(), kFirst + 1999, wall_now() + 12 * 365 * 24 * 3'600'000'000LL);
  config::Journal settings;
  settings.retention_age = std::chrono::milliseconds(1);
  Running running(directory, settings);
  running.append(kFirst + 5000);
  EXPECT_TRUE(running.until([&] { return running.journal().stats().gone_through >= kFirst + 1999; }));
}

TEST_F(RetentionTest, age_never_takes_what_a_cursor_has_not_read) {
  config::Journal settings;
  settings.retention_age = std::chrono::milliseconds(1);
  Running running(directory, settings);
  running.journal().hold_from(kFirst + 499);
  running.append_many(kFirst, 500, 1);
  ASSERT_TRUE(running.durable(kFirst + 499));
  running.append_many(kFirst + 500, 500, 1);
  ASSERT_TRUE(running.durable(kFirst + 999));
  ASSERT_TRUE(running.until([&] { return running.journal().stats().gone_through >= kFirst + 499; }));
  ASSERT_TRUE(running.barrier());
  EXPECT_EQ(running.ids().front(), kFirst + 500);
  EXPECT_TRUE(running.forced.empty());
  running.journal().hold_from(UINT64_MAX);
  EXPECT_TRUE(running.until([&] { return running.journal().stats().gone_through >= kFirst + 999; }));
}

TEST_F(RetentionTest, stored_cursors_hold_events_from_the_start) {
  config::Journal settings;
  {
    Running running(directory, settings);
    running.append_many(kFirst, 100, 1);
    running.journal().store_cursor("rabbit", kFirst + 49);
    running.journal().store_consumer({"risk", "app", kFirst + 80, 1});
    ASSERT_TRUE(running.barrier());
    running.append_many(kFirst + 100, 100, 1);
    ASSERT_TRUE(running.barrier());
    running.close();
  }
  settings.retention_age = std::chrono::milliseconds(1);
  Running running(directory, settings);
  running.append(kFirst + 1000);
  ASSERT_TRUE(running.durable(kFirst + 1000));
  ASSERT_TRUE(running.barrier());
  const std::vector<EventId> ids = running.ids();
  EXPECT_LE(ids.front(), kFirst + 50);
  EXPECT_TRUE(std::ranges::find(ids, kFirst + 50) != ids.end());
}

TEST_F(RetentionTest, only_the_size_limit_goes_over_a_cursor_and_it_says_so) {
  Running running(directory, limited(16u << 20));
  running.journal().hold_from(kFirst + 99);
  EventId id = kFirst;
  for (int round = 0; round < 40; ++round, id += 1000) {
    running.append_many(id, 1000, 1, of("abp", "status"));
    ASSERT_TRUE(running.durable(id + 999));
  }
  ASSERT_TRUE(running.until([&] { return !running.forced.empty(); }));
  EXPECT_GT(running.forced[0], kFirst + 99);
  EXPECT_LT(running.journal().stats().file_bytes, 18u << 20);
}

TEST_F(RetentionTest, what_is_free_goes_before_a_cursor_is_gone_over) {
  Running running(directory, limited(24u << 20));
  EventId id = kFirst;
  running.journal().hold_from(kFirst + 9'999);
  running.append_many(id, 10'000, 1, of("abp", "orders"));  // read by everybody, though money
  id += 10'000;
  ASSERT_TRUE(running.durable(id - 1));
  for (int round = 0; round < 12; ++round, id += 1000) {
    running.append_many(id, 1000, 1, of("abp", "fixtures"));  // cheap, but wanted
    ASSERT_TRUE(running.durable(id + 999));
  }
  EXPECT_EQ(held(running)["fixtures"], 12'000u);
  EXPECT_TRUE(running.forced.empty());
}

TEST_F(RetentionTest, what_was_deleted_is_remembered_over_a_restart) {
  EventId gone = 0;
  std::uint64_t events = 0;
  {
    Running running(directory, limited(16u << 20));
    running.journal().hold_from(UINT64_MAX);
    for (EventId id = kFirst; id < kFirst + 30'000; id += 1000) {
      running.append_many(id, 1000, 1, of("abp", "status"));
      ASSERT_TRUE(running.durable(id + 999));
    }
    gone = running.journal().stats().gone_through;
    events = running.journal().stats().events;
    EXPECT_GT(gone, kFirst);
  }
  Running running(directory, limited(16u << 20));
  EXPECT_EQ(running.recovered().gone_through, gone);
  EXPECT_EQ(running.recovered().oldest_id, gone + 1);
  EXPECT_EQ(running.journal().stats().events, events);
  EXPECT_EQ(running.read({}).gone_through, gone);
}

TEST_F(RetentionTest, a_smaller_limit_takes_hold_while_running) {
  Running running(directory, limited(64u << 20));
  running.append_many(kFirst, 20'000, 1, of("abp", "status"));
  ASSERT_TRUE(running.durable(kFirst + 19'999));
  EXPECT_EQ(running.journal().stats().events, 20'000u);
  running.journal().set_retention(limited(8u << 20));
  EXPECT_TRUE(running.until([&] { return running.journal().stats().events < 10'000; }));
}

TEST_F(RetentionTest, ids_that_retention_took_are_never_free_again) {
  config::Journal settings;
  settings.retention_age = std::chrono::milliseconds(1);
  {
    Running running(directory, settings);
    running.journal().hold_from(UINT64_MAX);
    running.append_many(kFirst, 100, 1);
    ASSERT_TRUE(running.until([&] { return running.journal().stats().gone_through == kFirst + 99; }));
    EXPECT_EQ(running.journal().stats().events, 0u);
  }
  Running running(directory, settings);
  EXPECT_EQ(running.recovered().last_id, kFirst + 99);
  EXPECT_EQ(running.recovered().oldest_id, 0u);
  EXPECT_TRUE(running.recovered().repairs.empty());
}

TEST_F(RetentionTest, the_sparse_table_does_not_outgrow_what_it_describes) {
  // One old order keeps its place while cheap events come and go around it, a commit each.
  Running running(directory, limited(2u << 20));
  running.journal().hold_from(UINT64_MAX);
  running.append(kFirst, of("abp", "orders"));
  for (EventId i = 1; i <= 3000; ++i) {
    running.append(kFirst + i, of("abp", "fixtures", 3000), 1);
    if (i % 8 == 0) running.until([&] { return running.durable_id >= kFirst + i; });
  }
  ASSERT_TRUE(running.durable(kFirst + 3000));
  EXPECT_EQ(running.ids().front(), kFirst);
  EXPECT_LT(running.journal().stats().events, 700u);
  ReadRequest request;
  request.from = static_cast<WallMicros>(kFirst + 2990);
  EXPECT_EQ(running.read(request).events.back()->id(), kFirst + 3000);
}

}  // namespace
}  // namespace bridge55::events
