// What goes in comes out: bytes, order, reopening, cursors, ceilings.
#include "daemon/events/event.hpp"
#include "tests/unit/journal/journal_fixture.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

namespace bridge55::events {
namespace {

constexpr EventId kFirst = 1'771'183'909'789'001;

void expect_same(const Event& got, const Event& sent) {
  EXPECT_EQ(got.id(), sent.id());
  EXPECT_EQ(got.received_at(), sent.received_at());
  EXPECT_EQ(got.envelope(), sent.envelope());
  EXPECT_EQ(got.line(), sent.line());
  EXPECT_EQ(got.raw(), sent.raw());
  EXPECT_EQ(got.message_id(), sent.message_id());
}

std::vector<EventPtr> append_varied(Running& running, int count) {
  std::vector<EventPtr> sent;
  for (int i = 0; i < count; ++i) {
    Sample sample;
    sample.key = i % 7 == 0 ? "" : std::to_string(i);
    sample.payload = "{\"n\": " + std::to_string(i) + ",\r\n \"text\":\"\xc3\xa9\"}";
    if (i % 3 == 0) sample.old = R"({"n":1e400,"n":2})";
    if (i % 5 == 0) sample.relay = R"({"node_id":"x"})";
    if (i % 11 == 0)
      sample.payload =
          "\"" + std::string(static_cast<std::size_t>(i) * 400, 'y') + "\"";  // over several pages
    sent.push_back(running.append(kFirst + static_cast<EventId>(i) * 7, sample));
  }
  return sent;
}

TEST_F(JournalTest, gives_back_what_was_appended_byte_for_byte_and_in_order) {
  Running running(directory);
  const auto sent = append_varied(running, 300);
  ASSERT_TRUE(running.durable(sent.back()->id()));
  ReadRequest all;
  all.max_bytes = 1u << 30;
  const ReadResult got = running.read(all);
  ASSERT_EQ(got.events.size(), sent.size());
  EXPECT_EQ(got.damage, "");
  EXPECT_FALSE(got.more);
  EXPECT_EQ(got.oldest_id, kFirst);
  EXPECT_EQ(got.scanned_through, sent.back()->id());
  for (std::size_t i = 0; i < sent.size(); ++i)
    expect_same(*got.events[i], *sent[i]);
}

TEST_F(JournalTest, keeps_a_raw_frame_that_is_not_text) {
  Facts facts;
  facts.source = "bridge";
  facts.channel = "quarantine";
  facts.name = "MESSAGE";
  facts.payload = R"({"reason":"not UTF-8"})";
  const std::string raw("\xff\0\xfe text", 8);
  facts.raw = raw;
  Running running(directory);
  const EventPtr event = Event::make({kFirst, 1, {}}, facts);
  running.journal().append(event, 0);
  ASSERT_TRUE(running.durable(kFirst));
  const ReadResult got = running.read({});
  ASSERT_EQ(got.events.size(), 1u);
  expect_same(*got.events[0], *event);
  EXPECT_EQ(sql_number(path(), "SELECT typeof(raw)='blob' FROM events"), 1);
}

TEST_F(JournalTest, a_raw_frame_that_is_text_can_be_queried_as_text) {
  Running running(directory);
  running.append(kFirst);
  ASSERT_TRUE(running.durable(kFirst));
  EXPECT_EQ(
      sql_number(path(),
                 "SELECT json_extract(raw, '$.orderId') FROM events WHERE source='abp' AND channel='orders'"),
      327);
}

TEST_F(JournalTest, the_events_table_has_no_index_but_its_id) {
  Running running(directory);
  EXPECT_EQ(sql_number(path(), "SELECT count(*) FROM sqlite_schema WHERE tbl_name='events' AND type='index'"),
            0);
}

TEST_F(JournalTest, finds_everything_again_after_a_clean_stop) {
  std::vector<EventPtr> sent;
  {
    Running running(directory);
    EXPECT_TRUE(running.recovered().fresh);
    EXPECT_TRUE(running.recovered().clean_stop);
    sent = append_varied(running, 50);
    running.close();
  }
  Running running(directory);
  EXPECT_FALSE(running.recovered().fresh);
  EXPECT_TRUE(running.recovered().clean_stop);
  EXPECT_TRUE(running.recovered().repairs.empty());
  EXPECT_EQ(running.recovered().last_id, sent.back()->id());
  EXPECT_EQ(running.recovered().oldest_id, kFirst);
  ASSERT_EQ(running.ids().size(), sent.size());
  EXPECT_EQ(running.journal().stats().events, sent.size());
  running.append(sent.back()->id() + 1);
  ASSERT_TRUE(running.durable(sent.back()->id() + 1));
  const ReadResult got = running.read({});
  EXPECT_EQ(got.damage, "");
  EXPECT_EQ(got.events.size(), sent.size() + 1);
}

TEST_F(JournalTest, a_stop_without_close_is_not_clean) {
  {
    Running running(directory);
    running.append(kFirst);
    ASSERT_TRUE(running.durable(kFirst));
  }
  {
    Running running(directory);
    EXPECT_FALSE(running.recovered().clean_stop);
    EXPECT_EQ(running.recovered().last_id, kFirst);
    running.close();
  }
  Running running(directory);
  EXPECT_TRUE(running.recovered().clean_stop);
}

TEST_F(JournalTest, cursors_and_consumers_keep_their_latest_value) {
  {
    Running running(directory);
    running.journal().store_cursor("rabbit", 5);
    running.journal().store_cursor("rabbit", 9);
    running.journal().store_cursor("other", 4);
    running.journal().store_cursor("gone", 4);
    running.journal().store_consumer({"risk", "app", 7, 100});
    running.journal().store_consumer({"risk", "app", 8, 101});
    running.journal().store_consumer({"left", "app", 1, 1});
    ASSERT_TRUE(running.barrier());
    running.journal().drop_cursor("gone");
    running.journal().drop_consumer("left");
    ASSERT_TRUE(running.barrier());
  }
  Running running(directory);
  const Recovered& found = running.recovered();
  EXPECT_EQ(found.cursors, (std::map<std::string, EventId>{{"rabbit", 9}, {"other", 4}}));
  ASSERT_EQ(found.consumers.size(), 1u);
  EXPECT_EQ(found.consumers[0].name, "risk");
  EXPECT_EQ(found.consumers[0].owner, "app");
  EXPECT_EQ(found.consumers[0].cursor, 8u);
  EXPECT_EQ(found.consumers[0].last_used, 101);
}

TEST_F(JournalTest, a_barrier_is_passed_only_when_everything_before_it_is_durable) {
  Running running(directory);
  running.append_many(kFirst, 20'000, 1);
  const EventId last = kFirst + 19'999;
  EventId durable_then = 0;
  running.journal().barrier([&] { durable_then = running.durable_id; });
  ASSERT_TRUE(running.until([&] { return durable_then != 0; }));
  EXPECT_EQ(durable_then, last);
  EXPECT_TRUE(running.until([&] { return running.journal().inbox_bytes() == 0; }));
}

TEST_F(JournalTest, a_ceiling_is_durable_before_an_id_below_it_can_be_used) {
  const auto before = static_cast<EventId>(wall_now());
  EventId ceiling = 0;
  {
    Running running(directory);
    ceiling = running.journal().ceiling();
    EXPECT_GE(ceiling, before + 2'000'000);
    EXPECT_GE(static_cast<EventId>(sql_number(path(), "SELECT value FROM notes WHERE name='ceiling'")),
              ceiling);
    running.journal().want_ceiling(ceiling + 5'000'000);
    ASSERT_TRUE(running.until([&] { return running.journal().ceiling() >= ceiling + 5'000'000; }));
    ceiling = running.journal().ceiling();
    EXPECT_EQ(static_cast<EventId>(sql_number(path(), "SELECT value FROM notes WHERE name='ceiling'")),
              ceiling);
  }
  Running running(directory);
  EXPECT_EQ(running.recovered().ceiling, ceiling);
  EXPECT_GE(running.journal().ceiling(), ceiling + 2'000'000);
}

TEST_F(JournalTest, a_ceiling_that_is_not_new_costs_nothing) {
  Running running(directory);
  const EventId ceiling = running.journal().ceiling();
  running.journal().want_ceiling(ceiling - 1);
  ASSERT_TRUE(running.barrier());
  EXPECT_EQ(running.journal().ceiling(), ceiling);
}

TEST_F(JournalTest, restores_the_fingerprints_of_the_last_ten_minutes_oldest_first) {
  {
    Running running(directory);
    for (EventId i = 0; i < 30; ++i)
      running.append(kFirst + i, {}, i % 3 == 0 ? 0 : 1000 + i);
    ASSERT_TRUE(running.durable(kFirst + 29));
    sql(path(), "SELECT 1");
  }
  Running running(directory);
  std::vector<Fingerprint> found;
  for (const auto& [at, print] : running.recovered().recent) {
    EXPECT_GT(at, wall_now() - 600'000'000);
    found.push_back(print);
  }
  ASSERT_EQ(found.size(), 20u);  // a fact without a fingerprint has none to restore
  EXPECT_TRUE(std::ranges::is_sorted(found));
  EXPECT_EQ(found.front(), 1001u);
}

TEST_F(JournalTest, counts_what_is_behind_an_id) {
  Running running(directory);
  running.append_many(kFirst, 500, 10);
  ASSERT_TRUE(running.durable(kFirst + 4990));
  running.append_many(kFirst + 5000, 500, 10);
  ASSERT_TRUE(running.durable(kFirst + 9990));
  const auto after = [&](EventId id) {
    std::uint64_t count = UINT64_MAX;
    running.journal().count_after(id, [&](std::uint64_t found) { count = found; });
    EXPECT_TRUE(running.until([&] { return count != UINT64_MAX; }));
    return count;
  };
  EXPECT_EQ(after(0), 1000u);
  EXPECT_EQ(after(kFirst), 999u);
  EXPECT_EQ(after(kFirst + 1234), 876u);
  EXPECT_EQ(after(kFirst + 4990), 500u);
  EXPECT_EQ(after(kFirst + 9990), 0u);
  EXPECT_EQ(after(UINT64_MAX), 0u);
}

TEST_F(JournalTest, says_how_much_it_holds) {
  Running running(directory);
  running.append_many(kFirst, 2000, 1);
  ASSERT_TRUE(running.durable(kFirst + 1999));
  const JournalStats stats = running.journal().stats();
  EXPECT_EQ(stats.events, 2000u);
  EXPECT_EQ(stats.oldest_id, kFirst);
  EXPECT_EQ(stats.durable_id, kFirst + 1999);
  EXPECT_GT(stats.file_bytes, 100'000u);
  EXPECT_TRUE(stats.writable);
}

TEST_F(JournalTest, what_is_appended_while_it_closes_is_durable_or_was_never_taken) {
  {
    Running running(directory);
    running.append_many(kFirst, 5000, 1);
    running.close();
  }
  Running running(directory);
  EXPECT_EQ(running.ids().size(), 5000u);
  EXPECT_TRUE(running.recovered().clean_stop);
}

TEST_F(JournalTest, the_log_starts_over_and_does_not_grow_with_what_passes_through_it) {
  config::Journal settings;
  settings.retention_size = config::mib(16);
  Running running(directory, settings);
  Sample large;
  large.payload = "\"" + std::string(2000, 'x') + "\"";
  for (EventId round = 0; round < 40; ++round) {
    running.append_many(kFirst + round * 1000, 500, 1, large);
    ASSERT_TRUE(running.durable(kFirst + round * 1000 + 499));
  }
  EXPECT_LT(slurp(path() + "-wal").size(), 6u << 20);  // 40 MB have passed
}

}  // namespace
}  // namespace bridge55::events
