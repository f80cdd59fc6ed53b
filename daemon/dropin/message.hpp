// One message of an app on a drop-in endpoint, understood. Pure.
#pragma once

#include "daemon/dropin/dialect.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bridge55::dropin {

struct Message {
  enum class Type { sign_on, ping, pong, ack, unsubscribe, unknown, broken };
  Type type = Type::broken;
  std::string trouble;              // of unknown and broken, in the vendor's manner
  SignOn sign_on;                   // with `trouble` where it cannot be served
  std::vector<std::uint64_t> seqs;  // of an ack
  bool cumulative = true;           // `seq`: all up to it; else those of `seqs`
};

// `{"type":"error","message":…}`, the vendors' shape.
std::string error_text(std::string_view message);

Message read_message(std::string_view text, const Dialect& dialect);

// Reads what a vendor's login answer grants (vendor docs, ABP WebSocket, "Login confirmation"; MM WebSocket,
// "Confirmation").
Granted read_granted(std::string_view login_answer);

}  // namespace bridge55::dropin
