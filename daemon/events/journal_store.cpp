#include "daemon/events/journal_store.hpp"

#include "daemon/events/journal_checksum.hpp"

#include <algorithm>
#include <iterator>

#include <simdjson.h>
#include <sqlite3.h>

namespace bridge55::events {
namespace {

bool prepared_tables(sqlite::Connection& connection) {
  set_up(connection);
  migrate(connection);
  return true;
}

std::int64_t event_sum(const Event::Row& row, std::int64_t rank, EventId before) {
  Checksum sum;
  sum.number(row.id)
      .number(static_cast<std::uint64_t>(rank))
      .number(before)
      .number(static_cast<std::uint64_t>(row.received_at));
  for (const auto part : {row.source, row.channel, row.name, row.key, row.meta, row.raw})
    sum.text(part);
  return sum.value();
}

// SQLite cuts a text at a NUL in many places, and tools expect UTF-8 in one.
bool is_text(std::string_view bytes) {
  return std::memchr(bytes.data(), 0, bytes.size()) == nullptr &&
         simdjson::validate_utf8(bytes.data(), bytes.size());
}

}  // namespace

std::int64_t rank_of(const Facts& facts) {
  static constexpr std::string_view last[] = {"orders", "bets", "settlements", "accounts", "balance"};
  static constexpr std::string_view first[] = {"betslip", "fixtures", "scores"};
  if (facts.source == "bridge") return 2;
  if (!facts.relay.empty()) return 0;
  if (std::ranges::find(last, facts.channel) != std::end(last)) return 2;
  return std::ranges::find(first, facts.channel) != std::end(first) ? 0 : 1;
}

std::int64_t CommitRow::checksum() const {
  Checksum sum;
  sum.number(first_id).number(last_id).number(static_cast<std::uint64_t>(at)).number(count).number(appended);
  sum.number(static_cast<std::uint64_t>(received_from))
      .number(static_cast<std::uint64_t>(received_to))
      .text(fingerprints);
  return sum.value();
}

CommitRow commit_row(const sqlite::Statement& s) {
  return {s.id(0), s.id(1), s.number(2), s.id(3), s.id(4), s.number(5), s.number(6), std::string(s.bytes(7))};
}

EventRow event_row(const sqlite::Statement& s) {
  EventRow found;
  found.row = {s.id(0), s.number(4), s.bytes(5), s.bytes(6), s.bytes(7), s.bytes(8), s.bytes(9), s.bytes(10)};
  found.rank = s.number(1);
  const EventId back = s.id(2);
  found.before = back == 0 ? 0 : found.row.id - back;
  found.sound = s.number(3) == event_sum(found.row, found.rank, found.before);
  return found;
}

Store::Store(const std::string& path)
    : connection_(path, sqlite::Connection::Mode::write),
      ready_(prepared_tables(connection_)),
      begin_(connection_, "BEGIN IMMEDIATE"),
      commit_(connection_, "COMMIT"),
      insert_(connection_,
              "INSERT INTO events(id, rank, back, sum, received_at, source, channel, event, key, meta, raw) "
              "VALUES(?,?,?,?,?,?,?,?,?,?,?)"),
      insert_commit_(connection_, "INSERT INTO commits VALUES(?,?,?,?,?,?,?,?,?)"),
      put_note_(connection_, "INSERT OR REPLACE INTO notes VALUES(?,?,?)"),
      note_(connection_, "SELECT value, sum FROM notes WHERE name=?"),
      put_cursor_(connection_, "INSERT OR REPLACE INTO cursors VALUES(?,?,?)"),
      drop_cursor_(connection_, "DELETE FROM cursors WHERE sink=?"),
      put_consumer_(connection_, "INSERT OR REPLACE INTO consumers VALUES(?,?,?,?,?)"),
      drop_consumer_(connection_, "DELETE FROM consumers WHERE name=?"),
      page_count_(connection_, "PRAGMA page_count"),
      free_count_(connection_, "PRAGMA freelist_count"),
      trades_(connection_),
      requests_(connection_) {
  page_bytes_ = static_cast<std::uint64_t>(connection_.number("PRAGMA page_size"));
  sqlite3_wal_hook(connection_.get(), &Store::committed, this);
}

int Store::committed(void* store, sqlite3*, const char*, int frames) {
  auto* self = static_cast<Store*>(store);
  self->wal_frames_ = frames;
  self->wal_peak_ = std::max<std::int64_t>(self->wal_peak_, frames);
  return SQLITE_OK;
}

void Store::rollback() noexcept {
  for (sqlite::Statement* statement : {&begin_, &commit_, &insert_, &insert_commit_, &put_note_, &note_})
    statement->reset();
  if (connection_.in_transaction()) sqlite3_exec(connection_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Store::insert(const Event& event, EventId before) {
  const std::string meta = event.encode_meta();
  const Facts& facts = event.facts();
  EventRow row;
  row.row = {event.id(), event.received_at(), facts.source, facts.channel,
             facts.name, facts.key,           meta,         facts.raw};
  row.rank = rank_of(facts);
  insert_row(row, before);
}

void Store::insert_row(const EventRow& given, EventId before) {
  const Event::Row& row = given.row;
  insert_.bind(1, row.id).bind(2, given.rank).bind(3, before == 0 ? 0 : row.id - before);
  insert_.bind(4, event_sum(row, given.rank, before)).bind(5, row.received_at);
  insert_.text(6, row.source).text(7, row.channel).text(8, row.name).text(9, row.key).blob(10, row.meta);
  if (is_text(row.raw)) {
    insert_.text(11, row.raw);
  } else {
    insert_.blob(11, row.raw);
  }
  insert_.run();
}

void Store::insert_commit(const CommitRow& row) {
  insert_commit_.bind(1, row.first_id)
      .bind(2, row.last_id)
      .bind(3, row.at)
      .bind(4, row.count)
      .bind(5, row.appended);
  insert_commit_.bind(6, row.received_from)
      .bind(7, row.received_to)
      .blob(8, row.fingerprints)
      .bind(9, row.checksum());
  insert_commit_.run();
}

std::optional<CommitRow> Store::last_commit() {
  sqlite::Statement last(connection_, "SELECT * FROM commits ORDER BY first_id DESC LIMIT 1");
  if (!last.row()) return std::nullopt;
  CommitRow row = commit_row(last);
  if (row.checksum() != last.number(8)) return std::nullopt;
  return row;
}

void Store::put_note(const char* name, std::uint64_t value) {
  put_note_.text(1, name).bind(2, value).bind(3, note_sum(name, value)).run();
}

std::optional<std::uint64_t> Store::note(const char* name, bool& damaged) {
  note_.text(1, name);
  if (!note_.row()) return std::nullopt;
  const std::uint64_t value = note_.id(0);
  const bool sound = note_.number(1) == note_sum(name, value);
  note_.reset();
  if (!sound) damaged = true;
  return sound ? std::optional(value) : std::nullopt;
}

void Store::put_progress(const Progress& now, const Progress& before) {
  const auto put = [this](const char* name, std::uint64_t value, std::uint64_t old) {
    if (value != old) put_note(name, value);
  };
  put("ceiling", now.ceiling, before.ceiling);
  put("gone_through", now.gone_through, before.gone_through);
  put("removed", now.removed, before.removed);
  put("compacted", now.compacted, before.compacted);
  put("trade_bytes", now.trade_bytes, before.trade_bytes);
  put("swept0", now.swept[0], before.swept[0]);
  put("swept1", now.swept[1], before.swept[1]);
  put("swept2", now.swept[2], before.swept[2]);
}

std::int64_t Store::note_sum(std::string_view name, std::uint64_t value) {
  return Checksum().text(name).number(value).value();
}

std::int64_t Store::cursor_sum(std::string_view sink, EventId id) {
  return Checksum().text(sink).number(id).value();
}

std::int64_t Store::consumer_sum(const ConsumerRecord& consumer) {
  return Checksum()
      .text(consumer.name)
      .text(consumer.owner)
      .number(consumer.cursor)
      .number(static_cast<std::uint64_t>(consumer.last_used))
      .value();
}

void Store::put_cursor(std::string_view sink, EventId id) {
  put_cursor_.text(1, sink).bind(2, id).bind(3, cursor_sum(sink, id)).run();
}

void Store::drop_cursor(std::string_view sink) {
  drop_cursor_.text(1, sink).run();
}

void Store::put_consumer(const ConsumerRecord& consumer) {
  put_consumer_.text(1, consumer.name)
      .text(2, consumer.owner)
      .bind(3, consumer.cursor)
      .bind(4, consumer.last_used);
  put_consumer_.bind(5, consumer_sum(consumer)).run();
}

void Store::drop_consumer(std::string_view name) {
  drop_consumer_.text(1, name).run();
}

void Store::put_switch(std::string_view name, std::string_view value) {
  trades_.put_switch(name, value);
  put_note("switches", switches_sum(connection_));
}

std::uint64_t Store::used_bytes() {
  const auto value = [](sqlite::Statement& pragma) {
    const std::uint64_t count = pragma.row() ? pragma.id(0) : 0;
    pragma.reset();
    return count;
  };
  const std::uint64_t pages = value(page_count_);
  return (pages - std::min(pages, value(free_count_))) * page_bytes_;
}

std::uint64_t Store::file_bytes() {
  const std::uint64_t pages = page_count_.row() ? page_count_.id(0) : 0;
  page_count_.reset();
  return pages * page_bytes_;
}

}  // namespace bridge55::events
