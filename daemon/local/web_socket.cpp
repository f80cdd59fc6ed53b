#include "daemon/local/web_socket.hpp"

#include "daemon/local/text.hpp"
#include "daemon/net/ws_frames.hpp"

#include <algorithm>

namespace bridge55::local {
namespace {

// 16 bytes in base64: 22 characters and two signs of padding.
bool valid_key(std::string_view key) {
  if (key.size() != 24 || !key.ends_with("==")) return false;
  return std::all_of(key.begin(), key.end() - 2, [](char c) {
    const bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return alnum || c == '+' || c == '/';
  });
}

}  // namespace

bool wants_web_socket(const Head& head) {
  return head.lists("upgrade", "websocket") && head.lists("connection", "upgrade");
}

std::optional<Refusal> check_upgrade(const Head& head) {
  if (head.method != "GET" || head.minor != 1) return bad_request("a WebSocket begins with GET and HTTP/1.1");
  if (head.has_body()) return bad_request("a WebSocket handshake has no body");
  if (head.get("sec-websocket-version") != "13") {
    return Refusal{426,
                   "BAD_REQUEST",
                   "only version 13 of the WebSocket protocol is spoken",
                   {{"Upgrade", "websocket"}, {"Sec-WebSocket-Version", "13"}},
                   {}};
  }
  if (!valid_key(head.get("sec-websocket-key")))
    return bad_request("Sec-WebSocket-Key is not 16 bytes in base64");
  return {};
}

Refusal upgrade_required() {
  return {426,
          "BAD_REQUEST",
          "this is a WebSocket endpoint: connect with ws:// or wss://",
          {{"Upgrade", "websocket"}, {"Connection", "Upgrade"}},
          {}};
}

Answer switching_answer(const Head& head) {
  Answer answer{101, {}, {}, {}};
  answer.headers = {{"Upgrade", "websocket"},
                    {"Connection", "Upgrade"},
                    {"Sec-WebSocket-Accept", ws::accept_value(std::string(head.get("sec-websocket-key")))}};
  return answer;
}

net::awaitable<void> refuse_web_socket(Exchange& exchange, std::uint16_t code, std::string_view reason) {
  if (const auto refusal = check_upgrade(exchange.head)) {
    co_await exchange.refuse(*refusal);
    co_return;
  }
  std::string bytes = render_stream_head(switching_answer(exchange.head), exchange.wrapping);
  bytes += ws::close_frame(ws::Role::server, code, reason);
  co_await exchange.send_and_close(std::move(bytes));
}

}  // namespace bridge55::local
