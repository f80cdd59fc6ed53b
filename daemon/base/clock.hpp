// Time as a value. The parts that decide take time points as arguments; only the thin coroutines read a
// clock.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace bridge55 {

// For durations, deadlines and backoff: never steps.
using SteadyClock = std::chrono::steady_clock;
using SteadyTime = SteadyClock::time_point;

// Microseconds since the Unix epoch by the wall clock: for event ids and `received_at`. It may step either
// way.
using WallMicros = std::int64_t;
WallMicros wall_now();

// `2026-02-15T19:31:49.789001Z` (RFC 3339, UTC, always six digits).
std::string rfc3339(WallMicros at);

}  // namespace bridge55
