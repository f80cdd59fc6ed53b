// What a request below `/via/` asks for: the target that follows, the headers that go to it, and those that
// steer the scraping network (contract, section 5, "Relays"; vendor docs, Scraping API Overview, "Control
// headers"). Pure.
#pragma once

#include "bridges/scraping/connect_message.hpp"
#include "daemon/local/http_head.hpp"
#include "daemon/local/refusal.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace bridge55::scraping {

inline constexpr std::string_view kVia = "/via/";

struct ViaTarget {
  bool web_socket = false;
  std::string url;  // as the app wrote it, byte for byte, but for capitals in its scheme
};
// `raw`: the request's target as sent. Nothing: it is not `/via/` and a URL of ws, wss, http or https.
std::optional<ViaTarget> via_target(std::string_view raw);

// Whether this header is how the app signs in here: such a one goes to nobody.
using SignsIn = std::function<bool(const local::Header& header)>;

// What steers the network; each under the vendor's own name, an alias of X-Geo as X-Geo.
struct Steering {
  std::string geo, agent, timeout, expect_json;
  std::string idle_timeout;  // of sockets, in seconds
};
Steering steering_of(const local::Head& head);

// A WebSocket client's request as a connect message, and the subprotocol that is answered (empty: none).
struct SocketAsk {
  RelayAsk relay;
  std::string subprotocol;
};
std::variant<SocketAsk, local::Refusal> socket_ask(const local::Head& head, const std::string& url,
                                                   const SignsIn& signs_in);

// The headers of an HTTP client's request that go to the target, equal names joined.
using Fields = std::vector<std::pair<std::string, std::string>>;
std::variant<Fields, local::Refusal> target_fields(const local::Head& head, const SignsIn& signs_in);

}  // namespace bridge55::scraping
