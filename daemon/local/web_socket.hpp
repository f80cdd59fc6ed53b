// The server's side of a WebSocket handshake (RFC 6455, 4.2). No extension and no subprotocol is ever
// negotiated.
#pragma once

#include "daemon/local/exchange.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace bridge55::local {

bool wants_web_socket(const Head& head);
// 400, or 426 naming the version that is spoken.
std::optional<Refusal> check_upgrade(const Head& head);
// 426 for a plain request on a path that only WebSockets are served on (RFC 9110, 15.5.22).
Refusal upgrade_required();
Answer switching_answer(const Head& head);
// Where HTTP has no words that a WebSocket client would show: accepts, and closes with a code and a reason.
net::awaitable<void> refuse_web_socket(Exchange& exchange, std::uint16_t code, std::string_view reason);

}  // namespace bridge55::local
