#include "daemon/events/journal_open.hpp"
#include "daemon/events/journal_trades.hpp"

#include <algorithm>
#include <optional>

namespace bridge55::events {
namespace {

constexpr std::size_t kRowsCommitted = 4096;
constexpr std::size_t kPlacesNamed = 20;

class Salvage {
 public:
  Salvage(sqlite::Connection& from, Store& into) : from_(from), into_(into) {}

  std::vector<std::string> run() {
    part("notes", [this] { notes(); });
    part("cursors", [this] { cursors(); });
    trades();
    requests();
    events();
    finish();
    return std::move(lost_);
  }

 private:
  // One table that cannot be read must not cost the others.
  template <class Copy>
  void part(const char* what, Copy&& copy) {
    into_.begin();
    try {
      copy();
    } catch (const sqlite::Error& error) {
      if (error.trouble == sqlite::Trouble::full) throw;
      lost_.push_back(std::string("of the ") + what + " not everything could be read: " + error.what());
    }
    into_.commit();
  }

  void notes() {
    sqlite::Statement all(from_, "SELECT name, value, sum FROM notes");
    while (all.row()) {
      const std::string name(all.bytes(0));
      if (all.number(2) != Store::note_sum(name, all.id(1))) continue;
      if (name == "gone_through") gone_through_ = all.id(1);
      if (name == "ceiling" || name == "gone_through") into_.put_note(name.c_str(), all.id(1));
    }
  }

  void trades() {
    try {
      const std::vector<std::string> lost = salvage_trades(from_, into_);
      lost_.insert(lost_.end(), lost.begin(), lost.end());
    } catch (const sqlite::Error& error) {
      if (into_.connection().in_transaction()) throw;
      lost_.push_back(std::string("no trade could be read: ") + error.what());
    }
  }

  void requests() {
    try {
      const std::vector<std::string> lost = salvage_requests(from_, into_);
      lost_.insert(lost_.end(), lost.begin(), lost.end());
    } catch (const sqlite::Error& error) {
      if (into_.connection().in_transaction()) throw;
      lost_.push_back(std::string("no request that came by message could be read: ") + error.what());
    }
  }

  void cursors() {
    sqlite::Statement sinks(from_, "SELECT sink, id, sum FROM cursors");
    while (sinks.row())
      into_.put_cursor(sinks.bytes(0),
                       sinks.number(2) == Store::cursor_sum(sinks.bytes(0), sinks.id(1)) ? sinks.id(1) : 0);
    sqlite::Statement names(from_, "SELECT name, owner, id, last_used, sum FROM consumers");
    while (names.row()) {
      ConsumerRecord record{std::string(names.bytes(0)), std::string(names.bytes(1)), names.id(2),
                            names.number(3)};
      if (names.number(4) != Store::consumer_sum(record)) record.cursor = 0;
      into_.put_consumer(record);
    }
  }

  void events() {
    sqlite::Statement rows(
        from_, ("SELECT " + std::string(kEventColumns) + " FROM events WHERE id>? ORDER BY id").c_str());
    EventId after = 0;
    for (bool more = true; more;) {
      into_.begin();
      more = copy_some(rows, after);
      into_.commit();
      into_.connection().checkpoint();  // or the log would become as large as the journal
    }
  }

  // At most a commit's worth of rows; false at the end.
  bool copy_some(sqlite::Statement& rows, EventId& after) {
    CommitRow commit;
    bool more = true;
    try {
      rows.bind(1, after);
      while (commit.count < kRowsCommitted && (more = rows.row())) {
        const EventRow row = event_row(rows);
        if (row.row.id <= after) {
          rows.reset();
          more = leap(after, "ids go backwards");
          break;
        }
        if (!row.sound) {
          lose(after, "a checksum does not fit");
        } else {
          if (row.before > after && row.before > gone_through_) lose(after, "rows are missing");
          copy(row, commit);
        }
        after = row.row.id;
      }
      rows.reset();
    } catch (const sqlite::Error& error) {
      if (error.trouble == sqlite::Trouble::full) throw;
      more = leap(after, error.what());
    }
    if (commit.count > 0) into_.insert_commit(commit);
    return more;
  }

  // Over what cannot be read; false where nothing behind it can be reached.
  bool leap(EventId& after, const char* why) {
    lose(after, why);
    const EventId next = next_reachable(from_, after);
    // The row that was reached may be the one that cannot be read.
    after = next > after + 1 && next != leapt_to_ ? next - 1 : next;
    leapt_to_ = next;
    return next != 0;
  }

  void copy(const EventRow& row, CommitRow& commit) {
    into_.insert_row(row, last_);
    last_ = row.row.id;
    if (commit.count++ == 0)
      commit = {last_, last_, row.row.received_at, 1, 0, row.row.received_at, row.row.received_at, {}};
    commit.last_id = last_;
    commit.at = std::max(commit.at, row.row.received_at);
    commit.received_from = std::min(commit.received_from, row.row.received_at);
    commit.received_to = std::max(commit.received_to, row.row.received_at);
    commit.appended = ++copied_;
  }

  void lose(EventId after, const char* why) {
    if (lost_places_++ < kPlacesNamed)
      lost_.push_back("events right after " + std::to_string(after) + " could not be read: " + why);
  }

  void finish() {
    if (lost_places_ > kPlacesNamed)
      lost_.push_back("and " + std::to_string(lost_places_ - kPlacesNamed) + " more places");
    lost_.push_back(std::to_string(copied_) + " events were copied, the last is " + std::to_string(last_));
  }

  sqlite::Connection& from_;
  Store& into_;
  EventId gone_through_ = 0, last_ = 0, leapt_to_ = 0;
  std::uint64_t copied_ = 0;
  std::size_t lost_places_ = 0;
  std::vector<std::string> lost_;
};

}  // namespace

// The smallest start from which the next id can be reached, found by widening steps and then halving.
std::uint64_t next_reachable(sqlite::Statement& probe, std::uint64_t after) {
  const auto at = [&probe](EventId from) -> std::optional<EventId> {
    try {
      const EventId id = probe.bind(1, from).row() ? probe.id(0) : 0;
      probe.reset();
      if (id != 0 && id <= from) return std::nullopt;  // a page that stands in another's place
      return id;
    } catch (const sqlite::Error&) {
      return std::nullopt;
    }
  };
  std::uint64_t step = 1;
  std::optional<EventId> reached = at(after);
  while (!reached && step < (1ull << 62) && after + step < (1ull << 63))
    reached = at(after + (step *= 2));
  if (!reached) return 0;
  for (EventId bad = after, good = after + step; step > 1 && good - bad > 1;) {
    const EventId middle = bad + (good - bad) / 2;
    if (const auto id = at(middle)) {
      good = middle;
      reached = id;
    } else {
      bad = middle;
    }
  }
  return *reached;
}

EventId next_reachable(sqlite::Connection& connection, EventId after) {
  sqlite::Statement probe(connection, "SELECT id FROM events WHERE id>? ORDER BY id LIMIT 1");
  return next_reachable(probe, after);
}

std::vector<std::string> salvage(const std::string& damaged, Store& into) {
  try {
    sqlite::Connection from(damaged, sqlite::Connection::Mode::write);
    from.run("PRAGMA writable_schema=ON");  // lenient: a file that is shorter than it says can be read as far
                                            // as it goes
    return Salvage(from, into).run();
  } catch (const sqlite::Error& error) {
    if (into.connection().in_transaction()) throw;
    return {std::string("nothing of it could be read: ") + error.what()};
  }
}

}  // namespace bridge55::events
