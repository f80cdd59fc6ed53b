// Trades and switches: what is stored is found again, ahead of every event, and never said to be durable
// before it is.
#include "tests/unit/journal/faulty_disk.hpp"
#include "tests/unit/journal/journal_fixture.hpp"

#include <algorithm>

namespace bridge55::events {
namespace {

using namespace std::chrono_literals;

constexpr EventId kFirst = 1'771'183'909'000'000;
constexpr WallMicros kHour = 3'600'000'000;

class TradeTest : public JournalTest {
 protected:
  static TradeRecord aged(std::uint64_t id, WallMicros age, bool open) {
    TradeRecord trade = make_trade(id, 1);
    trade.at -= age;
    trade.open = open;
    if (!open) trade.orders[0].fate = Fate::placed;
    return trade;
  }
  static Sample large(std::size_t bytes) {
    Sample sample;
    sample.payload = "\"" + std::string(bytes, 'x') + "\"";
    return sample;
  }
};

TEST_F(TradeTest, a_trade_comes_back_byte_for_byte) {
  TradeRecord trade = make_trade(7, 3);
  trade.body = std::string("\xff\0 not text", 11);
  trade.answer = "{\"orders\": [\r\n 1e400 \xc3\xa9]}" + std::string(40'000, 'y');
  trade.content_type = "application/json; charset=utf-8";
  trade.status = 207;
  trade.settled = true;
  trade.steps = R"([{"sent": 1}])";
  trade.orders[1] = {"7-1", Fate::declined, R"({"code":"X"})"};
  trade.orders[2] = {"7-2", Fate::unplaced, std::string(9'000, 'z')};
  Running running(directory);
  ASSERT_TRUE(running.store(trade));
  for (const char* uuid : {"7-0", "7-1", "7-2"}) {
    const auto found = running.read_trade(uuid);
    ASSERT_TRUE(found) << uuid;
    EXPECT_EQ(shown(*found), shown(trade));
  }
  EXPECT_FALSE(running.read_trade("7-3"));
  EXPECT_FALSE(running.read_trade(""));
}

TEST_F(TradeTest, storing_it_again_replaces_it) {
  Running running(directory);
  TradeRecord trade = make_trade(7, 3);
  ASSERT_TRUE(running.store(trade));
  trade.open = false;
  trade.status = 200;
  trade.answer = "{}";
  for (TradeOrder& order : trade.orders)
    order.fate = Fate::placed;
  ASSERT_TRUE(running.store(trade));
  EXPECT_EQ(shown(running.read_trade("7-1").value()), shown(trade));
  EXPECT_EQ(sql_number(path(), "SELECT count(*) FROM trades"), 1);
  EXPECT_EQ(sql_number(path(), "SELECT count(*) FROM trade_orders"), 3);
  trade.orders.pop_back();
  ASSERT_TRUE(running.store(trade));
  EXPECT_FALSE(running.read_trade("7-2"));
}

TEST_F(TradeTest, of_two_trades_that_hold_an_order_the_newest_is_read) {
  Running running(directory);
  for (std::uint64_t id : {3, 4}) {
    TradeRecord trade = make_trade(id, 1);
    trade.orders[0].uuid = "same";
    trade.app = "app " + std::to_string(id);
    ASSERT_TRUE(running.store(trade));
  }
  TradeRecord older = running.read_trade("same").value();
  EXPECT_EQ(older.id, 4u);
  older.id = 3;
  older.app = "changed";
  running.journal().store_trade(older, {});
  EXPECT_EQ(running.read_trade("same")->id, 4u);
}

TEST_F(TradeTest, a_start_finds_what_is_open_what_was_asked_for_lately_and_the_switches) {
  TradeRecord open = make_trade(2, 2);
  open.orders[1].fate = Fate::placed;
  {
    Running running(directory);
    ASSERT_TRUE(running.store(aged(1, 0, false)));
    ASSERT_TRUE(running.store(open));
    ASSERT_TRUE(running.store(aged(3, 23 * kHour, false)));
    ASSERT_TRUE(running.store(aged(4, 25 * kHour, false)));
    ASSERT_TRUE(running.store(aged(5, 300 * kHour, true)));
    running.journal().store_switch("pause", "abp risk", {});
    running.journal().store_switch("pause", "abp", {});
    running.journal().store_switch("emergency.mm", "yes", {});
    running.journal().store_switch("gone", "x", {});
    running.journal().store_switch("gone", "", {});
    ASSERT_TRUE(running.barrier());
  }
  Running running(directory);
  const Recovered& found = running.recovered();
  EXPECT_TRUE(found.repairs.empty());
  EXPECT_EQ(found.last_trade, 5u);
  EXPECT_EQ(found.switches, (std::map<std::string, std::string>{{"emergency.mm", "yes"}, {"pause", "abp"}}));
  ASSERT_EQ(found.open_trades.size(), 2u);
  EXPECT_EQ(shown(found.open_trades[0]), shown(open));
  EXPECT_EQ(found.open_trades[1].id, 5u);
  std::string memory;
  for (const TradeMemory& order : found.trade_memory)
    memory += order.uuid + " " + order.upstream + " " + order.app + " " + std::to_string(order.trade) + " " +
              std::to_string(static_cast<int>(order.fate)) + (order.at <= wall_now() ? "\n" : "future\n");
  EXPECT_EQ(memory, "1-0 abp risk 1 1\n2-0 abp risk 2 0\n2-1 abp risk 2 1\n3-0 abp risk 3 1\n");
}

TEST_F(TradeTest, old_trades_go_but_none_that_is_open_or_of_the_last_day_and_not_the_newest) {
  Running running(directory);
  running.journal().set_trades_keep(1ms);  // a day at least
  for (std::uint64_t id = 1; id <= 300; ++id)
    running.journal().store_trade(aged(id, 1000 * kHour, id % 100 == 0), {});
  running.journal().store_trade(aged(301, 23 * kHour, false), {});
  running.journal().store_trade(aged(302, 1000 * kHour, false), {});
  ASSERT_TRUE(running.barrier());
  // A trade that is in the way of the look does not end it, one that is young does.
  EXPECT_TRUE(running.until([&] { return sql_number(path(), "SELECT count(*) FROM trades") == 5; }));
  EXPECT_EQ(sql_number(path(), "SELECT count(*) FROM trade_orders"), 5);
  for (const char* uuid : {"100-0", "200-0", "300-0", "301-0", "302-0"})
    EXPECT_TRUE(running.read_trade(uuid)) << uuid;
  EXPECT_LT(sql_number(path(), "SELECT value FROM notes WHERE name='trade_bytes'"), 3000);
}

TEST_F(TradeTest, the_id_of_the_newest_trade_is_never_forgotten) {
  {
    Running running(directory);
    running.journal().set_trades_keep(24h);
    for (std::uint64_t id = 1; id <= 9; ++id)
      running.journal().store_trade(aged(id, 1000 * kHour, false), {});
    ASSERT_TRUE(running.until([&] { return sql_number(path(), "SELECT count(*) FROM trades") == 1; }));
  }
  Running running(directory);
  EXPECT_EQ(running.recovered().last_trade, 9u);
}

TEST_F(TradeTest, events_do_not_make_room_for_trades) {
  config::Journal settings;
  settings.retention_size = config::mib(4);
  Running running(directory, settings);
  running.journal().hold_from(UINT64_MAX);
  for (std::uint64_t id = 1; id <= 300; ++id) {
    TradeRecord trade = make_trade(id, 10);
    trade.answer = std::string(30'000, 'a');
    ASSERT_TRUE(running.store(trade));
  }
  running.append_many(kFirst, 600, 1, large(700));
  ASSERT_TRUE(running.durable(kFirst + 599));
  running.append_many(kFirst + 600, 600, 1, large(700));
  ASSERT_TRUE(running.durable(kFirst + 1199));
  EXPECT_EQ(running.ids().size(), 1200u);
  EXPECT_TRUE(running.forced.empty());
  // And with many events the limit holds for them.
  running.append_many(kFirst + 1200, 10'000, 1, large(700));
  ASSERT_TRUE(running.durable(kFirst + 11'199));
  EXPECT_TRUE(running.until([&] { return running.journal().stats().events < 7000; }));
}

class TradeFaultTest : public TradeTest {
 protected:
  FaultyDisk disk;
};

TEST_F(TradeFaultTest, a_trade_goes_ahead_of_the_events_that_wait) {
  Running running(directory);
  disk.held = true;
  running.append_many(kFirst, 30'000, 1);
  EventId durable_then = 0;
  running.journal().store_trade(make_trade(1),
                                [&] { durable_then = std::max<EventId>(running.durable_id, 1); });
  disk.held = false;
  ASSERT_TRUE(running.until([&] { return durable_then != 0; }));
  EXPECT_LT(durable_then, kFirst + 29'999);
  ASSERT_TRUE(running.durable(kFirst + 29'999));
  EXPECT_EQ(running.ids().size(), 30'000u);
  EXPECT_TRUE(running.until([&] { return running.journal().inbox_bytes() == 0; }));
}

TEST_F(TradeFaultTest, trades_that_come_all_the_time_hold_no_event_up_for_good) {
  Running running(directory);
  running.append_many(kFirst, 20'000, 1);
  std::uint64_t id = 0;
  std::function<void()> again = [&] { running.journal().store_trade(make_trade(++id), again); };
  again();
  ASSERT_TRUE(running.durable(kFirst + 19'999));
  again = {};
  EXPECT_GT(id, 1u);
  EXPECT_EQ(running.ids().size(), 20'000u);
}

TEST_F(TradeFaultTest, what_is_not_committed_yet_can_be_read) {
  Running running(directory);
  TradeRecord trade = make_trade(1);
  ASSERT_TRUE(running.store(trade));
  disk.held = true;
  trade.status = 200;
  bool durable = false;
  running.journal().store_trade(trade, [&] { durable = true; });
  running.journal().store_trade(make_trade(2), {});
  EXPECT_EQ(running.read_trade("1-0")->status, 200u);
  EXPECT_EQ(running.read_trade("2-1")->id, 2u);
  EXPECT_FALSE(durable);
  disk.held = false;
  EXPECT_TRUE(running.until([&] { return durable; }));
  EXPECT_EQ(running.read_trade("1-0")->status, 200u);
}

TEST_F(TradeFaultTest, a_full_disk_reports_nothing_until_it_is_written) {
  std::string said;
  {
    Running running(directory);
    disk.space = 0;
    running.append_many(kFirst, 2000, 1, large(700));
    ASSERT_TRUE(running.until([&] { return !running.writable.empty(); }));
    running.journal().store_trade(make_trade(1), [&] { said += "1"; });
    running.journal().store_switch("pause", "abp", [&] { said += "p"; });
    running.journal().store_trade(make_trade(2), [&] { said += "2"; });
    EXPECT_TRUE(running.read_trade("2-0"));
    EXPECT_EQ(said, "");
    disk.space = INT64_MAX;
    ASSERT_TRUE(running.until([&] { return said.size() == 3; }));
    EXPECT_EQ(said, "1p2");
    EXPECT_TRUE(running.durable(kFirst + 1999));
  }
  Running running(directory);
  EXPECT_EQ(running.recovered().open_trades.size(), 2u);
  EXPECT_EQ(running.recovered().switches.size(), 1u);
}

TEST_F(TradeFaultTest, a_journal_that_closes_on_a_full_disk_reports_nothing) {
  bool said = false;
  Running running(directory);
  disk.space = 0;
  running.append_many(kFirst, 2000, 1, large(700));
  ASSERT_TRUE(running.until([&] { return !running.writable.empty(); }));
  running.journal().store_trade(make_trade(1), [&] { said = true; });
  running.close();
  EXPECT_FALSE(said);
}

TEST_F(TradeFaultTest, a_failed_sync_reports_nothing) {
  bool said = false;
  Running running(directory);
  disk.syncs_fail = true;
  running.journal().store_trade(make_trade(1), [&] { said = true; });
  ASSERT_TRUE(running.until([&] { return !running.fatal.empty(); }));
  disk.syncs_fail = false;
  running.journal().store_trade(make_trade(2), [&] { said = true; });
  running.close();
  EXPECT_FALSE(said);
}

TEST_F(TradeFaultTest, what_waits_when_the_journal_closes_is_durable) {
  bool said = false;
  {
    Running running(directory);
    running.append_many(kFirst, 5000, 1);
    running.journal().store_trade(make_trade(1), [&] { said = true; });
    running.close();
  }
  EXPECT_TRUE(said);
  Running running(directory);
  EXPECT_TRUE(running.read_trade("1-0"));
  EXPECT_TRUE(running.recovered().clean_stop);
}

}  // namespace
}  // namespace bridge55::events
