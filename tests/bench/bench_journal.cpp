// What the journal costs on this machine: rows a second with every commit synced, alone and with retention
// deleting at the same pace, next to a bare SQLite loop; from arrival to durable at 10,000 events a second; a
// start with a million events. Usage: bench_journal [directory [bare|flood|deleting|paced|start]]   (a
// directory on the disk that is to be measured)
#include "daemon/base/metrics.hpp"
#include "daemon/events/journal.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <sys/resource.h>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <sqlite3.h>

using namespace bridge55;
using namespace std::chrono_literals;
using events::EventId;

namespace {

using Clock = std::chrono::steady_clock;

double seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

double cpu(int who) {
  rusage usage{};
  getrusage(who, &usage);
  const auto value = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return value(usage.ru_utime) + value(usage.ru_stime);
}

std::string payload_of(std::size_t size) {
  std::string payload = R"({"orderId":327,"odds":1.910,"text":")";
  payload.append(size - payload.size() - 2, 'x');
  return payload + "\"}";
}

class Bench {
 public:
  explicit Bench(std::string directory) : directory_(std::move(directory)) {}

  void bare(std::size_t rows, std::size_t keep);
  void flood(const char* title, std::size_t events, std::uint64_t limit);
  void paced(int per_second, int for_seconds, std::uint64_t limit);
  void start();

 private:
  struct Run {
    boost::asio::io_context io;
    metrics::Registry metrics;
    events::Recovered recovered;
    std::unique_ptr<events::Journal> journal;
    std::function<void(EventId)> durable;
  };
  std::unique_ptr<Run> open(std::uint64_t limit, bool keep_files = false);
  events::EventPtr next(WallMicros now);

  std::string directory_, payload_ = payload_of(700);
  EventId id_ = 0;
};

std::unique_ptr<Bench::Run> Bench::open(std::uint64_t limit, bool keep_files) {
  if (!keep_files) std::filesystem::remove_all(directory_ + "/j");
  auto run = std::make_unique<Run>();
  config::Journal settings;
  settings.path = directory_ + "/j/journal.db";
  settings.retention_size = config::Bytes{limit};
  run->journal = events::Journal::open(settings, run->io, run->metrics, run->recovered);
  events::Journal::Handlers handlers;
  handlers.durable = [run = run.get()](EventId id) {
    if (run->durable) run->durable(id);
  };
  handlers.fatal = [](const std::string& why) { std::printf("FATAL %s\n", why.c_str()); };
  run->journal->start(std::move(handlers));
  return run;
}

events::EventPtr Bench::next(WallMicros now) {
  id_ = std::max(id_ + 1, static_cast<EventId>(now));
  events::Facts facts;
  facts.source = "abp";
  facts.channel = "status";
  facts.name = "UPDATE";
  facts.key = "327";
  facts.seq = "123456";
  facts.ts = "1771183909789";
  facts.payload = payload_;
  return events::Event::make({id_, now, {}}, facts);
}

// The same bytes through the same pragmas with nothing around them: what there is to reach.
void Bench::bare(std::size_t rows, std::size_t keep) {
  std::filesystem::remove_all(directory_ + "/j");
  std::filesystem::create_directories(directory_ + "/j");
  sqlite3* db = nullptr;
  sqlite3_open((directory_ + "/j/bare.db").c_str(), &db);
  sqlite3_exec(
      db,
      "PRAGMA page_size=16384; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=OFF;"
      "PRAGMA cache_size=-16384; PRAGMA wal_autocheckpoint=1000;"
      "CREATE TABLE e(id INTEGER PRIMARY KEY, r, b, s, at, source, channel, event, key, meta BLOB, raw)",
      nullptr, nullptr, nullptr);
  sqlite3_stmt *insert = nullptr, *remove = nullptr;
  sqlite3_prepare_v2(db, "INSERT INTO e VALUES(?,1,10,?,?,'abp','status','UPDATE','327',?,?)", -1, &insert,
                     nullptr);
  sqlite3_prepare_v2(db, "DELETE FROM e WHERE id<=?", -1, &remove, nullptr);
  const std::string meta(74, 'm');
  const auto began = Clock::now();
  const double used = cpu(RUSAGE_SELF);
  sqlite3_int64 id = wall_now();
  for (std::size_t done = 0; done < rows;) {
    sqlite3_exec(db, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr);
    for (int i = 0; i < 1000; ++i, ++done) {
      sqlite3_bind_int64(insert, 1, ++id);
      sqlite3_bind_int64(insert, 2,
                         static_cast<sqlite3_int64>(static_cast<std::uint64_t>(id) * 0x9e3779b97f4a7c15ull));
      sqlite3_bind_int64(insert, 3, id);
      sqlite3_bind_blob(insert, 4, meta.data(), static_cast<int>(meta.size()), SQLITE_STATIC);
      sqlite3_bind_text(insert, 5, payload_.data(), static_cast<int>(payload_.size()), SQLITE_STATIC);
      sqlite3_step(insert);
      sqlite3_reset(insert);
    }
    if (keep != 0 && done > keep) {
      sqlite3_bind_int64(remove, 1, id - static_cast<sqlite3_int64>(keep));
      sqlite3_step(remove);
      sqlite3_reset(remove);
    }
    sqlite3_exec(db, "COMMIT", nullptr, nullptr, nullptr);
  }
  const double took = seconds(Clock::now() - began);
  std::printf("%-34s %8.0f rows/s   %.3f CPU s per 100,000\n",
              keep != 0 ? "bare SQLite, deleting as much" : "bare SQLite", static_cast<double>(rows) / took,
              (cpu(RUSAGE_SELF) - used) / static_cast<double>(rows) * 1e5);
  sqlite3_finalize(insert);
  sqlite3_finalize(remove);
  sqlite3_close(db);
}

// As fast as the inbox takes them. The CPU figure leaves out this thread, which makes the events.
void Bench::flood(const char* title, std::size_t count, std::uint64_t limit) {
  const auto run = open(limit);
  EventId durable = 0;
  std::size_t commits = 0;
  run->durable = [&](EventId id) { durable = id, ++commits; };
  const auto began = Clock::now();
  const double whole = cpu(RUSAGE_SELF), own = cpu(RUSAGE_THREAD);
  for (std::size_t i = 0; i < count; ++i) {
    run->journal->append(next(wall_now()), id_);
    if (i % 64 == 0) run->io.restart(), run->io.poll();
    while (run->journal->inbox_bytes() > events::Journal::kInboxLimit / 4)
      run->io.restart(), run->io.run_one_for(1ms);
  }
  while (durable < id_)
    run->io.restart(), run->io.run_one_for(1ms);
  const double took = seconds(Clock::now() - began);
  const double writer = cpu(RUSAGE_SELF) - whole - (cpu(RUSAGE_THREAD) - own);
  const auto stats = run->journal->stats();
  std::printf(
      "%-34s %8.0f rows/s   %.3f CPU s per 100,000   %.0f MiB on disk, %llu events held, %zu reports\n",
      title, static_cast<double>(count) / took, writer / static_cast<double>(count) * 1e5,
      static_cast<double>(stats.file_bytes) / 1048576, static_cast<unsigned long long>(stats.events),
      commits);
  run->journal->close();
}

void Bench::paced(int per_second, int for_seconds, std::uint64_t limit) {
  const auto run = open(limit);
  std::deque<std::pair<EventId, Clock::time_point>> waiting;
  std::vector<double> millis;
  run->durable = [&](EventId id) {
    const auto now = Clock::now();
    for (; !waiting.empty() && waiting.front().first <= id; waiting.pop_front())
      millis.push_back(seconds(now - waiting.front().second) * 1e3);
  };
  const auto step = std::chrono::nanoseconds(1'000'000'000 / per_second);
  const double used = cpu(RUSAGE_SELF), own = cpu(RUSAGE_THREAD);
  auto due = Clock::now();
  const int count = per_second * for_seconds;
  for (int i = 0; i < count; ++i, due += step) {
    while (Clock::now() < due)
      run->io.restart(), run->io.run_one_until(due);
    waiting.emplace_back(id_ + 1, Clock::now());
    const auto event = next(wall_now());
    waiting.back().first = event->id();
    run->journal->append(event, id_);
  }
  while (!waiting.empty())
    run->io.restart(), run->io.run_one_for(1ms);
  const double writer = cpu(RUSAGE_SELF) - used - (cpu(RUSAGE_THREAD) - own);
  std::ranges::sort(millis);
  const auto at = [&](double part) {
    return millis[static_cast<std::size_t>(part * static_cast<double>(millis.size() - 1))];
  };
  std::printf(
      "arrival to durable at %6d/s       p50 %.2f ms   p99 %.2f ms   p99.9 %.2f ms   max %.2f ms   %.3f CPU "
      "s per 100,000%s\n",
      per_second, at(0.5), at(0.99), at(0.999), millis.back(), writer / count * 1e5,
      limit < (1u << 30) ? "   (deleting as much)" : "");
  run->journal->close();
}

void Bench::start() {
  {
    const auto run = open(4ull << 30);
    for (int i = 0; i < 1'000'000; ++i) {
      run->journal->append(next(wall_now()), id_);
      while (run->journal->inbox_bytes() > events::Journal::kInboxLimit / 4)
        run->io.restart(), run->io.run_one_for(1ms);
    }
    run->journal.reset();  // no clean stop: the log is still there
  }
  const auto began = Clock::now();
  const auto run = open(4ull << 30, true);
  std::printf("a start with %llu events            %.0f ms (%zu fingerprints)\n",
              static_cast<unsigned long long>(run->journal->stats().events),
              seconds(Clock::now() - began) * 1e3, run->recovered.recent.size());

  // Catching up: chunk after chunk, each checked and laid out anew.
  const auto reading = Clock::now();
  std::size_t read = 0;
  EventId after = 0;
  for (bool more = true; more;) {
    bool answered = false;
    events::ReadRequest request;
    request.after = after;
    request.max_bytes = 4u << 20;
    run->journal->read(request, [&](const events::ReadResult& result) {
      read += result.events.size();
      after = result.scanned_through;
      more = result.more;
      answered = true;
    });
    while (!answered)
      run->io.restart(), run->io.run_one_for(1ms);
  }
  std::printf("catching up with %zu events        %.0f events/s\n", read,
              static_cast<double>(read) / seconds(Clock::now() - reading));
}

}  // namespace

int main(int argc, char** argv) {
  std::string directory =
      argc > 1 ? argv[1] : (std::filesystem::temp_directory_path() / "bridge55-bench-XXXXXX").string();
  const bool made = argc <= 1 && ::mkdtemp(directory.data()) != nullptr;
  const std::string part = argc > 2 ? argv[2] : "";
  const auto wanted = [&part](const char* name) { return part.empty() || part == name; };
  constexpr std::uint64_t plenty = 4ull << 30;
  Bench bench(directory);
  if (wanted("bare")) bench.bare(500'000, 0);
  if (wanted("flood")) bench.flood("journal", 500'000, plenty);
  if (wanted("bare")) bench.bare(800'000, 200'000);
  if (wanted("deleting")) bench.flood("journal, deleting as much", 1'000'000, 200u << 20);
  if (wanted("paced")) bench.paced(10'000, 5, plenty);
  if (wanted("paced")) bench.paced(10'000, 8, 32u << 20);
  if (wanted("paced")) bench.paced(1'000, 3, plenty);
  if (wanted("start")) bench.start();
  if (made) std::filesystem::remove_all(directory);
}
