// SQLite behind two small owners. Every failure is an Error that says which kind of trouble it is, because
// each kind is handled apart: a full disk is waited out, a failed sync is final. One thread at a time for
// each connection.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace bridge55::events::sqlite {

enum class Trouble {
  full,     // no space, or no more quota
  busy,     // another program holds a lock
  corrupt,  // the file is not what SQLite wrote
  denied,   // permissions
  io,       // a read, write or sync failed
  other,
};

class Error : public std::runtime_error {
 public:
  Error(std::string_view doing, sqlite3* db, int code);
  Trouble trouble;
};

Error damaged(std::string_view what);  // found by the journal itself

class Connection {
 public:
  enum class Mode { write, read };
  Connection(const std::string& path, Mode mode);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  sqlite3* get() const { return db_; }
  void run(const char* sql);
  std::int64_t number(const char* sql);  // the first column of the first row; 0 where there is none
  bool in_transaction() const;
  std::int64_t changes() const;  // rows of the last statement

  struct Checkpoint {
    std::int64_t frames = 0, copied = 0;
    bool complete() const { return frames == copied; }
  };
  // Copies from the log into the file what no reader still needs
  // (https://sqlite.org/c3ref/wal_checkpoint_v2.html); `truncate` empties the log as well. Where another
  // connection is at it, nothing is copied.
  Checkpoint checkpoint(bool truncate = false);

 private:
  sqlite3* db_ = nullptr;
};

class Statement {
 public:
  Statement(Connection& connection, const char* sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // Text and blobs must live until the statement is reset.
  Statement& bind(int at, std::int64_t value);
  Statement& bind(int at, std::uint64_t value) { return bind(at, static_cast<std::int64_t>(value)); }
  Statement& text(int at, std::string_view value);
  Statement& blob(int at, std::string_view value);

  bool row();  // one step: whether there is a row; at the end, or on an error, the statement is reset
  void run();  // to the end, where no row is of interest
  void reset();

  std::int64_t number(int column) const;
  std::uint64_t id(int column) const { return static_cast<std::uint64_t>(number(column)); }
  std::string_view bytes(int column) const;  // text or blob; lives until the next step

 private:
  Connection& connection_;
  sqlite3_stmt* statement_ = nullptr;
};

}  // namespace bridge55::events::sqlite
