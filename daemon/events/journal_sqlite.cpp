#include "daemon/events/journal_sqlite.hpp"

#include <cerrno>

#include <sqlite3.h>

namespace bridge55::events::sqlite {
namespace {

Trouble kind_of(int code, int system_errno) {
  if (code == SQLITE_IOERR_SHMSIZE) return Trouble::full;  // the log's index could not grow
  switch (code & 0xff) {
    case SQLITE_FULL:
      return Trouble::full;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      return Trouble::busy;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Trouble::corrupt;
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY:
      return Trouble::denied;
    case SQLITE_CANTOPEN:
      return system_errno == EACCES || system_errno == EPERM ? Trouble::denied : Trouble::other;
    case SQLITE_IOERR:
      return system_errno == ENOSPC || system_errno == EDQUOT ? Trouble::full : Trouble::io;
    default:
      return Trouble::other;
  }
}

// A sync that fails for want of space has failed all the same: what it should have made durable may be gone.
bool is_sync(int code) {
  return code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC;
}

std::string describe(std::string_view doing, sqlite3* db, int code) {
  return std::string(doing) + ": " + (db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code)) +
         " (SQLite " + std::to_string(code) + ")";
}

}  // namespace

Error::Error(std::string_view doing, sqlite3* db, int code)
    : std::runtime_error(describe(doing, db, code)),
      trouble(is_sync(code) ? Trouble::io : kind_of(code, db != nullptr ? sqlite3_system_errno(db) : 0)) {}

Error damaged(std::string_view what) {
  return Error(what, nullptr, SQLITE_CORRUPT);
}

Connection::Connection(const std::string& path, Mode mode) {
  // Its statistics of memory cost a process-wide lock at each allocation. Counts only before SQLite is first
  // used.
  static const int once = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  static_cast<void>(once);
  // No symbolic link anywhere in the path; a connection belongs to one thread, so it needs no mutex of its
  // own.
  const int flags = SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                    (mode == Mode::write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
  if (const int code = sqlite3_open_v2(path.c_str(), &db_, flags, nullptr); code != SQLITE_OK) {
    const Error error("open " + path, db_, code);
    sqlite3_close(db_);
    throw error;
  }
  sqlite3_busy_timeout(db_, 250);
  // The log is kept for the next start unless it was closed cleanly: after a failed sync nothing may be
  // copied on the way out.
  sqlite3_db_config(db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

Connection::~Connection() {
  sqlite3_close(db_);
}

void Connection::run(const char* sql) {
  const int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) throw Error(sql, db_, code);
}

std::int64_t Connection::number(const char* sql) {
  Statement statement(*this, sql);
  return statement.row() ? statement.number(0) : 0;
}

bool Connection::in_transaction() const {
  return sqlite3_get_autocommit(db_) == 0;
}

std::int64_t Connection::changes() const {
  return sqlite3_changes64(db_);
}

Connection::Checkpoint Connection::checkpoint(bool truncate) {
  int frames = 0, copied = 0;
  const int code = sqlite3_wal_checkpoint_v2(
      db_, "main", truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, &frames, &copied);
  if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY) throw Error("checkpoint", db_, code);
  if (code != SQLITE_OK || frames < 0) return {1, 0};
  return {frames, copied};
}

Statement::Statement(Connection& connection, const char* sql) : connection_(connection) {
  const int code =
      sqlite3_prepare_v3(connection.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement_, nullptr);
  if (code != SQLITE_OK) throw Error(sql, connection.get(), code);
}

Statement::~Statement() {
  sqlite3_finalize(statement_);
}

Statement& Statement::bind(int at, std::int64_t value) {
  sqlite3_bind_int64(statement_, at, value);
  return *this;
}

// An empty view may have no address, which SQLite would take for NULL.
Statement& Statement::text(int at, std::string_view value) {
  sqlite3_bind_text64(statement_, at, value.empty() ? "" : value.data(), value.size(), SQLITE_STATIC,
                      SQLITE_UTF8);
  return *this;
}

Statement& Statement::blob(int at, std::string_view value) {
  sqlite3_bind_blob64(statement_, at, value.empty() ? "" : value.data(), value.size(), SQLITE_STATIC);
  return *this;
}

bool Statement::row() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    sqlite3_reset(statement_);
    return false;
  }
  const Error error(sqlite3_sql(statement_), connection_.get(), code);
  sqlite3_reset(statement_);
  throw error;
}

void Statement::run() {
  while (row()) {
  }
}

void Statement::reset() {
  sqlite3_reset(statement_);
}

std::int64_t Statement::number(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::string_view Statement::bytes(int column) const {
  const void* at = sqlite3_column_blob(statement_, column);
  return {static_cast<const char*>(at), static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

}  // namespace bridge55::events::sqlite
