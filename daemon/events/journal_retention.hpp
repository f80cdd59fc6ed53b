// What leaves the journal, and in which order: by age the oldest; where the size limit presses, cheap
// channels first, each oldest first. It works in bounded steps inside the writer's transactions, so that it
// keeps pace without a pause. Writer thread only.
#pragma once

#include "daemon/events/journal_store.hpp"

#include <array>
#include <cstdint>

namespace bridge55::events {

struct RetentionLimits {
  std::int64_t age_micros = 0;
  std::uint64_t size_bytes = 0;
  EventId hold = UINT64_MAX;    // events above it are still wanted by a durable cursor
  std::uint64_t log_bytes = 0;  // of size_bytes, what the log may come to take
};

class Retention {
 public:
  Retention(Store& store, const Progress& at_open) : store_(store), latest_(all(at_open.last_id)) {}

  void appended(const Event& event);
  // Whether a step would have anything to do.
  bool due(const Progress& progress, const RetentionLimits& limits, WallMicros now);

  struct Outcome {
    bool more = false;  // another step would find work
    EventId forced_through =
        0;  // deleted although a cursor held it: the size limit left no choice; 0: nothing was
  };
  // Looks at no more than `rows` rows, inside a transaction that the caller has begun.
  Outcome step(Progress& progress, const RetentionLimits& limits, WallMicros now, std::size_t rows);

 private:
  static std::array<EventId, kRanks> all(EventId id) { return {id, id, id}; }
  bool over_size(const Progress& progress, const RetentionLimits& limits);
  EventId expired_through(const RetentionLimits& limits, WallMicros now, bool repair);
  EventId sweep(Progress& progress, std::size_t rank, EventId through, std::size_t rows);
  EventId press(Progress& progress, const RetentionLimits& limits, std::size_t rows);
  void tidy_commits(Progress& progress, WallMicros now);
  void join_commits(Progress& progress, WallMicros now);

  Store& store_;
  std::array<EventId, kRanks> latest_;  // no event of this rank or below has a higher id
  sqlite::Statement nth_{store_.connection(),
                         "SELECT id FROM events WHERE id>? AND id<=? ORDER BY id LIMIT 1 OFFSET ?"};
  sqlite::Statement last_{store_.connection(), "SELECT max(id) FROM events WHERE id>? AND id<=? AND rank<=?"};
  sqlite::Statement delete_{store_.connection(), "DELETE FROM events WHERE id>? AND id<=? AND rank<=?"};
  sqlite::Statement delete_all_{store_.connection(), "DELETE FROM events WHERE id>? AND id<=?"};
  sqlite::Statement oldest_{store_.connection(), "SELECT id FROM events ORDER BY id LIMIT 1"};
  sqlite::Statement oldest_commits_{store_.connection(), "SELECT * FROM commits ORDER BY first_id LIMIT 64"};
  sqlite::Statement commits_{store_.connection(),
                             "SELECT * FROM commits WHERE first_id>? ORDER BY first_id LIMIT 512"};
  sqlite::Statement delete_commits_{store_.connection(),
                                    "DELETE FROM commits WHERE first_id>=? AND first_id<=? AND last_id<=?"};
};

}  // namespace bridge55::events
