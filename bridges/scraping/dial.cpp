#include "bridges/scraping/dial.hpp"

#include "bridges/scraping/connect_message.hpp"
#include "daemon/gateway/headers.hpp"
#include "daemon/gateway/limit_headers.hpp"
#include "daemon/net/http_client.hpp"
#include "daemon/net/ws_frames.hpp"
#include "daemon/net/ws_handshake.hpp"

#include <algorithm>

#include <boost/asio/error.hpp>

namespace bridge55::scraping {
namespace {

namespace asio = boost::asio;
using net::error_code;
using Why = NotDialed::Why;
using Result = std::variant<Dialed, NotDialed>;

constexpr std::uint16_t kPolicy = 1008, kInternal = 1011;
constexpr std::size_t kMaxAnswer = 64u << 10;
constexpr unsigned kMostMessages = 256;  // before the answer, pings among them

}  // namespace

Dial::Dial(gateway::UpstreamPtr upstream, Ask ask) : upstream_(std::move(upstream)), ask_(std::move(ask)) {}

void Dial::cancel() {
  cancelled_ = true;
  turn_.leave();
  if (stream_) stream_->cancel();
}

net::awaitable<Result> Dial::run() {
  std::optional<NotDialed> failure = co_await take_place();
  if (!failure) failure = co_await connect();
  if (!failure) {
    // Kept over the handshake, for frames may come behind its answer in the same read.
    ws::FrameReader frames(ws::Role::client, kMaxAnswer);
    failure = co_await upgrade(frames);
    if (!failure) {
      Result result = co_await hear(frames);
      place_.answered();
      co_return result;
    }
  }
  sent_ ? place_.answered() : place_.unsent();
  failure->sent = sent_;
  co_return Result(std::move(*failure));
}

net::awaitable<std::optional<NotDialed>> Dial::take_place() {
  using Failure = std::optional<NotDialed>;
  if (cancelled_) co_return Failure(broken(asio::error::operation_aborted, {}));
  gateway::Gate& gate = upstream_->gate;
  const SteadyTime asked = SteadyClock::now();
  const gateway::Gate::Ask ask{ask_.rank, ask_.app,
                               std::min<SteadyTime>(ask_.deadline, asked + ask_.max_wait)};
  if (!gate.enter(ask, asked, turn_, place_)) place_ = co_await gate.wait(turn_);
  upstream_->queued(std::chrono::duration_cast<std::chrono::microseconds>(SteadyClock::now() - asked));
  if (cancelled_) co_return Failure(broken(asio::error::operation_aborted, {}));
  if (place_) co_return Failure{};
  const gateway::Limiter::Figures figures = gate.figures(ask_.rank);
  NotDialed failure;
  failure.why = Why::limited;
  failure.close_code = kPolicy;
  failure.retry_after = figures.retry_after;
  failure.message = "Rate limit exceeded: each relay takes one of the " + std::to_string(figures.limit) +
                    " that upstream `" + upstream_->settings.name + "` allows, and none came free in time";
  co_return Failure(std::move(failure));
}

net::awaitable<std::optional<NotDialed>> Dial::connect() {
  using Failure = std::optional<NotDialed>;
  stream_.emplace(upstream_->io);
  std::string trouble;
  const error_code error = co_await upstream_->pool->reach(*stream_, ask_.deadline, trouble);
  if (!error && !cancelled_) {
    stream_->keep_buffers(false);  // most relays are quiet most of the time, and many may open at once
    co_return Failure{};
  }
  NotDialed failure = broken(error, "cannot connect");
  if (!trouble.empty() && failure.why != Why::cancelled) failure.message += " (" + trouble + ")";
  co_return Failure(std::move(failure));
}

net::awaitable<std::optional<NotDialed>> Dial::upgrade(ws::FrameReader& frames) {
  using Failure = std::optional<NotDialed>;
  net::Upgrade request{upstream_->host_header, upstream_->target("/ws"), {{"User-Agent", "bridge55"}}};
  const SteadyTime until =
      std::min<SteadyTime>(ask_.deadline, SteadyClock::now() + upstream_->settings.timeouts.connect);
  place_.sent();
  sent_ = true;
  const net::UpgradeAnswer answer = co_await net::upgrade(*stream_, std::move(request), frames, until);
  if (answer.upgraded() && !cancelled_) co_return Failure{};
  if (answer.error || cancelled_) co_return Failure(broken(answer.error, "the WebSocket handshake failed"));
  NotDialed failure;
  failure.why = Why::unreachable;
  failure.message = "the scraping network did not open a WebSocket: " + answer.trouble;
  if (answer.status == 401 || answer.status == 403) {
    failure.why = Why::refused;
    failure.close_code = kPolicy;
  } else if (answer.status == 429) {
    const auto asked = gateway::parse_retry_after(answer.retry_after, wall_now());
    upstream_->gate.refused(asked);  // for everybody
    failure.why = Why::limited;
    failure.close_code = kPolicy;
    failure.retry_after = asked.value_or(upstream_->gate.figures(ask_.rank).retry_after);
  }
  co_return Failure(std::move(failure));
}

// The answer to the connect message. What stands behind it is the target's and stays as it is.
net::awaitable<Result> Dial::hear(ws::FrameReader& frames) {
  const std::string message = ws::frame(ws::Role::client, ws::Kind::text, ask_.message);
  error_code error = co_await stream_->write_all(message, ask_.deadline);
  NotDialed failure;
  unsigned messages = 0;
  SteadyTime until = ask_.deadline;
  while (!error && !cancelled_) {
    ws::Message said;
    ws::Violation violation;
    const ws::FrameReader::Next next = frames.next(said, violation);
    if (next == ws::FrameReader::Next::need_more) {
      const std::span<char> room = frames.prepare(4096);
      const net::Transfer transfer = co_await stream_->read_some(room, until);
      frames.commit(transfer.bytes);
      error = transfer.error;
      continue;
    }
    if (++messages > kMostMessages) {
      failure.message = "the scraping network says anything but `connected`";
      failure.why = Why::unreachable;
      break;
    }
    if (next == ws::FrameReader::Next::violation) {
      failure.message = "the scraping network broke the WebSocket protocol: " + std::string(violation.reason);
      failure.why = Why::unreachable;
      break;
    }
    if (said.kind == ws::Kind::ping) {
      const std::string pong = ws::frame(ws::Role::client, ws::Kind::pong, said.data);
      error = co_await stream_->write_all(pong, until);
      continue;
    }
    if (said.kind == ws::Kind::close) {
      // An error message may have come before it; the code says the same again.
      if (failure.said.empty())
        failure.message = "the scraping network closed the relay: " +
                          std::string(said.data.empty() ? "no reason given" : said.data);
      if (said.close_code != 1005) failure.close_code = said.close_code;
      if (failure.why != Why::limited)
        failure.why = failure.close_code == kPolicy ? Why::refused : Why::failed;
      break;
    }
    if (said.kind != ws::Kind::text || !failure.said.empty()) continue;
    const auto answer = read_relay_answer(said.data);
    if (answer && std::holds_alternative<Connected>(*answer)) {
      Dialed dialed{std::move(*stream_), {}, std::string(said.data), std::get<Connected>(*answer).node_id};
      dialed.received = frames.rest();
      gateway::mask_key(dialed.connected, upstream_->settings.api_key.reveal());
      co_return Result(std::move(dialed));
    }
    // The close frame behind an error has the code; it is there at once, or does not come.
    until = std::min<SteadyTime>(until, SteadyClock::now() + std::chrono::seconds(1));
    failure.said = said.data;
    failure.message = answer ? std::get<RelayError>(*answer).message : "an answer that is not understood";
    if (speaks_of_limit(failure.message)) {
      failure.why = Why::limited;
      failure.close_code = kPolicy;
      upstream_->gate.refused({});
    }
  }
  if (error && failure.said.empty()) failure = broken(error, "the relay broke before it stood");
  if (cancelled_) failure = broken(asio::error::operation_aborted, {});
  failure.sent = true;
  // A network that repeats the connect message would show our key.
  gateway::mask_key(failure.said, upstream_->settings.api_key.reveal());
  gateway::mask_key(failure.message, upstream_->settings.api_key.reveal());
  co_return Result(std::move(failure));
}

NotDialed Dial::broken(error_code error, std::string_view doing) const {
  NotDialed failure;
  failure.close_code = kInternal;
  failure.sent = sent_;
  failure.why = cancelled_                        ? Why::cancelled
                : error == asio::error::timed_out ? Why::timeout
                                                  : Why::unreachable;
  failure.message = cancelled_ ? "cancelled" : std::string(doing) + ": " + error.message();
  return failure;
}

}  // namespace bridge55::scraping
