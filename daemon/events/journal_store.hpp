// The journal's tables behind the statements that the writer needs: one connection, one thread at a time.
// docs/journal.md describes what is on disk. Every method may throw sqlite::Error.
#pragma once

#include "daemon/events/event.hpp"
#include "daemon/events/journal.hpp"
#include "daemon/events/journal_requests.hpp"
#include "daemon/events/journal_schema.hpp"
#include "daemon/events/journal_sqlite.hpp"
#include "daemon/events/journal_trades.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bridge55::events {

inline constexpr std::size_t kRanks = 3;

// In which order events go when the size limit presses: 0 first (relays, betslip, fixtures, scores), 2 last
// (orders, bets, settlements, accounts, balance and what the daemon says itself). The contract's
// `journal.retention`.
std::int64_t rank_of(const Facts& facts);

// What changes with commits, kept in memory beside the tables; a transaction that fails leaves it as it was.
struct Progress {
  EventId last_id = 0, oldest_id = 0, ceiling = 0;
  EventId gone_through = 0;                 // highest id that retention has deleted
  std::array<EventId, kRanks> swept{};      // up to here nothing of this rank or below is left
  EventId compacted = 0;                    // up to here rows of `commits` are joined
  std::uint64_t appended = 0, removed = 0;  // over the life of the journal
  std::uint64_t trade_bytes = 0;            // about what trades and requests take of the file
};

// One row of the sparse table: what one commit added.
struct CommitRow {
  EventId first_id = 0, last_id = 0;
  WallMicros at = 0;
  std::uint64_t count = 0, appended = 0;  // appended: over the life of the journal, this commit included
  WallMicros received_from = 0, received_to = 0;
  std::string fingerprints;  // 8 bytes each

  std::int64_t checksum() const;
};

CommitRow commit_row(const sqlite::Statement& statement);  // of a SELECT *

// A row of `events` as a statement shows it: the columns of kEventColumns.
inline constexpr char kEventColumns[] =
    "id, rank, back, sum, received_at, source, channel, event, key, meta, raw";
struct EventRow {
  Event::Row row;
  EventId before = 0;  // the id of the event that was appended before it; 0: it was the first
  std::int64_t rank = 0;
  bool sound = false;  // its checksum fits
};
EventRow event_row(const sqlite::Statement& statement);

class Store {
 public:
  explicit Store(const std::string& path);

  sqlite::Connection& connection() { return connection_; }
  void begin() { begin_.run(); }
  void commit() { commit_.run(); }
  void rollback() noexcept;

  void insert(const Event& event, EventId before);
  void insert_row(const EventRow& row, EventId before);  // as it was read elsewhere
  void insert_commit(const CommitRow& row);
  std::optional<CommitRow> last_commit();

  TradeWriter& trades() { return trades_; }
  RequestWriter& requests() { return requests_; }
  // An empty value deletes it. A note of all of them tells where one has vanished.
  void put_switch(std::string_view name, std::string_view value);

  void put_note(const char* name, std::uint64_t value);
  std::optional<std::uint64_t> note(const char* name, bool& damaged);
  void put_progress(const Progress& now, const Progress& before);  // what differs

  void put_cursor(std::string_view sink, EventId id);
  void drop_cursor(std::string_view sink);
  void put_consumer(const ConsumerRecord& consumer);
  void drop_consumer(std::string_view name);
  // Calls back for each; `sound` is false where the row's checksum does not fit.
  template <class Each>
  void cursors(Each&& each);
  template <class Each>
  void consumers(Each&& each);

  static std::int64_t note_sum(std::string_view name, std::uint64_t value);
  static std::int64_t cursor_sum(std::string_view sink, EventId id);
  static std::int64_t consumer_sum(const ConsumerRecord& consumer);

  std::uint64_t page_bytes() const { return page_bytes_; }
  std::uint64_t used_bytes();                              // pages that hold something
  std::uint64_t file_bytes();                              // all pages of the file
  std::int64_t wal_frames() const { return wal_frames_; }  // of the log, after the last commit
  std::uint64_t wal_bytes() const { return static_cast<std::uint64_t>(wal_peak_) * (page_bytes_ + 24); }
  void wal_emptied() { wal_frames_ = wal_peak_ = 0; }

 private:
  static int committed(void* store, sqlite3*, const char*, int frames);

  sqlite::Connection connection_;
  bool ready_;  // the tables are there: the statements below can be prepared
  std::uint64_t page_bytes_ = 0;
  std::int64_t wal_frames_ = 0, wal_peak_ = 0;
  sqlite::Statement begin_, commit_, insert_, insert_commit_, put_note_, note_, put_cursor_, drop_cursor_,
      put_consumer_, drop_consumer_, page_count_, free_count_;
  TradeWriter trades_;
  RequestWriter requests_;
};

template <class Each>
void Store::cursors(Each&& each) {
  sqlite::Statement all(connection_, "SELECT sink, id, sum FROM cursors");
  while (all.row()) {
    const std::string sink(all.bytes(0));
    each(sink, all.id(1), all.number(2) == cursor_sum(sink, all.id(1)));
  }
}

template <class Each>
void Store::consumers(Each&& each) {
  sqlite::Statement all(connection_, "SELECT name, owner, id, last_used, sum FROM consumers");
  while (all.row()) {
    const ConsumerRecord record{std::string(all.bytes(0)), std::string(all.bytes(1)), all.id(2),
                                all.number(3)};
    each(record, all.number(4) == consumer_sum(record));
  }
}

}  // namespace bridge55::events
