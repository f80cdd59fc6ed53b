// Named places where a test build can die: BRIDGE55_CRASH=journal.commit.before:3 raises SIGKILL when that
// point is passed for the third time. Nothing at all unless the build defines BRIDGE55_CRASH_POINTS.
// Thread-safe.
#pragma once

#ifdef BRIDGE55_CRASH_POINTS
#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <string_view>
#endif

namespace bridge55 {

#ifdef BRIDGE55_CRASH_POINTS
inline void crash_point(std::string_view name) {
  // Read at each passing: a test forks and names its point afterwards.
  const char* setting =
      std::getenv("BRIDGE55_CRASH");  // NOLINT(concurrency-mt-unsafe): set before any thread starts
  if (setting == nullptr) return;
  const std::string_view wanted(setting);
  const std::size_t colon = wanted.rfind(':');
  if (wanted.substr(0, colon) != name) return;
  int count = 1;
  if (colon != wanted.npos) std::from_chars(wanted.data() + colon + 1, wanted.data() + wanted.size(), count);
  static std::atomic<int> passed{0};
  if (passed.fetch_add(1) + 1 >= count) std::raise(SIGKILL);
}
#else
inline void crash_point(const char*) {}
#endif

}  // namespace bridge55
