// `/{upstream}/ws`: an app that speaks the vendor's relay protocol (vendor docs, "WebSocket Protocol
// Reference").
#include "bridges/scraping/relay_impl.hpp"
#include "daemon/events/json.hpp"
#include "daemon/local/web_socket.hpp"
#include "daemon/net/ws_frames.hpp"

#include <algorithm>
#include <poll.h>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>

namespace bridge55::scraping {
namespace {

using local::App;
using local::Refusal;
using net::error_code;
using namespace std::chrono_literals;

constexpr auto kMessageWithin = 10s;
constexpr auto kLookEvery = 250ms;
constexpr std::size_t kMaxMessage = 256u << 10;
constexpr unsigned kMostFrames = 256;  // pings and pongs before the connect message
constexpr std::string_view kInvalidKey = "Invalid or missing API key", kNoToken = "Rate limit exceeded";

std::string error_text(std::string_view message) {
  return R"({"type":"error","message":)" + json::quoted(message) + '}';
}

// Cancels what is under way where the app leaves meanwhile. What it sends stays unread: that is the target's.
class AppWatch {
 public:
  AppWatch(boost::asio::io_context& io, const net::Stream& app, std::function<void()> gone)
      : state_(std::make_shared<State>(io, app, std::move(gone))) {
    look(state_);
  }
  ~AppWatch() {
    state_->gone = nullptr;
    state_->timer.cancel();
  }
  AppWatch(const AppWatch&) = delete;
  AppWatch& operator=(const AppWatch&) = delete;

 private:
  struct State {
    State(boost::asio::io_context& io, const net::Stream& stream, std::function<void()> then)
        : timer(io), app(stream), gone(std::move(then)) {}
    boost::asio::steady_timer timer;
    const net::Stream& app;
    std::function<void()> gone;
  };
  static void look(const std::shared_ptr<State>& state) {
    pollfd app{state->app.descriptor(), POLLRDHUP, 0};
    if (::poll(&app, 1, 0) != 0) return std::exchange(state->gone, nullptr)();
    state->timer.expires_after(kLookEvery);
    state->timer.async_wait([state](error_code) {
      if (state->gone) AppWatch::look(state);
    });
  }
  const std::shared_ptr<State> state_;
};

// What an app is told that gets no relay: an error message where there is one, then a close frame.
struct Goodbye {
  std::string error;
  std::uint16_t code = kPolicy;  // 0: it has left
  std::string reason;
};

Goodbye refused(std::string_view words) {
  return {error_text(words), kPolicy, std::string(words)};
}

Goodbye goodbye_of(const NotDialed& failure) {
  if (failure.why == NotDialed::Why::cancelled) return {error_text(kStopping), kAway, std::string(kStopping)};
  const bool limited = failure.why == NotDialed::Why::limited;
  return {failure.said.empty() ? error_text(limited ? kNoToken : failure.message) : failure.said,
          failure.close_code,
          {}};
}

using Heard = std::variant<std::string, Goodbye>;

// The first whole text message of an app; what comes behind it stays in the reader.
net::awaitable<Heard> hear_message(net::Stream& stream, ws::FrameReader& frames, SteadyTime until) {
  for (unsigned frames_heard = 0;;) {
    ws::Message said;
    ws::Violation violation;
    const ws::FrameReader::Next next = frames.next(said, violation);
    if (next == ws::FrameReader::Next::message && ++frames_heard > kMostFrames)
      co_return Heard(Goodbye{{}, kPolicy, "too many frames before the connect message"});
    if (next == ws::FrameReader::Next::violation)
      co_return Heard(Goodbye{{}, violation.code, std::string(violation.reason)});
    if (next == ws::FrameReader::Next::need_more) {
      const std::span<char> room = frames.prepare(4096);
      const net::Transfer transfer = co_await stream.read_some(room, until);
      frames.commit(transfer.bytes);
      if (transfer.error == boost::asio::error::timed_out)
        co_return Heard(Goodbye{{}, kPolicy, "Connect message not received within 10 seconds"});
      if (transfer.error) co_return Heard(Goodbye{{}, 0, {}});
    } else if (said.kind == ws::Kind::text && said.valid_utf8) {
      co_return Heard(std::string(said.data));
    } else if (said.kind == ws::Kind::ping) {
      const std::string pong = ws::frame(ws::Role::server, ws::Kind::pong, said.data);
      const error_code error = co_await stream.write_all(pong, until);
      if (error) co_return Heard(Goodbye{{}, 0, {}});
    } else if (said.kind == ws::Kind::close) {
      co_return Heard(
          Goodbye{{}, static_cast<std::uint16_t>(said.close_code == 1005 ? 1000 : said.close_code), {}});
    } else if (said.kind != ws::Kind::pong) {
      const std::uint16_t code = said.kind == ws::Kind::too_large ? 1009
                                 : said.kind == ws::Kind::text    ? 1007
                                                                  : kPolicy;
      co_return Heard(
          Goodbye{{}, code, "the connect message must be a JSON text message of at most 256 KiB"});
    }
  }
}

// And hears the app's own close frame, or gives it a moment.
net::awaitable<void> say(Goodbye goodbye, net::Stream& stream) {
  if (goodbye.code == 0) co_return;
  std::string bytes;
  if (!goodbye.error.empty()) bytes = ws::frame(ws::Role::server, ws::Kind::text, goodbye.error);
  bytes += ws::close_frame(ws::Role::server, goodbye.code, std::string_view(goodbye.reason).substr(0, 120));
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

net::awaitable<void> RelayHandler::serve_vendor(local::Exchange& exchange, gateway::UpstreamPtr upstream) {
  std::optional<Refusal> refusal = local::upgrade_required();
  if (local::wants_web_socket(exchange.head)) refusal = local::check_upgrade(exchange.head);
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
  if (std::holds_alternative<Goodbye>(heard) && listening.draining())
    heard = Goodbye{{}, kAway, std::string(kStopping)};
  if (const std::string* message = std::get_if<std::string>(&heard)) {
    auto asked = rewrite_connect_message(*message, upstream->settings.api_key.reveal());
    if (AppMessage* mine = std::get_if<AppMessage>(&asked)) {
      const std::optional<NotDialed> failure =
          co_await relay(exchange, taken, upstream, std::move(*mine), frames);
      if (!failure) co_return;
      heard = goodbye_of(*failure);
    } else {
      heard = refused(std::get<std::string>(asked));
    }
  }
  Goodbye goodbye = std::get<Goodbye>(std::move(heard));
  co_await say(std::move(goodbye), taken.stream);
}

// Signs the app in, dials and joins. `frames` holds what came behind the connect message.
net::awaitable<std::optional<NotDialed>> RelayHandler::relay(local::Exchange& exchange,
                                                             local::Exchange::Taken& taken,
                                                             gateway::UpstreamPtr upstream,
                                                             AppMessage message,
                                                             const ws::FrameReader& frames) {
  using Failure = std::optional<NotDialed>;
  const auto app = exchange.identify(message.key);
  if (std::holds_alternative<Refusal>(app) || exchange.require(std::get<App>(app), kScope)) {
    NotDialed failure;
    failure.why = NotDialed::Why::refused;  // as the vendor would
    failure.said = error_text(kInvalidKey);
    failure.close_code = kPolicy;
    co_return Failure(std::move(failure));
  }
  exchange.app = std::get<App>(app);
  taken.seat->belongs_to(exchange.app, kScope);
  const config::Duration patience = upstream->settings.max_wait;
  Dial::Ask ask{std::move(message.text), exchange.who(), gateway::Rank::read, patience,
                SteadyClock::now() + patience + kOpenWithin};
  Opening opening(*this, upstream, std::move(ask));
  std::variant<Dialed, NotDialed> result = NotDialed{};
  {
    const AppWatch watch(setup_.io, taken.stream, [&opening] { opening.cancel(); });
    result = co_await opening.run();
  }
  upstream->count(gateway::Kind::read, std::holds_alternative<Dialed>(result) ? 101 : 502, exchange.app.name);
  if (NotDialed* failure = std::get_if<NotDialed>(&result)) co_return Failure(std::move(*failure));
  Dialed& dialed = std::get<Dialed>(result);
  const std::string connected = ws::frame(ws::Role::server, ws::Kind::text, dialed.connected);
  const error_code unsaid = co_await taken.stream.write_all(connected, SteadyClock::now() + kCloseWithin);
  if (unsaid) co_return Failure{};
  local::Tunnel::Setup setup{std::move(taken.stream),    std::move(dialed.stream), std::string(frames.rest()),
                             std::move(dialed.received), std::move(taken.seat),    nullptr};
  join(std::move(setup), upstream->settings.name + "/ws");
  co_return Failure{};
}

}  // namespace bridge55::scraping
