#include "bridges/scraping/relay_handler.hpp"

#include "bridges/scraping/via_fetch.hpp"
#include "daemon/base/log.hpp"
#include "daemon/base/metrics.hpp"
#include "daemon/events/json.hpp"
#include "daemon/gateway/headers.hpp"
#include "daemon/local/web_socket.hpp"
#include "daemon/net/http_text.hpp"
#include "daemon/net/ws_frames.hpp"

#include <algorithm>
#include <charconv>
#include <sys/socket.h>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>

namespace bridge55::scraping {
namespace {

using local::App;
using local::Refusal;
using net::error_code;
using namespace std::chrono_literals;

constexpr unsigned kScope = static_cast<unsigned>(config::Scope::scrape);
constexpr auto kMessageWithin = 10s;  // vendor docs, "WebSocket Protocol Reference", "Connect message"
constexpr auto kOpenWithin = 35s;     // agent and target: as long as the network gives a page, and a little
constexpr auto kCloseWithin = 3s;
constexpr std::size_t kMaxMessage = 256u << 10;
constexpr std::uint16_t kPolicy = 1008, kInternal = 1011, kAway = 1001;
constexpr std::string_view kInvalidKey = "Invalid or missing API key", kNoToken = "Rate limit exceeded",
                           kStopping = "the daemon is stopping";

std::string error_text(std::string_view message) {
  return R"({"type":"error","message":)" + json::quoted(message) + '}';
}

Refusal upgrade_required() {
  return {426,
          "BAD_REQUEST",
          "this is a WebSocket endpoint: connect with ws:// or wss://",
          {{"Upgrade", "websocket"}, {"Connection", "Upgrade"}},
          {}};
}

// An `error` of the network becomes 502 (contract, section 5); what never got there has the gateway's words.
Refusal refusal_of(const NotDialed& failure) {
  using Why = NotDialed::Why;
  Refusal refusal{502, "BAD_GATEWAY", failure.message, {}, {}};
  refusal.sent = failure.sent ? "yes" : "no";
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

// The app has closed its side while nothing was to be read from it.
bool hung_up(net::Stream& stream) {
  char byte;
  return ::recv(stream.descriptor(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

struct Heard {
  std::optional<std::string> message;
  std::uint16_t close_code = kPolicy;  // what to close with where there is none; 0: it is gone
  std::string why;
};

// The first whole text message of an app; what comes behind it stays in the reader.
net::awaitable<Heard> hear_message(net::Stream& stream, ws::FrameReader& frames, SteadyTime until) {
  Heard heard;
  for (;;) {
    ws::Message said;
    ws::Violation violation;
    const ws::FrameReader::Next next = frames.next(said, violation);
    if (next == ws::FrameReader::Next::violation) {
      heard.close_code = violation.code;
      heard.why = violation.reason;
      co_return heard;
    }
    if (next == ws::FrameReader::Next::message) {
      if (said.kind == ws::Kind::text && said.valid_utf8) {
        heard.message = std::string(said.data);
        co_return heard;
      }
      if (said.kind == ws::Kind::ping) {
        const std::string pong = ws::frame(ws::Role::server, ws::Kind::pong, said.data);
        const error_code error = co_await stream.write_all(pong, until);
        if (error) break;
      } else if (said.kind == ws::Kind::close) {
        heard.close_code = said.close_code == 1005 ? 1000 : said.close_code;
        co_return heard;
      } else if (said.kind != ws::Kind::pong) {
        heard.close_code = said.kind == ws::Kind::too_large ? 1009
                           : said.kind == ws::Kind::text    ? 1007
                                                            : kPolicy;
        heard.why = "the connect message must be a JSON text message of at most 256 KiB";
        co_return heard;
      }
      continue;
    }
    const std::span<char> room = frames.prepare(4096);
    const net::Transfer transfer = co_await stream.read_some(room, until);
    frames.commit(transfer.bytes);
    if (transfer.error == boost::asio::error::timed_out) {
      heard.why = "Connect message not received within 10 seconds";
      co_return heard;
    }
    if (transfer.error) break;
  }
  heard.close_code = 0;
  co_return heard;
}

// An error message where there is one, a close frame, and the app's own or a moment.
net::awaitable<void> say_goodbye(net::Stream& stream, std::string_view error, std::uint16_t code,
                                 std::string_view reason) {
  std::string bytes;
  if (!error.empty()) bytes = ws::frame(ws::Role::server, ws::Kind::text, error);
  bytes += ws::close_frame(ws::Role::server, code, reason.substr(0, 120));
  const SteadyTime until = SteadyClock::now() + kCloseWithin;
  error_code broken = co_await stream.write_all(bytes, until);
  char scratch[512];
  for (int i = 0; i < 64 && !broken; ++i) {
    const net::Transfer transfer = co_await stream.read_some(scratch, until);
    broken = transfer.error;
    // Its close frame is the last thing that it says (RFC 6455, 5.5.1).
    if (transfer.bytes > 0 && (static_cast<unsigned char>(scratch[0]) & 0x0f) == 8) break;
  }
  stream.close();
}

}  // namespace

// What is not a tunnel yet.
struct RelayHandler::UnderWay {
  std::set<Dial*> dials;
  std::set<net::Stream*> taken;
  bool draining = false;
};

// A dial under way; ends where the app leaves or the daemon stops.
class RelayHandler::Opening {
 public:
  Opening(RelayHandler& handler, gateway::UpstreamPtr upstream, Dial::Ask ask)
      : under_way_(handler.under_way_), dial_(std::move(upstream), std::move(ask)) {
    under_way_->dials.insert(&dial_);
    if (under_way_->draining) dial_.cancel();
  }
  ~Opening() { under_way_->dials.erase(&dial_); }
  Opening(const Opening&) = delete;
  Opening& operator=(const Opening&) = delete;
  Dial& dial() { return dial_; }

 private:
  const std::shared_ptr<UnderWay> under_way_;
  Dial dial_;
};

// A socket taken over whose app is listened to; what waits on it ends where the daemon stops.
class RelayHandler::Taken {
 public:
  Taken(RelayHandler& handler, net::Stream& stream) : under_way_(handler.under_way_), stream_(stream) {
    under_way_->taken.insert(&stream_);
  }
  ~Taken() { under_way_->taken.erase(&stream_); }
  Taken(const Taken&) = delete;
  Taken& operator=(const Taken&) = delete;
  bool draining() const { return under_way_->draining; }

 private:
  const std::shared_ptr<UnderWay> under_way_;
  net::Stream& stream_;
};

struct RelayHandler::Open {
  std::shared_ptr<local::Tunnel> tunnel;
};

RelayHandler::RelayHandler(Setup setup)
    : setup_(std::move(setup)), under_way_(std::make_shared<UnderWay>()) {}
RelayHandler::~RelayHandler() = default;

gateway::UpstreamPtr RelayHandler::vendor_socket(std::string_view path) const {
  constexpr std::string_view kSocket = "/ws";
  if (!path.ends_with(kSocket) || path.size() <= kSocket.size() + 1) return nullptr;
  const std::string_view name = path.substr(1, path.size() - kSocket.size() - 1);
  return name.find('/') == std::string_view::npos ? setup_.upstream(name) : nullptr;
}

std::optional<std::variant<unsigned, Refusal>> RelayHandler::find(const local::Head& head,
                                                                  const local::Target& target) const {
  const bool get = head.method == "GET" || head.method == "HEAD";
  // Apps may sign in with the connect message: who asks is found out while it is served.
  if (get && vendor_socket(target.path)) return 0u;
  if (!head.target.starts_with(kVia)) return {};
  if (!via_target(head.target))
    return Refusal{404,
                   "NOT_FOUND",
                   "expected /via/ and a whole URL behind it, such as /via/https://example.com/page",
                   sandbox_headers(),
                   {}};
  if (head.get("sec-fetch-mode") == "navigate")
    return Refusal{403, "FORBIDDEN", "a browser does not open pages of a target here", sandbox_headers(), {}};
  return 0u;
}

net::awaitable<void> RelayHandler::serve(local::Exchange& exchange) {
  const gateway::UpstreamPtr vendor = vendor_socket(exchange.target.path);
  if (vendor) {
    co_await serve_vendor(exchange, vendor);
  } else {
    co_await serve_via(exchange);
  }
}

// By header or peer. A token that nobody has may be meant for the target: then the peer counts.
std::optional<Refusal> RelayHandler::sign_in(local::Exchange& exchange) const {
  auto app = exchange.identify({});
  if (std::holds_alternative<Refusal>(app)) app = exchange.identify_peer();
  if (auto* refusal = std::get_if<Refusal>(&app)) return std::move(*refusal);
  exchange.app = std::get<App>(std::move(app));
  return exchange.require(exchange.app, kScope);
}

net::awaitable<void> RelayHandler::serve_vendor(local::Exchange& exchange, gateway::UpstreamPtr upstream) {
  std::optional<Refusal> refusal;
  if (!local::wants_web_socket(exchange.head)) {
    refusal = upgrade_required();
  } else {
    refusal = local::check_upgrade(exchange.head);
  }
  if (refusal) {
    co_await exchange.refuse(*refusal);
    co_return;
  }
  const std::string greeting =
      local::render_stream_head(local::switching_answer(exchange.head), exchange.wrapping);
  local::Exchange::Taken taken = exchange.take_over();
  const Taken listening(*this, taken.stream);
  const SteadyTime until = SteadyClock::now() + kMessageWithin;
  const error_code error = co_await taken.stream.write_all(greeting, until);
  if (error) co_return;
  ws::FrameReader frames(ws::Role::server, kMaxMessage);
  if (!taken.received.empty()) {
    std::ranges::copy(taken.received, frames.prepare(taken.received.size()).begin());
    frames.commit(taken.received.size());
  }
  Heard heard = co_await hear_message(taken.stream, frames, until);
  if (!heard.message && listening.draining()) {
    heard.close_code = kAway;
    heard.why = kStopping;
  }
  if (!heard.message) {
    if (heard.close_code != 0) co_await say_goodbye(taken.stream, {}, heard.close_code, heard.why);
    co_return;
  }
  auto rewritten = rewrite_connect_message(*heard.message, upstream->settings.api_key.reveal());
  if (const auto* fault = std::get_if<std::string>(&rewritten)) {
    const std::string said = error_text(*fault);
    co_await say_goodbye(taken.stream, said, kPolicy, *fault);
    co_return;
  }
  AppMessage& message = std::get<AppMessage>(rewritten);
  const auto app = exchange.identify(message.key);
  if (std::holds_alternative<Refusal>(app) || exchange.require(std::get<App>(app), kScope)) {
    const std::string said = error_text(kInvalidKey);
    co_await say_goodbye(taken.stream, said, kPolicy, kInvalidKey);
    co_return;
  }
  exchange.app = std::get<App>(app);
  taken.seat->belongs_to(exchange.app, kScope);
  const SteadyTime now = SteadyClock::now();
  const config::Duration patience = upstream->settings.max_wait;
  Dial::Ask ask{std::move(message.text), exchange.who(), gateway::Rank::read, patience,
                now + patience + kOpenWithin};
  Opening opening(*this, upstream, std::move(ask));
  auto gone = std::make_shared<Dial*>(&opening.dial());
  taken.stream.when_readable([gone, &stream = taken.stream](error_code waited) {
    if (*gone && !waited && hung_up(stream)) (*gone)->cancel();
  });
  std::variant<Dialed, NotDialed> result = co_await opening.dial().run();
  *gone = nullptr;
  taken.stream.cancel();
  upstream->count(gateway::Kind::read, std::holds_alternative<Dialed>(result) ? 101 : 502, exchange.app.name);
  if (const auto* failure = std::get_if<NotDialed>(&result)) {
    std::string said = failure->said;
    if (said.empty())
      said = error_text(failure->why == NotDialed::Why::limited ? kNoToken : failure->message);
    const std::uint16_t code = failure->why == NotDialed::Why::cancelled ? kAway : failure->close_code;
    co_await say_goodbye(taken.stream, said, code, {});
    co_return;
  }
  Dialed& dialed = std::get<Dialed>(result);
  const std::string connected = ws::frame(ws::Role::server, ws::Kind::text, dialed.connected);
  const error_code unsaid = co_await taken.stream.write_all(connected, SteadyClock::now() + kCloseWithin);
  if (unsaid) co_return;
  local::Tunnel::Setup setup{std::move(taken.stream),    std::move(dialed.stream), std::string(frames.rest()),
                             std::move(dialed.received), std::move(taken.seat),    nullptr};
  join(std::move(setup), upstream->settings.name + "/ws");
}

net::awaitable<void> RelayHandler::serve_via(local::Exchange& exchange) {
  std::optional<Refusal> refusal = sign_in(exchange);
  const std::optional<ViaTarget> target = via_target(exchange.head.target);
  const gateway::UpstreamPtr upstream = setup_.upstream({});
  const bool web_socket = local::wants_web_socket(exchange.head);
  if (!refusal && !upstream)
    refusal =
        Refusal{404, "NOT_FOUND", "no upstream of kind scraping is in the config; /via needs one", {}, {}};
  if (!refusal && target->web_socket && !web_socket) refusal = upgrade_required();
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
  exchange.watch([&opening] { opening.dial().cancel(); });
  std::variant<Dialed, NotDialed> result = co_await opening.dial().run();
  exchange.unwatch();
  const auto* failure = std::get_if<NotDialed>(&result);
  const Refusal said = failure ? sandboxed(refusal_of(*failure)) : Refusal{101, {}, {}, {}, {}};
  upstream->count(gateway::Kind::read, said.status, exchange.app.name);
  if (failure) {
    co_await exchange.refuse(said);
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

void RelayHandler::join(local::Tunnel::Setup setup, std::string label) {
  auto open = std::make_shared<Open>();
  metrics::Value& count =
      setup_.metrics.gauge("bridge55_relay_connections", "Relays that are open.", {{"relay", label}});
  count.add(1);
  setup.ended = [this, weak = std::weak_ptr(open), label, &count](const local::TunnelEnd& end) {
    count.add(-1);
    log::debug(
        "a relay ended",
        {{"relay", label}, {"why", end.why}, {"app_bytes", end.app_bytes}, {"far_bytes", end.far_bytes}});
    if (const auto self = weak.lock()) open_.erase(self);
  };
  setup.seat->on_revoked([weak = std::weak_ptr(open)] {
    const auto self = weak.lock();
    if (self) self->tunnel->close(kPolicy, "this app may no longer relay", SteadyClock::now() + kCloseWithin);
  });
  open->tunnel = std::make_shared<local::Tunnel>(setup_.io, std::move(setup));
  open_.insert(open);
  open->tunnel->start();
  if (under_way_->draining) open->tunnel->close(kAway, kStopping, SteadyClock::now() + kCloseWithin);
}

void RelayHandler::drain(SteadyTime deadline) {
  under_way_->draining = true;
  for (Dial* dial : std::set(under_way_->dials))
    dial->cancel();
  for (net::Stream* stream : std::set(under_way_->taken))
    stream->cancel();
  const auto all = open_;
  for (const auto& open : all)
    open->tunnel->close(kAway, kStopping, deadline);
}

void RelayHandler::stop() {
  drain(SteadyClock::now());
  const auto all = std::exchange(open_, {});
  for (const auto& open : all)
    open->tunnel->stop();
}

}  // namespace bridge55::scraping
