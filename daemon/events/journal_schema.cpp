#include "daemon/events/journal_schema.hpp"

#include <array>

namespace bridge55::events {
namespace {

constexpr std::int64_t kApplication = 0x42353521;  // "B55!"

// One step a version; a step that was released never changes. Tables without `sum` do not exist:
// docs/journal.md says why.
constexpr std::array<const char*, kSchemaVersion> kSteps = {
    R"(
CREATE TABLE events(id INTEGER PRIMARY KEY, rank INTEGER NOT NULL, back INTEGER NOT NULL, sum INTEGER NOT NULL,
  received_at INTEGER NOT NULL, source TEXT NOT NULL, channel TEXT NOT NULL, event TEXT NOT NULL, key TEXT NOT NULL,
  meta BLOB NOT NULL, raw NOT NULL);
CREATE TABLE commits(first_id INTEGER PRIMARY KEY, last_id INTEGER NOT NULL, at INTEGER NOT NULL, count INTEGER NOT NULL,
  appended INTEGER NOT NULL, received_from INTEGER NOT NULL, received_to INTEGER NOT NULL, fingerprints BLOB NOT NULL,
  sum INTEGER NOT NULL);
CREATE TABLE cursors(sink TEXT PRIMARY KEY, id INTEGER NOT NULL, sum INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE consumers(name TEXT PRIMARY KEY, owner TEXT NOT NULL, id INTEGER NOT NULL, last_used INTEGER NOT NULL,
  sum INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE notes(name TEXT PRIMARY KEY, value INTEGER NOT NULL, sum INTEGER NOT NULL) WITHOUT ROWID;
)",
    R"(
CREATE TABLE trades(id INTEGER PRIMARY KEY, sum INTEGER NOT NULL, at INTEGER NOT NULL, open INTEGER NOT NULL,
  status INTEGER NOT NULL, settled INTEGER NOT NULL, orders INTEGER NOT NULL, bytes INTEGER NOT NULL,
  upstream TEXT NOT NULL, app TEXT NOT NULL, request_id TEXT NOT NULL, content_type TEXT NOT NULL, steps TEXT NOT NULL,
  body NOT NULL, answer NOT NULL);
CREATE INDEX trades_open ON trades(id) WHERE open=1;
CREATE TABLE trade_orders(trade INTEGER NOT NULL, place INTEGER NOT NULL, at INTEGER NOT NULL, fate INTEGER NOT NULL,
  sum INTEGER NOT NULL, upstream TEXT NOT NULL, app TEXT NOT NULL, uuid TEXT NOT NULL, entry NOT NULL,
  PRIMARY KEY(trade, place)) WITHOUT ROWID;
CREATE INDEX trade_orders_uuid ON trade_orders(uuid);
CREATE TABLE switches(name TEXT PRIMARY KEY, value TEXT NOT NULL, sum INTEGER NOT NULL) WITHOUT ROWID;
)",
    R"(
CREATE TABLE requests(id INTEGER PRIMARY KEY, until INTEGER NOT NULL, print INTEGER NOT NULL, status INTEGER NOT NULL,
  bytes INTEGER NOT NULL, sum INTEGER NOT NULL, sink TEXT NOT NULL, name TEXT NOT NULL, answer BLOB NOT NULL,
  UNIQUE(sink, name));
CREATE INDEX requests_until ON requests(until);
)",
};

}  // namespace

void set_up(sqlite::Connection& connection) {
  // Both count only before the first page is written.
  connection.run(("PRAGMA page_size=" + std::to_string(kPageBytes) + "; PRAGMA journal_mode=WAL").c_str());
  connection.run(
      "PRAGMA synchronous=FULL; PRAGMA secure_delete=OFF; PRAGMA cache_size=-16384; PRAGMA mmap_size=0");
  connection.run("PRAGMA wal_autocheckpoint=0; PRAGMA temp_store=MEMORY; PRAGMA cell_size_check=ON");
}

std::int64_t schema_version(sqlite::Connection& connection) {
  const std::int64_t application = connection.number("PRAGMA application_id");
  const std::int64_t version = connection.number("PRAGMA user_version");
  const bool empty = connection.number("SELECT count(*) FROM sqlite_schema") == 0;
  if (application == kApplication && version <= 0 && !empty)
    throw sqlite::damaged("the schema version was altered");
  if (application == kApplication) return version;
  return empty && application == 0 ? 0 : -1;
}

void migrate(sqlite::Connection& connection) {
  for (std::int64_t version = schema_version(connection); version < kSchemaVersion; ++version) {
    connection.run("BEGIN IMMEDIATE");
    connection.run(kSteps[static_cast<std::size_t>(version)]);
    connection.run(("PRAGMA application_id=" + std::to_string(kApplication)).c_str());
    connection.run(("PRAGMA user_version=" + std::to_string(version + 1)).c_str());
    connection.run("COMMIT");
  }
}

}  // namespace bridge55::events
