#include "daemon/events/journal_retention.hpp"

#include "daemon/base/crash_point.hpp"

#include <algorithm>
#include <vector>

namespace bridge55::events {
namespace {

constexpr WallMicros kMinute = 60'000'000;
constexpr WallMicros kFingerprintAge = 10 * kMinute;    // contract, section 3: message_id
constexpr std::uint64_t kFingerprintsKept = 2'000'000;  // however fast they come: 16 MB
constexpr std::size_t kJoinAtLeast = 64;

}  // namespace

void Retention::appended(const Event& event) {
  for (auto rank = static_cast<std::size_t>(rank_of(event.facts())); rank < kRanks; ++rank)
    latest_[rank] = event.id();
}

// Trades lie beside the limit: events must not make room for them, however many there are.
bool Retention::over_size(const Progress& progress, const RetentionLimits& limits) {
  const std::uint64_t trades = progress.trade_bytes + progress.trade_bytes / 4;  // pages are not quite full
  const std::uint64_t used = store_.used_bytes();
  const std::uint64_t log = std::max(store_.wal_bytes(), limits.log_bytes);
  return used - std::min(used, trades) > limits.size_bytes - std::min(log, limits.size_bytes / 2);
}

bool Retention::due(const Progress& progress, const RetentionLimits& limits, WallMicros now) {
  if (progress.oldest_id == 0) return false;
  return over_size(progress, limits) ||
         std::min(expired_through(limits, now, false), limits.hold) > progress.swept[2];
}

// The last id of the oldest commits that are past their age. A commit from a future that did not come (the
// clock was wrong then) would never grow old: it counts from now on.
EventId Retention::expired_through(const RetentionLimits& limits, WallMicros now, bool repair) {
  EventId through = 0;
  std::vector<CommitRow> ahead;
  while (oldest_commits_.row()) {
    CommitRow row = commit_row(oldest_commits_);
    if (row.checksum() != oldest_commits_.number(8)) continue;  // damaged: it must not decide what is deleted
    if (row.at > now + kMinute) {
      ahead.push_back(std::move(row));
    } else if (row.at <= now - limits.age_micros) {
      through = row.last_id;
    } else {
      oldest_commits_.reset();
      break;
    }
  }
  if (!repair) return through;
  for (CommitRow& row : ahead) {
    row.at = now;
    delete_commits_.bind(1, row.first_id).bind(2, row.first_id).bind(3, row.last_id).run();
    store_.insert_commit(row);
  }
  return through;
}

Retention::Outcome Retention::step(Progress& progress, const RetentionLimits& limits, WallMicros now,
                                   std::size_t rows) {
  Outcome outcome;
  if (progress.oldest_id == 0) return outcome;
  crash_point("journal.retention.before");
  const EventId expired = std::min({expired_through(limits, now, true), limits.hold, progress.last_id});
  if (expired > progress.swept[2]) {
    sweep(progress, 2, expired, rows);
    outcome.more = expired > progress.swept[2];
  } else if (over_size(progress, limits)) {
    const auto before = progress.swept;
    const EventId through = press(progress, limits, rows);
    if (through > limits.hold) outcome.forced_through = through;
    outcome.more = progress.swept != before && over_size(progress, limits);
  }
  tidy_commits(progress, now);
  crash_point("journal.retention.after");
  return outcome;
}

// One step where the size presses; the highest id it deleted. What a cursor holds goes only when nothing else
// is left.
EventId Retention::press(Progress& progress, const RetentionLimits& limits, std::size_t rows) {
  for (const EventId bound : {std::min(limits.hold, progress.last_id), progress.last_id}) {
    for (std::size_t rank = 0; rank < kRanks; ++rank) {
      const EventId through = std::min(bound, latest_[rank]);
      if (progress.swept[rank] >= through) continue;
      const EventId deleted = sweep(progress, rank, through, rows);
      if (deleted != 0 || progress.swept[rank] < through) return deleted;
    }
  }
  return 0;
}

EventId Retention::sweep(Progress& progress, std::size_t rank, EventId through, std::size_t rows) {
  const EventId from = progress.swept[rank];
  nth_.bind(1, from).bind(2, through).bind(3, std::uint64_t{rows - 1});
  const EventId end = nth_.row() ? nth_.id(0) : through;
  nth_.reset();
  last_.bind(1, from).bind(2, end).bind(3, std::uint64_t{rank});
  const EventId deleted = last_.row() ? last_.id(0) : 0;
  last_.reset();
  if (deleted != 0) {
    sqlite::Statement& doomed = rank + 1 == kRanks ? delete_all_ : delete_;
    doomed.bind(1, from).bind(2, end);
    if (rank + 1 < kRanks) doomed.bind(3, std::uint64_t{rank});
    doomed.run();
    progress.removed += static_cast<std::uint64_t>(store_.connection().changes());
    progress.gone_through = std::max(progress.gone_through, deleted);
  }
  for (std::size_t below = 0; below <= rank; ++below)
    progress.swept[below] = std::max(progress.swept[below], end);
  return deleted;
}

void Retention::tidy_commits(Progress& progress, WallMicros now) {
  progress.oldest_id = oldest_.row() ? oldest_.id(0) : 0;
  oldest_.reset();
  const EventId gone = progress.oldest_id == 0 ? progress.last_id : progress.oldest_id - 1;
  delete_commits_.bind(1, std::uint64_t{0}).bind(2, gone).bind(3, gone).run();
  join_commits(progress, now);
}

// Where events were thinned out, the rows of their commits would outnumber them: they become one.
// Fingerprints that may still count (ten minutes) stay.
void Retention::join_commits(Progress& progress, WallMicros now) {
  CommitRow joined;
  std::size_t rows = 0;
  commits_.bind(1, progress.compacted);
  while (commits_.row()) {
    const CommitRow row = commit_row(commits_);
    const bool young = row.at > now - kFingerprintAge && row.appended + kFingerprintsKept > progress.appended;
    if (row.last_id > progress.swept[0] || young) {
      commits_.reset();
      break;
    }
    if (rows++ == 0) {
      joined = row;
      joined.fingerprints.clear();
      continue;
    }
    joined.last_id = row.last_id;
    joined.at = std::max(joined.at, row.at);
    joined.count += row.count;
    joined.appended = row.appended;
    joined.received_from = std::min(joined.received_from, row.received_from);
    joined.received_to = std::max(joined.received_to, row.received_to);
  }
  if (rows < kJoinAtLeast) return;
  delete_commits_.bind(1, joined.first_id).bind(2, joined.last_id).bind(3, joined.last_id).run();
  store_.insert_commit(joined);
  progress.compacted = joined.first_id;
}

}  // namespace bridge55::events
