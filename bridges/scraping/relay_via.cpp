// `/via/…`: clients that know nothing of the scraping network.
#include "bridges/scraping/relay_impl.hpp"
#include "bridges/scraping/via_fetch.hpp"
#include "daemon/gateway/headers.hpp"
#include "daemon/local/web_socket.hpp"
#include "daemon/net/http_text.hpp"

#include <algorithm>

namespace bridge55::scraping {
namespace {

using local::App;
using local::Refusal;
using net::error_code;

// An `error` of the network becomes 502 (contract, section 5); what never got there has the gateway's words.
Refusal refusal_of(const NotDialed& failure) {
  using Why = NotDialed::Why;
  Refusal refusal{502, "BAD_GATEWAY", failure.message, {}, {}};
  const bool answered =
      failure.why == Why::limited || failure.why == Why::refused || failure.why == Why::failed;
  refusal.sent = !failure.sent ? "no" : answered ? "yes" : "maybe";
  refusal.headers = {{"X-Bridge-Attempts", failure.sent ? "1" : "0"}};
  if (failure.why == Why::limited && failure.said.empty()) {
    const auto seconds = std::max<std::int64_t>(1, (failure.retry_after.count() + 999) / 1000);
    refusal.status = 429;
    refusal.code = "RATE_LIMITED";
    refusal.headers.emplace_back("Retry-After", std::to_string(seconds));
  } else if (failure.why == Why::timeout) {
    refusal.status = 504;
    refusal.code = "TIMEOUT";
  } else if (failure.why == Why::unreachable) {
    refusal.code = "UNREACHABLE";
  } else if (failure.why == Why::cancelled) {
    refusal.status = 503;
    refusal.code = "DRAINING";
    refusal.message = kStopping;
  }
  return refusal;
}

// An app's own token, and the vendor's key that it may still send out of habit.
SignsIn stays_here(const local::Exchange& exchange, const gateway::Upstream& upstream) {
  return [&exchange, key = upstream.settings.api_key.reveal()](const local::Header& header) {
    return exchange.signs_in(header) || (!key.empty() && header.value.find(key) != std::string::npos);
  };
}

struct Watching {
  Watching(local::Exchange& of, std::function<void()> gone) : exchange(of) {
    exchange.watch(std::move(gone));
  }
  ~Watching() { exchange.unwatch(); }
  Watching(const Watching&) = delete;
  Watching& operator=(const Watching&) = delete;
  local::Exchange& exchange;
};

}  // namespace

// By header or peer. A token that nobody has may be meant for the target: then the peer counts.
std::optional<Refusal> RelayHandler::sign_in(local::Exchange& exchange) const {
  auto app = exchange.identify({});
  if (std::holds_alternative<Refusal>(app)) app = exchange.identify_peer();
  if (auto* refusal = std::get_if<Refusal>(&app)) return std::move(*refusal);
  exchange.app = std::get<App>(std::move(app));
  return exchange.require(exchange.app, kScope);
}

net::awaitable<void> RelayHandler::serve_via(local::Exchange& exchange) {
  std::optional<Refusal> refusal = sign_in(exchange);
  const std::optional<ViaTarget> target = via_target(exchange.head.target);
  const gateway::UpstreamPtr upstream = setup_.upstream({});
  const bool web_socket = local::wants_web_socket(exchange.head);
  if (!refusal && !upstream)
    refusal =
        Refusal{404, "NOT_FOUND", "no upstream of kind scraping is in the config; /via needs one", {}, {}};
  if (!refusal && target->web_socket && !web_socket) refusal = local::upgrade_required();
  if (!refusal && target->web_socket) refusal = local::check_upgrade(exchange.head);
  if (!refusal && !target->web_socket && web_socket)
    refusal = local::bad_request("a WebSocket target is written /via/ws://… or /via/wss://…");
  if (refusal) {
    const Refusal said = sandboxed(std::move(*refusal));
    co_await exchange.refuse(said);
    co_return;
  }
  if (target->web_socket) {
    co_await serve_via_socket(exchange, upstream, target->url);
    co_return;
  }
  Via via{upstream, target->url, stays_here(exchange, *upstream)};
  co_await serve_via_fetch(exchange, std::move(via));
}

net::awaitable<void> RelayHandler::serve_via_socket(local::Exchange& exchange, gateway::UpstreamPtr upstream,
                                                    std::string url) {
  const SignsIn signs_in = stays_here(exchange, *upstream);
  auto asked = socket_ask(exchange.head, url, signs_in);
  auto max_wait = gateway::asked_duration(exchange.head, "x-bridge-max-wait");
  auto timeout = gateway::asked_duration(exchange.head, "x-bridge-timeout");
  Refusal* refusal = std::get_if<Refusal>(&asked);
  if (!refusal) refusal = std::get_if<Refusal>(&max_wait);
  if (!refusal) refusal = std::get_if<Refusal>(&timeout);
  if (refusal) {
    const Refusal said = sandboxed(std::move(*refusal));
    co_await exchange.refuse(said);
    co_return;
  }
  const SocketAsk& ask = std::get<SocketAsk>(asked);
  const config::Duration patience = std::get<0>(max_wait).value_or(upstream->settings.max_wait);
  const SteadyTime deadline =
      SteadyClock::now() + std::get<0>(timeout).value_or(patience + config::Duration(kOpenWithin));
  Dial::Ask dial{connect_message(ask.relay, upstream->settings.api_key.reveal()), exchange.who(),
                 gateway::Rank::read, patience, deadline};
  Opening opening(*this, upstream, std::move(dial));
  std::variant<Dialed, NotDialed> result = NotDialed{};
  {
    const Watching watching(exchange, [&opening] { opening.cancel(); });
    result = co_await opening.run();
  }
  const auto* failure = std::get_if<NotDialed>(&result);
  std::optional<Refusal> said = sign_in(exchange);  // a reload may have come between
  if (failure) said = refusal_of(*failure);
  upstream->count(gateway::Kind::read, said ? said->status : 101, exchange.app.name);
  if (said) {
    said = sandboxed(std::move(*said));
    co_await exchange.refuse(*said);
    co_return;
  }
  Dialed& dialed = std::get<Dialed>(result);
  local::Answer answer = local::switching_answer(exchange.head);
  if (!ask.subprotocol.empty()) answer.headers.emplace_back("Sec-WebSocket-Protocol", ask.subprotocol);
  answer.headers.emplace_back("X-Bridge-Agent", net::is_field_value(dialed.node_id) ? dialed.node_id : "");
  const std::string greeting = local::render_stream_head(answer, exchange.wrapping);
  exchange.routed.scopes = kScope;  // what the seat asks for
  local::Exchange::Taken taken = exchange.take_over();
  const error_code unsaid = co_await taken.stream.write_all(greeting, SteadyClock::now() + kCloseWithin);
  if (unsaid) co_return;
  local::Tunnel::Setup setup{std::move(taken.stream),    std::move(dialed.stream), std::move(taken.received),
                             std::move(dialed.received), std::move(taken.seat),    nullptr};
  join(std::move(setup), "via");
}

}  // namespace bridge55::scraping
