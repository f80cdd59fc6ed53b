#include "daemon/base/clock.hpp"

#include <cstdio>
#include <ctime>

namespace bridge55 {

WallMicros wall_now() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string rfc3339(WallMicros at) {
  const std::time_t seconds = static_cast<std::time_t>(at / 1'000'000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[40];
  const int length = std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ",
                                   utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min,
                                   utc.tm_sec, static_cast<int>(at % 1'000'000));
  return {text, static_cast<std::size_t>(length)};
}

}  // namespace bridge55
