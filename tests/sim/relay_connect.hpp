#pragma once
// The relay's connect message. Vendor docs: WebSocket Protocol Reference, "Connect message". No sockets here.

#include "tests/sim/fetch.hpp"
#include "tests/sim/scraping.hpp"

#include <optional>
#include <string>

namespace bridge55::sim {

struct RelayConnect {
  std::string url;
  Target target;
  Fields headers;  ///< as given, `cookies` merged into Cookie
  AgentFilter filter;
  double idle_timeout = 0;  ///< seconds, 0 = none
};

/// The key that the message gives, empty if it gives none. Nothing where the text is no JSON object.
std::optional<std::string> connect_key(const std::string& text);

/// Reads the message; what is wrong with it, empty if nothing.
std::string read_connect(const std::string& text, RelayConnect& connect);

/// The parts of an absolute ws or wss URL; nothing if it is none (RFC 6455 section 3).
std::optional<Target> parse_ws_target(const std::string& url);

/// The upgrade request's fields for the target, Host to Cookie, with what the agent itself must say.
Fields upgrade_fields(const RelayConnect& connect, const std::string& websocket_key);

}  // namespace bridge55::sim
