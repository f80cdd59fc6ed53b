#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "daemon/events/journal_open.hpp"

namespace bridge55::events {
namespace {

constexpr std::size_t kRowsCommitted = 1000;
constexpr std::size_t kPlacesNamed = 20;

std::uint32_t big_endian(const char* at) {
  std::uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return __builtin_bswap32(value);
}

struct LogSum {
  std::uint32_t a = 0, b = 0;
  bool operator==(const LogSum&) const = default;
  // The format's own sum over pairs of words, in the byte order that the header names.
  LogSum over(const char* bytes, std::size_t size, bool big) const {
    LogSum sum = *this;
    for (std::size_t i = 0; i + 8 <= size; i += 8) {
      std::uint32_t words[2];
      std::memcpy(words, bytes + i, sizeof words);
      sum.a += (big ? __builtin_bswap32(words[0]) : words[0]) + sum.b;
      sum.b += (big ? __builtin_bswap32(words[1]) : words[1]) + sum.a;
    }
    return sum;
  }
};

struct LogFrames {
  bool header_sound = false, header_blank = false;
  std::uint64_t damaged_at = 0;   // byte of the first frame that does not fit; 0: none
  std::size_t commits_behind = 0;  // that frame's included
};

LogFrames scan_log(std::ifstream& log) {
  LogFrames found;
  std::array<char, 32> header{};
  if (!log.read(header.data(), header.size())) {
    found.header_sound = true;  // an empty log
    return found;
  }
  const std::uint32_t magic = big_endian(header.data()), page = big_endian(header.data() + 8);
  const bool big = (magic & 1) != 0;
  LogSum sum{big_endian(header.data() + 24), big_endian(header.data() + 28)};
  found.header_blank = std::ranges::all_of(header, [](char c) { return c == 0; });
  found.header_sound = (magic & ~1u) == 0x377f0682 && page >= 512 && page <= 65536 && LogSum{}.over(header.data(), 24, big) == sum;
  if (!found.header_sound) return found;

  std::string frame(24 + page, '\0');
  for (std::uint64_t at = header.size(); log.read(frame.data(), static_cast<std::streamsize>(frame.size())); at += frame.size()) {
    if (std::memcmp(frame.data() + 8, header.data() + 16, 8) != 0) break;  // of an earlier round: the log's end
    const LogSum said{big_endian(frame.data() + 16), big_endian(frame.data() + 20)};
    const bool fits = sum.over(frame.data(), 8, big).over(frame.data() + 24, page, big) == said;
    if (!fits && found.damaged_at == 0) found.damaged_at = at;
    if (found.damaged_at != 0 && big_endian(frame.data() + 4) != 0) ++found.commits_behind;
    sum = said;
  }
  return found;
}

// The smallest start from which the next id can be reached, found by widening steps and then halving.
EventId reach_over(sqlite::Statement& probe, EventId after) {
  const auto at = [&probe](EventId from) -> std::optional<EventId> {
    try {
      const EventId id = probe.bind(1, from).row() ? probe.id(0) : 0;
      probe.reset();
      return id;
    } catch (const sqlite::Error&) {
      return std::nullopt;
    }
  };
  std::uint64_t step = 1;
  std::optional<EventId> reached = at(after);
  while (!reached && step < (1ull << 62) && after + step < (1ull << 63)) reached = at(after + (step *= 2));
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

class Salvage {
 public:
  Salvage(sqlite::Connection& from, Store& into) : from_(from), into_(into) {}

  std::vector<std::string> run() {
    part("notes", [this] { notes(); });
    part("cursors", [this] { cursors(); });
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

  void cursors() {
    sqlite::Statement sinks(from_, "SELECT sink, id, sum FROM cursors");
    while (sinks.row()) into_.put_cursor(sinks.bytes(0), sinks.number(2) == Store::cursor_sum(sinks.bytes(0), sinks.id(1)) ? sinks.id(1) : 0);
    sqlite::Statement names(from_, "SELECT name, owner, id, last_used, sum FROM consumers");
    while (names.row()) {
      ConsumerRecord record{std::string(names.bytes(0)), std::string(names.bytes(1)), names.id(2), names.number(3)};
      if (names.number(4) != Store::consumer_sum(record)) record.cursor = 0;
      into_.put_consumer(record);
    }
  }

  void events() {
    sqlite::Statement rows(from_, ("SELECT " + std::string(kEventColumns) + " FROM events WHERE id>? ORDER BY id").c_str());
    EventId after = 0;
    for (bool more = true; more;) {
      into_.begin();
      more = copy_some(rows, after);
      into_.commit();
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
        if (!row.sound || row.row.id <= after) {
          lose(after, "a row's checksum does not fit");
          after = std::max(after, row.row.id <= after ? after + 1 : row.row.id);
          break;
        }
        if (row.before > after && row.before > gone_through_) lose(after, "rows are missing");
        copy(row, commit);
        after = row.row.id;
      }
      rows.reset();
    } catch (const sqlite::Error& error) {
      if (error.trouble == sqlite::Trouble::full) throw;
      const EventId next = next_reachable(from_, after);
      lose(after, error.what());
      more = next != 0;
      after = next == after + 1 || next <= after ? after + 1 : next - 1;
    }
    if (commit.count > 0) into_.insert_commit(commit);
    return more;
  }

  void copy(const EventRow& row, CommitRow& commit) {
    into_.insert_row(row, last_);
    last_ = row.row.id;
    if (commit.count++ == 0) commit = {last_, last_, row.row.received_at, 1, 0, row.row.received_at, row.row.received_at, {}};
    commit.last_id = last_;
    commit.at = std::max(commit.at, row.row.received_at);
    commit.received_from = std::min(commit.received_from, row.row.received_at);
    commit.received_to = std::max(commit.received_to, row.row.received_at);
    commit.appended = ++copied_;
  }

  void lose(EventId after, const std::string& why) {
    if (lost_places_++ < kPlacesNamed) lost_.push_back("events right after " + std::to_string(after) + " could not be read: " + why);
  }

  void finish() {
    if (lost_places_ > kPlacesNamed) lost_.push_back("and " + std::to_string(lost_places_ - kPlacesNamed) + " more places");
    lost_.push_back(std::to_string(copied_) + " events were copied, the last is " + std::to_string(last_));
  }

  sqlite::Connection& from_;
  Store& into_;
  EventId gone_through_ = 0, last_ = 0;
  std::uint64_t copied_ = 0;
  std::size_t lost_places_ = 0;
  std::vector<std::string> lost_;
};

}  // namespace

EventId next_reachable(sqlite::Connection& connection, EventId after) {
  sqlite::Statement probe(connection, "SELECT id FROM events WHERE id>? ORDER BY id LIMIT 1");
  return reach_over(probe, after);
}

std::vector<std::string> salvage(const std::string& damaged, Store& into) {
  try {
    sqlite::Connection from(damaged, sqlite::Connection::Mode::write);
    return Salvage(from, into).run();
  } catch (const sqlite::Error& error) {
    if (into.connection().in_transaction()) throw;
    return {std::string("nothing of it could be read: ") + error.what()};
  }
}

std::string check_log(const std::string& log, const std::string& keep_as) {
  std::ifstream file(log, std::ios::binary);
  if (!file) return {};
  const LogFrames found = scan_log(file);
  if (found.header_blank || (found.header_sound && found.commits_behind == 0)) return {};
  std::filesystem::copy_file(log, keep_as, std::filesystem::copy_options::overwrite_existing);
  const std::string kept = "; the log is kept as " + keep_as;
  if (!found.header_sound) return "the head of the write-ahead log is damaged, so that what it held is lost" + kept;
  return "the write-ahead log is damaged or was cut off at byte " + std::to_string(found.damaged_at) + ", so that " +
         std::to_string(found.commits_behind) + " commits are lost" + kept;
}

}  // namespace bridge55::events
