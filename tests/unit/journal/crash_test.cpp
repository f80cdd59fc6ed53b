// A process that dies at each named point, and what its successor finds. Built with the crash points in: a
// program of its own.
#include "tests/unit/journal/journal_fixture.hpp"

#include <algorithm>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <signal.h>
#include <sys/wait.h>
#include <tuple>
#include <unistd.h>

#include <climits>

namespace bridge55::events {
namespace {

constexpr EventId kFirst = 1'771'183'909'000'000;

// What the dying process has been told is durable; it lives in a pipe, which survives it.
struct Told {
  EventId durable = 0, ceiling = 0, cursor = 0;
  std::uint64_t trade = 0, pause = 0;
};

class CrashTest : public JournalTest, public testing::WithParamInterface<std::tuple<const char*, int>> {
 protected:
  // Runs `work` in a child that dies at the point, or is killed after it has said `enough` things; true where
  // it died.
  template <class Work>
  bool dies(const std::string& point, Work work, int enough = INT_MAX) {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::setenv("BRIDGE55_CRASH", point.c_str(), 1);
      work([fd = ends[1]](const Told& told) { static_cast<void>(!::write(fd, &told, sizeof told)); });
      ::_exit(0);
    }
    ::close(ends[1]);
    Told told;
    for (int said = 0; ::read(ends[0], &told, sizeof told) == static_cast<ssize_t>(sizeof told);) {
      told_ = told;
      if (++said == enough) ::kill(child, SIGKILL);
    }
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  }

  void begin_anew() {
    std::filesystem::remove_all(directory);
    std::filesystem::create_directory(directory);
    told_ = {};
  }

  static config::Journal small() {
    config::Journal settings;
    settings.retention_size = config::mib(4);
    return settings;
  }

  // Appends, stores cursors, raises ceilings, deletes and copies its log, and says each thing that was
  // reported to it.
  template <class Say>
  static void live(const std::string& directory, EventId from, Say say) {
    Running running(directory, small());
    running.journal().hold_from(UINT64_MAX);
    Sample sample;
    sample.payload = "\"" + std::string(2000, 'x') + "\"";
    Told told;
    for (EventId id = from; id < from + 12'000; id += 100) {
      told.ceiling = running.journal().ceiling();
      say(told);
      for (EventId i = 0; i < 100; ++i) {
        sample.key = std::to_string(id + i);
        running.append(id + i, sample);
      }
      if (!running.durable(id + 99)) return;
      told.durable = id + 99;
      say(told);
      running.journal().store_cursor("rabbit", id);
      running.journal().store_consumer({"risk", "app", id, 1});
      running.journal().want_ceiling(running.journal().ceiling() + 1);
      if (!running.barrier()) return;
      told.cursor = id;
      say(told);
      if (!trade_like(running, (id - from) / 100 + 1, told, say)) return;
    }
    running.close();
  }

  // A trade is intended, then answered; a switch changes.
  template <class Say>
  static bool trade_like(Running& running, std::uint64_t id, Told& told, Say say) {
    TradeRecord trade = make_trade(id, 3);
    trade.body = std::string(5000, 'b');
    if (!running.store(trade)) return false;
    told.trade = id;
    say(told);
    trade.open = false;
    trade.answer = std::string(5000, 'a');
    for (TradeOrder& order : trade.orders)
      order.fate = Fate::placed;
    running.journal().store_trade(trade, {});
    running.journal().store_request({"rabbit", std::to_string(id), wall_now() * 2, id, 200, "{}"}, {});
    bool durable = false;
    running.journal().store_switch("pause", std::to_string(id), [&] { durable = true; });
    if (!running.until([&] { return durable; })) return false;
    told.pause = id;
    say(told);
    return true;
  }

  void expect_trades(Running& running) const {
    const Recovered& found = running.recovered();
    EXPECT_GE(found.last_trade, told_.trade);
    EXPECT_LE(found.open_trades.size(), 1u);
    EXPECT_EQ(found.trade_memory.size(), found.last_trade * 3);
    if (told_.pause != 0) {
      ASSERT_EQ(found.switches.count("pause"), 1u);
      EXPECT_GE(std::stoull(found.switches.at("pause")), told_.pause);
    }
    for (std::uint64_t id = 1; id <= found.last_trade; ++id) {
      const auto trade = running.read_trade(std::to_string(id) + "-2");
      ASSERT_TRUE(trade) << id;
      EXPECT_EQ(trade->open, trade->answer.empty());
      if (id <= told_.pause) {
        EXPECT_EQ(sql_number(path(), "SELECT status FROM requests WHERE name='" + std::to_string(id) + "'"), 200);
        EXPECT_FALSE(trade->open) << id;
      }
    }
  }

  void expect_sound() {
    Running running(directory, small());
    const Recovered& found = running.recovered();
    expect_trades(running);
    EXPECT_GE(found.ceiling, told_.ceiling);
    if (told_.cursor != 0) {
      ASSERT_EQ(found.cursors.count("rabbit"), 1u);
      EXPECT_GE(found.cursors.at("rabbit"), told_.cursor);
      ASSERT_EQ(found.consumers.size(), 1u);
      EXPECT_GE(found.consumers[0].cursor, told_.cursor);
    }
    EXPECT_GE(found.last_id, told_.durable);
    ReadRequest request;
    EventId last = found.gone_through;
    for (bool more = true; more;) {
      const ReadResult got = running.read(request);
      EXPECT_EQ(got.damage, "");
      for (const EventPtr& event : got.events) {
        if (event->id() > told_.durable) break;
        EXPECT_EQ(event->id(), std::max(last + 1, kFirst));  // none is missing, none comes twice
        EXPECT_EQ(event->key(), std::to_string(event->id()));
        last = event->id();
      }
      request.after = got.scanned_through;
      more = got.more;
    }
    EXPECT_GE(last, told_.durable);
  }

  Told told_;
};

TEST_P(CrashTest, what_was_reported_durable_is_there_and_in_order) {
  const auto& [point, count] = GetParam();
  const bool died = dies(std::string(point) + ":" + std::to_string(count),
                         [this](auto say) { live(directory, kFirst, say); });
  ASSERT_TRUE(died) << "the point was never passed " << count << " times";
  expect_sound();
}

INSTANTIATE_TEST_SUITE_P(
    Points, CrashTest,
    testing::Combine(testing::Values("journal.append.after", "journal.commit.before", "journal.commit.after",
                                     "journal.cursor.stored", "journal.consumer.stored",
                                     "journal.trade.stored", "journal.request.stored", "journal.switch.stored",
                                     "journal.ceiling.raised", "journal.retention.before",
                                     "journal.retention.after", "journal.checkpoint.before",
                                     "journal.checkpoint.after", "journal.checkpoint.finish"),
                     testing::Values(1, 3, 8)),
    [](const auto& made) {
      std::string name = std::get<0>(made.param);
      std::ranges::replace(name, '.', '_');
      return name + "_" + std::to_string(std::get<1>(made.param));
    });

TEST_F(CrashTest, dying_while_it_opens_changes_nothing_for_the_next_start) {
  ASSERT_FALSE(dies("none", [this](auto say) { live(directory, kFirst, say); }));
  for (const char* point : {"journal.open.before:1", "journal.open.committed:1"}) {
    for (int i = 0; i < 20; ++i) {
      EXPECT_TRUE(dies(point, [this](auto) { Running running(directory, small()); })) << point;
    }
    expect_sound();
  }
}

TEST_F(CrashTest, dying_in_the_first_start_leaves_something_that_opens) {
  for (const char* point : {"journal.open.before:1", "journal.open.committed:1"}) {
    EXPECT_TRUE(dies(point, [this](auto) { Running running(directory, small()); })) << point;
  }
  Running running(directory);
  EXPECT_TRUE(running.recovered().repairs.empty());
  running.append(kFirst);
  EXPECT_TRUE(running.durable(kFirst));
}

TEST_F(CrashTest, dying_while_it_closes_is_at_worst_an_unclean_stop) {
  for (const char* point : {"journal.close.before:1", "journal.close.committed:1"}) {
    ASSERT_TRUE(dies(point, [this](auto say) { live(directory, kFirst, say); })) << point;
    expect_sound();
    begin_anew();
  }
}

TEST_F(CrashTest, a_repair_that_dies_is_done_again) {
  ASSERT_FALSE(dies("none", [this](auto say) { live(directory, kFirst, say); }));
  const std::int64_t events = sql_number(path(), "SELECT count(*) FROM events");
  spit(path() + ".suspect", "");
  for (const char* point : {"journal.repair.rebuilt:1", "journal.repair.ready:1",
                            "journal.repair.log_moved:1", "journal.repair.moved:1"}) {
    for (int i = 0; i < 3; ++i)
      dies(point, [this](auto) { Running running(directory, small()); });
  }
  expect_sound();
  EXPECT_EQ(sql_number(path(), "SELECT count(*) FROM events"), events);
}

TEST_F(CrashTest, killed_at_any_moment_under_load) {
  for (int round = 0; round < 15; ++round) {
    begin_anew();
    ASSERT_TRUE(dies(
        "none", [this](auto say) { live(directory, kFirst, say); }, 3 + round * 17));
    expect_sound();
  }
}

}  // namespace
}  // namespace bridge55::events
