#include "daemon/events/journal_open.hpp"

#include "daemon/base/crash_point.hpp"
#include "daemon/events/journal_log.hpp"
#include "daemon/events/journal_trades.hpp"

#include <algorithm>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

namespace bridge55::events {
namespace {

constexpr WallMicros kSecond = 1'000'000;
constexpr WallMicros kRecent = 600 * kSecond;
constexpr std::size_t kRecentMost = 4'000'000;  // what MessageIds holds

std::uint64_t size_of(const std::string& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0 ? static_cast<std::uint64_t>(found.st_size) : 0;
}

[[noreturn]] void give_up(const sqlite::Error& error) {
  const bool denied = error.trouble == sqlite::Trouble::denied;
  throw JournalError(denied ? 77 : 69, std::string("journal: ") + error.what());
}

void refuse_foreign(const std::string& path) {
  sqlite::Connection look(path, sqlite::Connection::Mode::write);
  const std::int64_t version = schema_version(look);
  if (version < 0) throw JournalError(78, "journal: " + path + " is a database of something else: refused");
  if (version > kSchemaVersion) {
    throw JournalError(78, "journal: " + path + " has schema version " + std::to_string(version) +
                               ", this bridge55 knows " + std::to_string(kSchemaVersion) +
                               ": a newer one wrote it; install that, or move the file away");
  }
}

// Not every page is read (a million events start within a second): what an append, a read from either end and
// retention touch first.
void look_over(Store& store, const std::string& path) {
  sqlite::Statement ends(
      store.connection(),
      ("SELECT " + std::string(kEventColumns) +
       " FROM events WHERE id=(SELECT min(id) FROM events) OR id=(SELECT max(id) FROM events)")
          .c_str());
  while (ends.row())
    event_row(ends);
  store.last_commit();
  for (const char* table : {"cursors", "consumers", "notes", "switches"})
    store.connection().number(("SELECT count(*) FROM " + std::string(table)).c_str());
  // Pages that the log holds are not in the file yet; without a log the file must be whole.
  if (size_of(path + "-wal") == 0 && size_of(path) < store.file_bytes()) {
    throw sqlite::damaged("the file is shorter than it says");
  }
}

// The damaged file is copied into a new one as far as it can be read, then they change places.
void rebuild(const std::string& path, const std::string& why, Recovered& recovered) {
  const RepairNames names(path);
  remove_journal(names.rebuilt);
  create_file(names.rebuilt);
  std::vector<std::string> lost;
  {
    Store fresh(names.rebuilt);
    lost = salvage(path, fresh);
    fresh.connection().checkpoint(true);
  }
  crash_point("journal.repair.rebuilt");
  for (const char* suffix : {"-shm", "-wal"})
    ::unlink((names.rebuilt + suffix).c_str());
  if (::rename(names.rebuilt.c_str(), names.ready.c_str()) != 0)
    throw JournalError(69, "journal: cannot rename " + names.rebuilt);
  sync_directory(path);
  crash_point("journal.repair.ready");
  const std::string damaged = swap_in(path, wall_now());
  recovered.repairs.push_back("the journal was damaged (" + why + "): it is kept as " + damaged +
                              ", what could be read was copied");
  recovered.repairs.insert(recovered.repairs.end(), lost.begin(), lost.end());
}

void recover_progress(Store& store, Progress& progress, Recovered& recovered) {
  bool damaged = false;
  const auto note = [&](const char* name) { return store.note(name, damaged).value_or(0); };
  sqlite::Connection& connection = store.connection();
  progress.last_id = static_cast<EventId>(connection.number("SELECT max(id) FROM events"));
  progress.oldest_id = static_cast<EventId>(connection.number("SELECT min(id) FROM events"));
  progress.ceiling = note("ceiling");
  progress.gone_through = note("gone_through");
  progress.swept = {note("swept0"), note("swept1"), note("swept2")};
  progress.compacted = note("compacted");
  progress.removed = note("removed");
  progress.trade_bytes = note("trade_bytes");
  recovered.clean_stop = recovered.repairs.empty() && (note("clean") != 0 || recovered.fresh);
  if (damaged)
    recovered.repairs.emplace_back(
        "notes of the journal were damaged: the clock and the events stand in for them");

  const auto last = store.last_commit();
  progress.appended = last ? last->appended : progress.removed;
  if (last && last->last_id > std::max(progress.last_id, progress.gone_through)) {
    recovered.repairs.push_back("events are missing at the journal's end: after " +
                                std::to_string(progress.last_id) + " through " +
                                std::to_string(last->last_id));
  }
  // Where retention has taken everything, the ids it took are still used up.
  progress.last_id = std::max(progress.last_id, progress.gone_through);
}

void recover_cursors(Store& store, Recovered& recovered) {
  store.cursors([&](const std::string& sink, EventId id, bool sound) {
    recovered.cursors[sink] = sound ? id : 0;
    if (!sound)
      recovered.repairs.push_back("the cursor of sink " + sink +
                                  " was damaged: it starts at the earliest event held");
  });
  store.consumers([&](ConsumerRecord record, bool sound) {
    if (!sound) {
      recovered.repairs.push_back("the cursor of consumer " + record.name +
                                  " was damaged: it starts at the earliest event held");
      record.cursor = 0;
    }
    recovered.consumers.push_back(std::move(record));
  });
}

void recover_recent(Store& store, Recovered& recovered, WallMicros now) {
  sqlite::Statement newest(store.connection(), "SELECT * FROM commits ORDER BY first_id DESC");
  auto& recent = recovered.recent;
  while (recent.size() < kRecentMost && newest.row()) {
    const CommitRow row = commit_row(newest);
    if (row.at < now - kRecent) break;
    if (row.checksum() != newest.number(8)) continue;
    for (std::size_t at = row.fingerprints.size(); at >= sizeof(Fingerprint); at -= sizeof(Fingerprint)) {
      Fingerprint print;
      std::copy_n(row.fingerprints.data() + at - sizeof print, sizeof print, reinterpret_cast<char*>(&print));
      recent.emplace_back(row.at, print);
    }
  }
  std::ranges::reverse(recent);
}

// After it nothing that was recovered depends on the log, whose last sync this process did not see.
void settle(OpenedJournal& journal, WallMicros now, EventId known) {
  Store& store = *journal.store;
  const EventId ceiling = std::max(known, static_cast<EventId>(now)) + 2 * kSecond;
  try {
    store.begin();
    store.put_note("ceiling", ceiling);
    store.put_note("clean", 0);
    crash_point("journal.open.before");
    store.commit();
    crash_point("journal.open.committed");
    store.connection().checkpoint(true);
    store.wal_emptied();
  } catch (const sqlite::Error& error) {
    store.rollback();
    // On a full disk live delivery goes on: the lock file keeps the ceiling, the writer says the rest.
    if (error.trouble != sqlite::Trouble::full || !journal.lock->keep_ceiling(ceiling, true)) throw;
    journal.noted = false;
  }
  journal.progress.ceiling = ceiling;
  journal.lock->keep_ceiling(ceiling, false);
}

void recover(OpenedJournal& journal, Recovered& recovered, WallMicros now) {
  journal.store = std::make_unique<Store>(journal.path);
  look_over(*journal.store, journal.path);
  recover_progress(*journal.store, journal.progress, recovered);
  recover_cursors(*journal.store, recovered);
  recover_recent(*journal.store, recovered, now);
  recover_trades(*journal.store, now, recovered);
  recovered.last_id = journal.progress.last_id;
  recovered.oldest_id = journal.progress.oldest_id;
  recovered.gone_through = journal.progress.gone_through;
  recovered.ceiling =
      std::max({journal.progress.ceiling, journal.lock->ceiling_found(), journal.progress.last_id});
  // Nothing says how far ids went: no ceiling is further ahead of the clock than a minute.
  if (!recovered.repairs.empty() && std::max(journal.progress.ceiling, journal.lock->ceiling_found()) == 0) {
    recovered.ceiling = std::max(recovered.ceiling, static_cast<EventId>(now + 61 * kSecond));
  }
  settle(journal, now, recovered.ceiling);
}

// What the files beside the journal say, before it is opened; in words, why it must be rebuilt.
std::string look_around(const OpenedJournal& journal, Recovered& recovered, WallMicros now) {
  const std::string& path = journal.path;
  if (const std::string damaged = swap_in(path, now); !damaged.empty()) {
    recovered.repairs.push_back("a repair that was cut short is complete: the damaged journal is kept as " +
                                damaged);
  }
  recovered.fresh = create_file(path) || (size_of(path) == 0 && size_of(path + "-wal") == 0);
  if (recovered.fresh && journal.lock->ceiling_found() > 0) {
    recovered.repairs.push_back("the journal is missing though one was here: everything through " +
                                std::to_string(journal.lock->ceiling_found()) + " is lost");
  }
  const LogCheck log =
      check_log(path + "-wal", path + ".damaged-" + std::to_string(now / kSecond) + ".log", kPageBytes);
  if (!log.words.empty()) recovered.repairs.push_back(log.words);
  const bool head = mend_head(path);
  if (head || log.state == LogCheck::State::damaged) mark_suspect(path);
  if (!exists(RepairNames(path).suspect)) return {};
  return head                ? "its head was altered"
         : log.words.empty() ? "found while it was in use"
                             : "its log was altered";
}

void open_store(OpenedJournal& journal, Recovered& recovered) {
  const WallMicros now = wall_now();
  std::string why = look_around(journal, recovered, now);
  const Recovered before = recovered;
  if (why.empty()) {
    try {
      refuse_foreign(journal.path);
      return recover(journal, recovered, now);
    } catch (const sqlite::Error& error) {
      if (error.trouble != sqlite::Trouble::corrupt) throw;
      why = error.what();
    }
  }
  journal.store.reset();
  journal.progress = {};
  recovered = before;
  rebuild(journal.path, why, recovered);
  recover(journal, recovered, now);
}

}  // namespace

OpenedJournal open_journal(const config::Journal& settings, Recovered& recovered) {
  OpenedJournal journal;
  journal.path = prepare_path(settings.path);
  journal.lock = std::make_unique<JournalLock>(journal.path);
  try {
    open_store(journal, recovered);
  } catch (const sqlite::Error& error) {
    give_up(error);
  }
  return journal;
}

}  // namespace bridge55::events
