// What an answer says about upstream's limit: X-RateLimit-Limit, -Remaining and -Reset and Retry-After
// (vendor/drift.md "ABP 429"; RFC 9110 section 10.2.3). Pure; what cannot be understood is left out.
#pragma once

#include "daemon/base/clock.hpp"

#include <chrono>
#include <optional>
#include <string_view>

namespace bridge55::gateway {

struct LimitHeaders {
  std::optional<unsigned> limit{}, remaining{};
  std::optional<std::chrono::milliseconds> window{};  // only where the limit says so: `100;w=60`
  std::optional<std::chrono::milliseconds> reset{}, retry_after{};

  // Looks at one header of an answer and keeps what it says, the first of each name; `now` turns dates and
  // epochs (seconds or milliseconds) into durations. Names are compared without case.
  void read(std::string_view name, std::string_view value, WallMicros now);
  // What a 429 asks for: Retry-After, else the reset.
  std::optional<std::chrono::milliseconds> pause() const { return retry_after ? retry_after : reset; }
};

// Retry-After alone: seconds or an HTTP date in any of its three forms; at most a day, never negative.
std::optional<std::chrono::milliseconds> parse_retry_after(std::string_view value, WallMicros now);

}  // namespace bridge55::gateway
