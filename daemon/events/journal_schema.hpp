// The journal's tables and their versions. A newer table (state, limiter) is one more step of the list.
#pragma once

#include "daemon/events/journal_sqlite.hpp"

#include <cstdint>

namespace bridge55::events {

inline constexpr std::int64_t kSchemaVersion = 3;
inline constexpr std::uint32_t kPageBytes =
    16384;  // measured: a third less CPU a row than 4,096, and no slower for one row a commit
inline constexpr char kApplicationBytes[] = "B55!";  // application_id as it stands in the file

// The pragmas of a connection that writes; docs/journal.md gives the reason of each.
void set_up(sqlite::Connection& connection);
// 0: an empty file; -1: a database of something else.
std::int64_t schema_version(sqlite::Connection& connection);
// Brings the tables up to kSchemaVersion, a transaction a step.
void migrate(sqlite::Connection& connection);

}  // namespace bridge55::events
