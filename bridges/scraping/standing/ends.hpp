// How one connection, stream or poll of a standing relay ended. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace bridge55::scraping::standing {

enum class Cause {
  limited,      // no token of the limit, or the vendor said so
  refused,      // the vendor refused the key, or what was asked for
  agent,        // the scraping network, its agent or the connection to the target failed
  target,       // the target closed, or answered with an error
  unreachable,  // no connection to the vendor
  lost,         // the connection broke
  silent,       // no traffic for keep_alive.dead_after
  idle,         // no message of the target for idle_timeout
  protocol,     // the vendor's side broke RFC 6455, HTTP or its own documentation
  stopped,      // by us
};
std::string_view name_of(Cause cause);

struct End {
  Cause cause = Cause::stopped;
  std::string reason;            // in words
  std::uint16_t close_code = 0;  // received; 0: none
  std::chrono::milliseconds retry_after{0};
};

// An answer to POST /amqp or /fetch that is none of the documented successes (vendor docs, "Scraping API
// Error Handling"): `body` may hold the vendor's words.
End end_of_status(unsigned status, std::string_view body);

// The vendor's error text in what it answered: `{"detail": "…"}` or our own shape `{"detail": {"message"}}`.
std::string vendor_words(std::string_view body);

// Whether an error text of the vendor's speaks of the key, or of the limit (vendor docs, "WebSocket errors").
bool speaks_of_key(std::string_view words);
bool speaks_of_access(std::string_view words);  // a broker that refuses user or password

}  // namespace bridge55::scraping::standing
