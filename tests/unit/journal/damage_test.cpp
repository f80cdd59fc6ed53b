// Bytes that a disk has altered: never delivered, and what is lost is said.
#include "daemon/events/event.hpp"
#include "tests/unit/journal/journal_fixture.hpp"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <map>
#include <random>
#include <string>

namespace bridge55::events {
namespace {

constexpr EventId kFirst = 1'771'183'909'000'000;
constexpr std::size_t kPage = 16384;

class DamageTest : public JournalTest {
 protected:
  // A journal of some hundred events, one of them over several pages; closed cleanly or with everything in
  // its log.
  void make(bool clean, int count = 300) {
    Running running(directory);
    for (int i = 0; i < count; ++i) {
      Sample sample;
      sample.key = std::to_string(i);
      sample.payload = "\"" +
                       std::string(i == 200 ? 60'000 : 500 + static_cast<std::size_t>(i % 700),
                                   static_cast<char>('a' + i % 26)) +
                       "\"";
      const EventPtr event = running.append(kFirst + static_cast<EventId>(i) * 10, sample);
      sent_[event->id()] = event;
      if (i % 20 == 19) {
        ASSERT_TRUE(running.durable(event->id()));
      }
    }
    running.journal().store_cursor("rabbit", kFirst + 1000);
    trade(running);
    ASSERT_TRUE(running.barrier());
    // The log's last commit cannot be told from a torn one: it must hold nothing that is missed.
    running.journal().store_cursor("rabbit", kFirst + 1000);
    ASSERT_TRUE(running.barrier());
    if (clean) {
      running.close();
    } else {
      copy(directory, directory + "/unclean");  // as a kill leaves it
    }
  }

  // Every third stays open; some lie over several pages.
  void trade(Running& running) {
    for (std::uint64_t id = 1; id <= 24; ++id) {
      TradeRecord made = make_trade(id, 4);
      made.body = std::string(id * 300, 'b');
      made.open = id % 3 == 0;
      for (TradeOrder& order : made.orders) {
        if (!made.open) order = {order.uuid, Fate::placed, std::string(id * 100, 'e')};
      }
      if (!made.open) made.answer = std::string(id == 20 ? 30'000 : 1'000, 'a');
      running.journal().store_trade(made, {});
      trades_[id] = made;
    }
    running.journal().store_switch("pause", "abp", {});
  }

  // Whether all of them were found as they were stored. Nothing else may be found.
  bool trades_found(Running& running) const {
    const Recovered& found = running.recovered();
    std::size_t open = 0, read = 0;
    for (const TradeRecord& trade : found.open_trades) {
      const TradeRecord& sent = trades_.at(trade.id);
      EXPECT_TRUE(sent.open);
      if (shown(trade) == shown(sent)) ++open;
      for (const TradeOrder& order : trade.orders)
        EXPECT_EQ(order.uuid.substr(0, order.uuid.find('-')), std::to_string(trade.id));
    }
    for (const TradeMemory& order : found.trade_memory) {
      EXPECT_EQ(order.fate == Fate::open, trades_.at(order.trade).open);
      EXPECT_EQ(order.uuid.substr(0, order.uuid.find('-')), std::to_string(order.trade));
    }
    for (const auto& [id, sent] : trades_) {
      const auto trade = running.read_trade(std::to_string(id) + "-0");
      if (!trade) continue;
      ++read;
      if (trade->orders.size() == sent.orders.size()) {
        EXPECT_EQ(shown(*trade), shown(sent));
      }
    }
    for (const auto& [name, value] : found.switches)
      EXPECT_TRUE(value == "damaged" || name + "=" + value == "pause=abp") << name << '=' << value;
    unread_ = trades_.size() - read;
    figures_ = std::to_string(open) + " open, " + std::to_string(found.trade_memory.size()) + " orders, " +
               std::to_string(found.switches.size()) + " switches";
    return open == 8 && found.trade_memory.size() == 96 && found.switches.size() == 1;
  }

  static void copy(const std::string& from, const std::string& to) {
    std::filesystem::create_directories(to);
    for (const char* name : {"/journal.db", "/journal.db-wal", "/journal.db.lock"}) {
      if (std::filesystem::exists(from + name)) {
        std::filesystem::copy_file(from + name, to + name, std::filesystem::copy_options::overwrite_existing);
      }
    }
  }

  struct Found {
    std::size_t events = 0;
    bool trades = false;  // all are there
    std::string figures;  // of what was found of them
    bool said = false;    // that something is missing
    std::string words;
  };
  // Reads everything and holds it against what was sent.
  Found examine(Running& running) {
    Found found;
    for (const std::string& repair : running.recovered().repairs)
      found.words += repair + "\n";
    ReadRequest request;
    EventId last = 0;
    for (bool more = true; more;) {
      const ReadResult got = running.read(request);
      found.words += got.damage;
      for (const EventPtr& event : got.events) {
        const auto original = sent_.find(event->id());
        if (original == sent_.end()) continue;  // appended since
        EXPECT_EQ(event->envelope(), original->second->envelope());
        EXPECT_EQ(event->raw(), original->second->raw());
        EXPECT_GT(event->id(), last);
        last = event->id();
        ++found.events;
      }
      EXPECT_TRUE(!got.more || got.scanned_through > request.after);
      request.after = got.scanned_through;
      more = got.more && got.scanned_through > 0;
    }
    found.trades = trades_found(running);
    found.figures = figures_;
    found.said = !found.words.empty();
    return found;
  }

  // Whatever was damaged: within a few starts it takes events again.
  void expect_usable(const std::string& where) {
    for (int start = 0; start < 3; ++start) {
      Running running(where);
      const EventId id = std::max(running.recovered().ceiling, running.recovered().last_id) + 1;
      running.append(id);
      if (running.until([&] { return running.durable_id >= id || !running.fatal.empty(); }) &&
          running.fatal.empty())
        return;
    }
    ADD_FAILURE() << "it fails at every start";
  }

  // Flips a bit in a copy and looks at what a start makes of it; how many events it gives back.
  std::size_t damage(const std::string& original, const std::string& name, std::size_t at, char mask) {
    const std::string where = directory + "/damaged";
    std::filesystem::remove_all(where);
    copy(original, where);
    std::string bytes = slurp(where + name);
    EXPECT_LT(at, bytes.size());
    bytes[at] = static_cast<char>(bytes[at] ^ mask);
    spit(where + name, bytes);
    SCOPED_TRACE("byte " + std::to_string(at) + " (page " + std::to_string(at / kPage) + " + " +
                 std::to_string(at % kPage) + ") mask " + std::to_string(static_cast<int>(mask)));
    Found found;
    try {
      {
        Running running(where);
        found = examine(running);
      }
      EXPECT_TRUE((found.events == sent_.size() && found.trades) || found.said)
          << found.events << " of " << sent_.size() << " and not a word"
          << (found.trades ? "" : ", not all trades: ") << found.figures;
      expect_usable(where);
    } catch (const JournalError& error) {
      // A changed version or application number is refused, in words.
      EXPECT_EQ(error.exit_code, 78) << error.what();
      EXPECT_LT(at, 100u);
    }
    return found.events;
  }

  std::map<EventId, EventPtr> sent_;
  std::map<std::uint64_t, TradeRecord> trades_;
  mutable std::size_t unread_ = 0;
  mutable std::string figures_;
};

TEST_F(DamageTest, a_flipped_bit_anywhere_in_the_file_is_never_delivered_and_what_is_missing_is_said) {
  make(true);
  std::mt19937 chance(55);
  const std::size_t size = std::filesystem::file_size(path());
  for (std::size_t page = 0; page < size / kPage; ++page) {
    // Kind, first free block, number of cells, where cells begin, rightmost child or the first cell's place.
    constexpr std::size_t places[] = {0, 1, 4, 6, 9};
    for (int i = 0; i < 2; ++i)
      damage(directory, "/journal.db", page * kPage + places[chance() % std::size(places)], 0x01);
    for (int i = 0; i < 2; ++i)
      damage(directory, "/journal.db", page * kPage + chance() % kPage, static_cast<char>(1 << chance() % 8));
  }
}

TEST_F(DamageTest, a_flipped_bit_anywhere_in_the_head_is_repaired_or_refused) {
  make(true, 40);
  for (std::size_t at = 0; at < 100; at += at < 72 ? 1 : 5)
    damage(directory, "/journal.db", at, 0x10);
}

TEST_F(DamageTest, a_flipped_bit_anywhere_in_the_log_is_never_delivered_and_what_is_missing_is_said) {
  make(false);
  std::mt19937 chance(55);
  const std::string unclean = directory + "/unclean";
  const std::size_t size = std::filesystem::file_size(unclean + "/journal.db-wal");
  ASSERT_GT(size, 20 * kPage);
  // Most pages come again later in the log: what one bit costs is a page of events at most.
  const std::size_t enough = sent_.size() - 40;
  for (std::size_t at = 0; at < 32; at += 3)
    EXPECT_GE(damage(unclean, "/journal.db-wal", at, 0x04), enough);
  for (std::size_t frame = 0; frame < size / (kPage + 24); frame += 2) {
    const std::size_t head = 32 + frame * (kPage + 24);
    EXPECT_GE(damage(unclean, "/journal.db-wal", head + chance() % 24, 0x20), enough);
    EXPECT_GE(damage(unclean, "/journal.db-wal", head + 24 + chance() % kPage, 0x20), enough);
  }
}

TEST_F(DamageTest, a_torn_end_of_the_log_is_no_damage) {
  make(false, 100);
  const std::string unclean = directory + "/unclean";
  const std::size_t size = std::filesystem::file_size(unclean + "/journal.db-wal");
  for (const std::size_t missing : {std::size_t{1}, std::size_t{5000}, kPage + 23, kPage + 24, kPage + 500}) {
    const std::string where = directory + "/torn" + std::to_string(missing);
    copy(unclean, where);
    std::filesystem::resize_file(where + "/journal.db-wal", size - missing);
    Running running(where);
    EXPECT_TRUE(running.recovered().repairs.empty()) << running.recovered().repairs[0];
    EXPECT_GE(examine(running).events, sent_.size() - 20);  // a commit holds no more than twenty
  }
}

TEST_F(DamageTest, a_file_cut_short_is_set_aside_and_what_can_be_read_is_kept) {
  make(true);
  const std::size_t size = std::filesystem::file_size(path());
  for (const std::size_t left :
       {size - 1, size - kPage, size / 2, 5 * kPage, kPage, std::size_t{1000}, std::size_t{50}}) {
    const std::string where = directory + "/cut" + std::to_string(left);
    copy(directory, where);
    std::filesystem::resize_file(where + "/journal.db", left);
    {
      Running running(where);
      const Found found = examine(running);
      EXPECT_TRUE(found.said) << left;
      EXPECT_FALSE(running.recovered().clean_stop);
      if (left == size / 2) {
        EXPECT_GT(found.events, sent_.size() / 5);
      }
    }
    const auto kept = std::filesystem::directory_iterator(where);
    EXPECT_TRUE(std::ranges::any_of(kept, [](const auto& entry) {
      return entry.path().filename().string().find(".damaged-") != std::string::npos;
    }));
    expect_usable(where);
  }
}

TEST_F(DamageTest, what_is_no_journal_at_all_is_set_aside_and_ids_are_not_used_again) {
  EventId ceiling = 0;
  make(true);
  {
    Running running(directory);
    ceiling = running.journal().ceiling();
    running.close();
  }
  spit(path(),
       "this is no database, it is a poem of some length, and it goes on for a while so that it is long "
       "enough to be read");
  Running running(directory);
  EXPECT_GE(running.recovered().repairs.size(), 1u);
  EXPECT_GE(running.recovered().ceiling, ceiling);
  EXPECT_FALSE(running.recovered().clean_stop);
  running.append(running.recovered().ceiling + 1);
  EXPECT_TRUE(running.durable(running.recovered().ceiling + 1));
}

TEST_F(DamageTest, a_damaged_cursor_starts_at_the_earliest_event) {
  make(true);
  sql(path(), "UPDATE cursors SET id=id+1000000");
  Running running(directory);
  EXPECT_EQ(running.recovered().cursors.at("rabbit"), 0u);
  ASSERT_EQ(running.recovered().repairs.size(), 1u);
  EXPECT_NE(running.recovered().repairs[0].find("rabbit"), std::string::npos);
}

TEST_F(DamageTest, an_open_trade_whose_row_was_altered_is_named_and_can_still_be_looked_up) {
  make(true);
  sql(path(), "UPDATE trades SET body='other' WHERE id=3");
  sql(path(), "UPDATE trades SET open=0 WHERE id=6");
  sql(path(), "UPDATE trade_orders SET fate=1 WHERE trade=9 AND place=2");
  sql(path(), "DELETE FROM trades WHERE id=12");
  sql(path(), "UPDATE switches SET value='mm'");
  Running running(directory);
  EXPECT_FALSE(trades_found(running));
  // A pause that cannot be read must not be taken for none.
  const std::map<std::string, std::string> unreadable = {{"pause", "damaged"}};
  EXPECT_EQ(running.recovered().switches, unreadable);
  std::string words;
  for (const std::string& repair : running.recovered().repairs)
    words += repair + "\n";
  for (const char* word : {"trade 3 was damaged", "trade 6 was damaged", "1 orders of trade 9",
                           "trade 12 was damaged", "3-0, 3-1, 3-2, 3-3", "switch pause"})
    EXPECT_NE(words.find(word), std::string::npos) << words;
  const auto& open = running.recovered().open_trades;
  ASSERT_EQ(open.size(), 8u);
  for (const TradeRecord& trade : open) {
    EXPECT_EQ(trade.upstream, "abp");
    EXPECT_EQ(trade.app, "risk");
    EXPECT_EQ(trade.orders.size(), trade.id == 9 ? 3u : 4u);
    EXPECT_EQ(trade.body.empty(), trade.id == 3 || trade.id == 6 || trade.id == 12);
  }
  EXPECT_FALSE(running.read_trade("3-0"));
  EXPECT_EQ(running.recovered().last_trade, 24u);
}

TEST_F(DamageTest, a_switch_or_an_order_that_vanished_is_noticed) {
  make(true);
  sql(path(), "DELETE FROM switches");
  sql(path(), "DELETE FROM trade_orders WHERE trade=1 AND place=3");
  sql(path(), "DELETE FROM trade_orders WHERE trade=24");
  Running running(directory);
  std::string words;
  for (const std::string& repair : running.recovered().repairs)
    words += repair + "\n";
  for (const char* word : {"switches are missing", "1 orders of trade 1 ", "4 orders of trade 24 "})
    EXPECT_NE(words.find(word), std::string::npos) << words;
  EXPECT_EQ(running.recovered().switches.at("pauses"), "damaged");
}

TEST_F(DamageTest, a_rebuild_keeps_trades_and_switches) {
  make(true);
  spit(path() + ".suspect", "");
  {
    Running running(directory);
    EXPECT_TRUE(trades_found(running));
    EXPECT_EQ(unread_, 0u);
    EXPECT_EQ(running.recovered().last_trade, 24u);
    running.close();
  }
  EXPECT_GT(sql_number(path(), "SELECT value FROM notes WHERE name='trade_bytes'"), 100'000);
}

TEST_F(DamageTest, altered_rows_are_skipped_named_and_read_over) {
  make(true);
  sql(path(), "UPDATE events SET raw=replace(raw, 'b', 'c') WHERE id=" + std::to_string(kFirst + 10));
  sql(path(), "UPDATE events SET key='x' WHERE id=" + std::to_string(kFirst + 50));
  sql(path(), "UPDATE events SET received_at=received_at+1 WHERE id=" + std::to_string(kFirst + 90));
  Running running(directory);
  const Found found = examine(running);
  EXPECT_EQ(found.events, sent_.size() - 3);
  EXPECT_NE(found.words.find(std::to_string(kFirst + 50)), std::string::npos) << found.words;
}

TEST_F(DamageTest, rows_that_vanished_are_noticed) {
  make(true);
  sql(path(), "DELETE FROM events WHERE id>" + std::to_string(kFirst + 500) + " AND id<" +
                  std::to_string(kFirst + 700));
  Running running(directory);
  const Found found = examine(running);
  EXPECT_TRUE(found.said);
}

TEST_F(DamageTest, rows_that_vanished_from_the_end_are_noticed_at_the_start) {
  make(true);
  sql(path(), "DELETE FROM events WHERE id>" + std::to_string(kFirst + 2900));
  Running running(directory);
  ASSERT_EQ(running.recovered().repairs.size(), 1u);
  EXPECT_NE(running.recovered().repairs[0].find(std::to_string(kFirst + 2990)), std::string::npos);
}

TEST_F(DamageTest, damage_found_while_it_runs_is_repaired_at_the_next_start) {
  make(true);
  spit(path() + ".suspect", "");
  Running running(directory);
  const Found found = examine(running);
  EXPECT_EQ(found.events, sent_.size());
  EXPECT_TRUE(found.said);
  EXPECT_FALSE(std::filesystem::exists(path() + ".suspect"));
  EXPECT_EQ(running.recovered().cursors.at("rabbit"), kFirst + 1000);
}

}  // namespace
}  // namespace bridge55::events
