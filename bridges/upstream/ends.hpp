// Why a session ended, in a closed set: it decides when to try again, and labels a metric. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace bridge55::upstream {

enum class Cause {
  connect,  // name, address, proxy
  tls,
  upgrade,  // an HTTP answer that is no upgrade
  login,    // no answer to the login, or one that is no refusal of the key
  refused_key,
  connection_limit,  // vendor docs: five connections a key
  error,             // an error frame that ended it
  closed,            // a close frame or a clean end
  server_restart,    // announced, or close code 1012
  reset,             // the connection broke
  silent,            // no traffic for `keep_alive.dead_after`
  protocol,          // broke RFC 6455
  stall,             // stopped at the window of unacknowledged messages
  stopped,           // by us
};

std::string_view name_of(Cause cause);

struct End {
  Cause cause = Cause::closed;
  std::string reason;                   // in words
  std::uint16_t close_code = 0;         // received; 0: none
  std::chrono::seconds retry_after{0};  // as the peer asked
};

// The vendor's error texts (vendor docs, MM WebSocket, "Error messages"; ABP authentication) and their later
// editions'; `otherwise` where the words are none of them.
Cause cause_of_words(std::string_view message, Cause otherwise);

struct CloseFacts {
  std::uint16_t code = 0;
  std::string_view reason, last_error;  // the text of an error frame before it
  bool logged_in = false;
};
End end_of_close(const CloseFacts& facts);

// An upgrade that was answered otherwise; `body` may hold the vendor's error text.
End end_of_upgrade(unsigned status, std::string_view retry_after, std::string_view body);

}  // namespace bridge55::upstream
