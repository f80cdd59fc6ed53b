#include "daemon/events/journal_requests.hpp"

#include "daemon/events/journal_checksum.hpp"
#include "daemon/events/journal_store.hpp"

#include <utility>

namespace bridge55::events {
namespace {

constexpr std::size_t kSweptAtOnce = 64;
constexpr std::size_t kRowsCommitted = 1024;
// Beside its texts, what a row takes with its record header, its integers and its two index entries.
constexpr std::uint64_t kRowBytes = 96;
constexpr char kColumns[] = "sink, name, until, print, status, sum, answer";

std::int64_t checksum(const RequestRecord& request) {
  return Checksum()
      .text(request.sink)
      .text(request.name)
      .number(static_cast<std::uint64_t>(request.until))
      .number(request.print)
      .number(request.status)
      .text(request.answer)
      .value();
}

std::uint64_t bytes_of(const RequestRecord& request) {
  return kRowBytes + 2 * (request.sink.size() + request.name.size()) + request.answer.size();
}

RequestRecord record(const sqlite::Statement& row, bool& sound) {
  RequestRecord request{std::string(row.bytes(0)),
                        std::string(row.bytes(1)),
                        row.number(2),
                        row.id(3),
                        static_cast<unsigned>(row.number(4)),
                        std::string(row.bytes(6))};
  sound = row.number(5) == checksum(request);
  return request;
}

}  // namespace

RequestWriter::RequestWriter(sqlite::Connection& connection)
    : bytes_of_(connection, "SELECT bytes FROM requests WHERE sink=? AND name=?"),
      put_(connection,
           "INSERT INTO requests(sink, name, until, print, status, sum, answer, bytes) "
           "VALUES(?,?,?,?,?,?,?,?) ON CONFLICT(sink, name) DO UPDATE SET until=excluded.until, "
           "print=excluded.print, status=excluded.status, sum=excluded.sum, answer=excluded.answer, "
           "bytes=excluded.bytes"),
      old_(connection, "SELECT id, bytes FROM requests WHERE until<=? ORDER BY until LIMIT ?"),
      drop_(connection, "DELETE FROM requests WHERE id=?") {}

std::int64_t RequestWriter::put(const RequestRecord& request) {
  bytes_of_.text(1, request.sink).text(2, request.name);
  const std::int64_t before = bytes_of_.row() ? bytes_of_.number(0) : 0;
  bytes_of_.reset();
  const std::uint64_t bytes = bytes_of(request);
  put_.text(1, request.sink).text(2, request.name).bind(3, request.until).bind(4, request.print);
  put_.bind(5, std::uint64_t{request.status}).bind(6, checksum(request)).blob(7, request.answer);
  put_.bind(8, bytes).run();
  return static_cast<std::int64_t>(bytes) - before;
}

bool RequestWriter::sweep_due(WallMicros now) {
  old_.bind(1, now).bind(2, std::uint64_t{1});
  const bool due = old_.row();
  old_.reset();
  return due;
}

RequestWriter::Swept RequestWriter::sweep(WallMicros now) {
  Swept out;
  std::vector<std::uint64_t> old;
  for (old_.bind(1, now).bind(2, std::uint64_t{kSweptAtOnce}); old_.row(); out.bytes += old_.number(1))
    old.push_back(old_.id(0));
  for (const std::uint64_t id : old)
    drop_.bind(1, id).run();
  out.more = old.size() == kSweptAtOnce;
  return out;
}

RequestReader::RequestReader(sqlite::Connection& connection)
    : find_(connection,
            ("SELECT " + std::string(kColumns) + " FROM requests WHERE sink=? AND name=?").c_str()) {}

std::optional<RequestRecord> RequestReader::find(std::string_view sink, std::string_view name) {
  find_.text(1, sink).text(2, name);
  std::optional<RequestRecord> found;
  if (find_.row()) {
    bool sound = false;
    found = record(find_, sound);
    if (!sound) *found = {std::string(sink), std::string(name), 0, 0, 0, {}};
  }
  find_.reset();
  return found;
}

std::vector<std::string> salvage_requests(sqlite::Connection& from, Store& into) {
  if (from.number("PRAGMA user_version") < 3) return {};  // of before this table: nothing to lose
  std::vector<std::string> lost;
  std::uint64_t damaged = 0, copied = 0;
  std::int64_t bytes = 0;
  const auto note = [&] {
    bool unsound = false;
    const std::uint64_t trades = into.note("trade_bytes", unsound).value_or(0);
    into.put_note("trade_bytes", trades + static_cast<std::uint64_t>(std::exchange(bytes, 0)));
  };
  into.begin();
  try {
    sqlite::Statement all(from, ("SELECT " + std::string(kColumns) + " FROM requests ORDER BY id").c_str());
    while (all.row()) {
      bool sound = false;
      const RequestRecord request = record(all, sound);
      if (sound) bytes += into.requests().put(request);
      if (!sound) ++damaged;
      if (++copied % kRowsCommitted != 0) continue;
      note();
      into.commit();
      into.connection().checkpoint();  // or the log would become as large as the table
      into.begin();
    }
  } catch (const sqlite::Error& error) {
    if (error.trouble == sqlite::Trouble::full) throw;
    lost.push_back(std::string("of the requests that came by message not everything could be read: ") +
                   error.what());
  }
  note();
  into.commit();
  if (damaged > 0)
    lost.push_back(std::to_string(damaged) +
                   " requests that came by message were damaged: their answers are lost");
  return lost;
}

}  // namespace bridge55::events
