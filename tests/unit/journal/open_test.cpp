// Who may open the journal, and where.
#include "daemon/base/metrics.hpp"
#include "tests/unit/journal/journal_fixture.hpp"

#include <filesystem>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>

namespace bridge55::events {
namespace {

// The exit code that opening would end with, 0 where it works; `why` gets the words.
int code_of_open(const std::string& path, std::string* why = nullptr) {
  boost::asio::io_context io;
  metrics::Registry metrics;
  Recovered recovered;
  config::Journal settings;
  settings.path = path;
  try {
    Journal::open(settings, io, metrics, recovered);
    return 0;
  } catch (const JournalError& error) {
    if (why != nullptr) *why = error.what();
    return error.exit_code;
  }
}

unsigned mode_of(const std::string& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0 ? found.st_mode & 0777u : 0;
}

TEST_F(JournalTest, makes_its_directory_for_its_user_alone) {
  const std::string deep = directory + "/a/b";
  ASSERT_EQ(code_of_open(deep + "/journal.db"), 0);
  EXPECT_EQ(mode_of(deep), 0700u);
  EXPECT_EQ(mode_of(directory + "/a"), 0700u);
}

TEST_F(JournalTest, its_files_are_for_its_user_alone) {
  Running running(directory);
  running.append(1'771'183'909'000'000);
  ASSERT_TRUE(running.durable(1'771'183'909'000'000));
  for (const char* suffix : {"", "-wal", "-shm", ".lock"})
    EXPECT_EQ(mode_of(path() + suffix), 0600u) << suffix;
}

TEST_F(JournalTest, a_second_opener_is_refused_and_told_who_has_it) {
  Running running(directory);
  std::string why;
  EXPECT_EQ(code_of_open(path(), &why), 69);
  EXPECT_NE(why.find("in use by process " + std::to_string(::getpid())), std::string::npos) << why;
  running.append(1'771'183'909'000'000);
  EXPECT_TRUE(running.durable(1'771'183'909'000'000));  // the first is untouched
}

TEST_F(JournalTest, what_a_holder_left_behind_locks_nobody_out) {
  { Running running(directory); }
  EXPECT_EQ(code_of_open(path()), 0);
}

TEST_F(JournalTest, a_symbolic_link_for_a_file_is_refused) {
  { Running running(directory); }
  for (const char* suffix : {"", "-wal", ".lock"}) {
    const std::string linked = directory + "/linked.db";
    std::filesystem::create_symlink(path() + suffix, linked + suffix);
    std::string why;
    EXPECT_EQ(code_of_open(linked, &why), 77) << suffix;
    EXPECT_NE(why.find("symbolic link"), std::string::npos) << why;
    std::filesystem::remove_all(linked + suffix);
    std::filesystem::remove_all(linked + ".lock");
  }
}

TEST_F(JournalTest, a_symbolic_link_for_its_directory_is_refused) {
  std::filesystem::create_directory(directory + "/real");
  std::filesystem::create_directory_symlink(directory + "/real", directory + "/link");
  EXPECT_EQ(code_of_open(directory + "/link/journal.db"), 77);
}

TEST_F(JournalTest, a_symbolic_link_above_its_directory_is_the_system_s_own_affair) {
  std::filesystem::create_directories(directory + "/real/state");
  std::filesystem::create_directory_symlink(directory + "/real", directory + "/link");
  EXPECT_EQ(code_of_open(directory + "/link/state/journal.db"), 0);
}

TEST_F(JournalTest, a_directory_in_its_place_is_refused) {
  std::filesystem::create_directory(path());
  EXPECT_EQ(code_of_open(path()), 69);
}

TEST_F(JournalTest, a_directory_that_it_may_not_write_is_refused) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs to become another user";
  std::filesystem::permissions(directory, std::filesystem::perms::owner_all);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool other = ::setegid(65534) == 0 && ::seteuid(65534) == 0;
    ::_exit(other ? code_of_open(path()) : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 77);
}

TEST_F(JournalTest, a_newer_schema_is_refused_and_left_alone) {
  { Running running(directory); }
  sql(path(), "PRAGMA user_version=99");
  const std::string before = slurp(path());
  std::string why;
  EXPECT_EQ(code_of_open(path(), &why), 78);
  EXPECT_NE(why.find("99"), std::string::npos) << why;
  EXPECT_EQ(slurp(path()), before);
}

TEST_F(JournalTest, a_journal_of_the_first_release_is_brought_up_and_loses_nothing) {
  {
    Running running(directory);
    running.append_many(1'771'183'909'000'000, 50);
    running.journal().store_cursor("rabbit", 5);
    ASSERT_TRUE(running.barrier());
    running.close();
  }
  for (const char* table : {"trades", "trade_orders", "switches", "requests"})
    sql(path(), std::string("DROP TABLE ") + table);
  sql(path(), "DELETE FROM notes WHERE name='trade_bytes'");
  sql(path(), "PRAGMA user_version=1");
  {
    Running running(directory);
    EXPECT_TRUE(running.recovered().repairs.empty());
    EXPECT_TRUE(running.recovered().clean_stop);
    EXPECT_EQ(running.recovered().cursors.at("rabbit"), 5u);
    EXPECT_EQ(running.recovered().last_trade, 0u);
    EXPECT_EQ(running.ids().size(), 50u);
    EXPECT_TRUE(running.store(make_trade(1)));
    EXPECT_TRUE(running.read_trade("1-0"));
    running.close();
  }
  EXPECT_EQ(sql_number(path(), "PRAGMA user_version"), 3);
  EXPECT_EQ(code_of_open(path()), 0);
}

TEST_F(JournalTest, a_damaged_journal_of_the_first_release_is_rebuilt_without_a_word_about_trades) {
  {
    Running running(directory);
    running.append_many(1'771'183'909'000'000, 50);
    ASSERT_TRUE(running.barrier());
    running.close();
  }
  for (const char* table : {"trades", "trade_orders", "switches", "requests"})
    sql(path(), std::string("DROP TABLE ") + table);
  sql(path(), "PRAGMA user_version=1");
  spit(path() + ".suspect", "");
  Running running(directory);
  EXPECT_EQ(running.ids().size(), 50u);
  for (const std::string& repair : running.recovered().repairs)
    EXPECT_EQ(repair.find("trade"), std::string::npos) << repair;
  EXPECT_TRUE(running.store(make_trade(1)));
}

TEST_F(JournalTest, a_database_of_something_else_is_refused) {
  sql(path(), "CREATE TABLE customers(name)");
  EXPECT_EQ(code_of_open(path()), 78);
}

TEST_F(JournalTest, a_missing_journal_is_said_and_its_ids_are_not_used_again) {
  EventId ceiling = 0;
  {
    Running running(directory);
    running.journal().want_ceiling(running.journal().ceiling() + 60'000'000);
    const EventId before = running.journal().ceiling();
    ASSERT_TRUE(running.until([&] { return running.journal().ceiling() > before; }));
    ceiling = running.journal().ceiling();
    running.close();
  }
  for (const char* suffix : {"", "-wal", "-shm"})
    std::filesystem::remove(path() + suffix);
  Running running(directory);
  EXPECT_TRUE(running.recovered().fresh);
  EXPECT_FALSE(running.recovered().clean_stop);
  ASSERT_EQ(running.recovered().repairs.size(), 1u);
  EXPECT_EQ(running.recovered().ceiling, ceiling);
}

TEST_F(JournalTest, another_program_may_read_it_while_it_runs) {
  Running running(directory);
  running.append_many(1'771'183'909'000'000, 10);
  ASSERT_TRUE(running.durable(1'771'183'909'000'090));
  EXPECT_EQ(sql_number(path(), "SELECT count(*) FROM events"), 10);
}

}  // namespace
}  // namespace bridge55::events
