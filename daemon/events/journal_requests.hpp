// The table of requests and their answers (docs/journal.md): rows in and out, each with its checksum. One
// connection, one thread at a time, inside the caller's transaction. Every method may throw sqlite::Error.
#pragma once

#include "daemon/events/journal_sqlite.hpp"
#include "daemon/events/request_record.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bridge55::events {

class Store;

class RequestWriter {
 public:
  explicit RequestWriter(sqlite::Connection& connection);

  // By how many bytes the table grew.
  std::int64_t put(const RequestRecord& request);

  struct Swept {
    std::int64_t bytes = 0;  // that went
    bool more = false;       // another step would find work
  };
  // Deletes a few that are past their time.
  Swept sweep(WallMicros now);
  bool sweep_due(WallMicros now);

 private:
  sqlite::Statement bytes_of_, put_, old_, drop_;
};

class RequestReader {
 public:
  explicit RequestReader(sqlite::Connection& connection);
  // A row that is damaged is one that was begun: what became of it is not known.
  std::optional<RequestRecord> find(std::string_view sink, std::string_view name);

 private:
  sqlite::Statement find_;
};

// Copies what can be read of the table of a damaged journal; in words what could not.
std::vector<std::string> salvage_requests(sqlite::Connection& from, Store& into);

}  // namespace bridge55::events
