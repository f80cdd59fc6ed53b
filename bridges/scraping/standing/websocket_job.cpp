// Kind websocket: the thin coroutine beside the script.
#include "bridges/scraping/connect_message.hpp"
#include "bridges/scraping/dial.hpp"
#include "bridges/scraping/standing/job.hpp"
#include "bridges/scraping/standing/script.hpp"
#include "daemon/events/json.hpp"
#include "daemon/net/ws_close.hpp"

#include <cstring>
#include <optional>
#include <utility>
#include <variant>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>

namespace bridge55::scraping::standing {
namespace {

namespace asio = boost::asio;
using net::error_code;

constexpr std::size_t kReadAtOnce = 128u << 10;
constexpr std::size_t kReadWhenQuiet = 16u << 10;  // a thousand quiet relays must cost little
constexpr std::size_t kKeepBuffer = 1u << 20;      // a larger one, grown for a huge message, goes back
constexpr std::size_t kMaxUnsent = 4u << 20;       // beyond it apps may send nothing more
constexpr std::size_t kMaxReplies = 32u << 20;
constexpr std::size_t kCompactFrom = 256u << 10;

std::string connect_text(const config::Relay& relay, std::string_view api_key) {
  RelayAsk ask{relay.url, {}, {}, relay.geo, relay.agent, relay.idle_timeout};
  for (const auto& [name, value] : relay.headers)
    ask.headers.emplace_back(name, value.reveal());
  for (const auto& [name, value] : relay.cookies)
    ask.cookies.emplace_back(name, value.reveal());
  return connect_message(ask, api_key);
}

End end_of(const NotDialed& failure, const gateway::Upstream& upstream) {
  using Why = NotDialed::Why;
  End end;
  end.reason = failure.message;
  end.retry_after = failure.retry_after;
  switch (failure.why) {
    case Why::limited:
      end.cause = Cause::limited;
      if (end.retry_after.count() == 0)
        end.retry_after = upstream.gate.figures(gateway::Rank::own).retry_after;
      break;
    case Why::refused:
      end.cause = Cause::refused;
      break;
    case Why::failed:
      end.cause = Cause::agent;
      break;
    case Why::unreachable:
    case Why::timeout:
      end.cause = Cause::unreachable;
      break;
    case Why::cancelled:
      break;
  }
  const bool closed = end.cause == Cause::refused || end.cause == Cause::agent;
  if (closed && failure.sent) end.close_code = failure.close_code;
  return end;
}

class WebSocketJob final : public Job, private Script::Actions {
 public:
  explicit WebSocketJob(Parts parts)
      : Job(std::move(parts)), script_({relay(), keep_alive_, *this}), reader_(ws::Role::client, kMaxFrame) {}

  Sent send(ws::Kind kind, std::string_view data) override;

 private:
  awaitable<End> live() override;
  void wake() override;
  awaitable<std::optional<End>> dial();
  awaitable<void> read();
  awaitable<void> say_goodbye();
  static awaitable<void> write_rest(std::shared_ptr<WebSocketJob> self, std::uint64_t connection);
  void take_messages();
  void put(ws::Kind kind, std::string_view data);
  void flush();
  bool write();
  void forget_outgoing();
  void drop_stream();
  std::size_t unsent() const { return outgoing_.size() - written_; }

  // Script::Actions
  void answer(ws::Kind kind, std::string_view data) override;
  void take(const ws::Message& message) override;

  config::KeepAlive keep_alive_;
  Script script_;
  Dial* dial_ = nullptr;
  std::optional<net::Stream> stream_;
  std::uint64_t connection_ = 0;  // counts streams, so that a writer of an old one knows
  ws::FrameReader reader_;
  std::string relay_json_;
  std::string outgoing_;
  std::size_t written_ = 0;  // of what is outgoing
  bool corked_ = false, writing_ = false;
  bool torn_ = false;           // what was to be sent is lost: nothing can follow it
  std::uint16_t violated_ = 0;  // close code for a violation
};

awaitable<End> WebSocketJob::live() {
  std::optional<End> failed = co_await dial();
  if (failed) co_return std::move(*failed);
  corked_ = true;
  script_.opened(SteadyClock::now());
  take_messages();
  co_await read();
  co_await say_goodbye();
  End end = script_.end() ? *script_.end() : End{Cause::stopped, "stopped", 0, {}};
  drop_stream();
  co_return end;
}

// Nothing: the relay is connected, and said to be.
awaitable<std::optional<End>> WebSocketJob::dial() {
  using Failed = std::optional<End>;
  const gateway::UpstreamPtr upstream = upstream_();
  if (!upstream) co_return Failed(End{Cause::unreachable, "the upstream is gone", 0, {}});
  const config::Upstream& settings = upstream->settings;
  keep_alive_ = settings.keep_alive;
  Dial::Ask ask;
  ask.message = connect_text(relay(), settings.api_key.reveal());
  ask.app = who();
  ask.rank = gateway::Rank::own;
  ask.max_wait = settings.max_wait;
  ask.deadline = SteadyClock::now() + settings.max_wait + settings.timeouts.connect + settings.timeouts.login;
  Dial dial(upstream, std::move(ask));
  dial_ = &dial;
  std::variant<Dialed, NotDialed> result = co_await dial.run();
  dial_ = nullptr;
  if (const auto* failure = std::get_if<NotDialed>(&result)) co_return Failed(end_of(*failure, *upstream));
  auto& dialed = std::get<Dialed>(result);
  stream_.emplace(std::move(dialed.stream));
  if (stopping_) co_return Failed(End{});
  reader_ = ws::FrameReader(ws::Role::client, kMaxFrame);
  const std::span<char> room = reader_.prepare(dialed.received.size() + 1);
  std::memcpy(room.data(), dialed.received.data(), dialed.received.size());
  reader_.commit(dialed.received.size());
  relay_json_ = "{\"node_id\":" + json::quoted(dialed.node_id) + '}';
  ledger_.came_up(dialed.node_id);
  co_return Failed{};
}

awaitable<void> WebSocketJob::read() {
  bool busy = false;
  while (!script_.end() && !stopping_) {
    if (ledger_.must_pause()) {
      flush();
      co_await pause();
      script_.read_again(SteadyClock::now());
      continue;
    }
    const std::span<char> room = reader_.prepare(busy ? kReadAtOnce : kReadWhenQuiet);
    const net::Transfer transfer = stream_->try_read(room);
    const bool was_busy = std::exchange(busy, transfer.bytes == room.size());
    if (busy != was_busy) stream_->keep_buffers(busy);
    if (transfer.bytes != 0) {
      reader_.commit(transfer.bytes);
      script_.progress(transfer.bytes, SteadyClock::now());
      take_messages();
      if (room.size() > kKeepBuffer) reader_.release();
    } else if (transfer.error && transfer.error != asio::error::would_block) {
      const bool ended = transfer.error == asio::error::eof;
      script_.broke({Cause::lost,
                     ended ? "the scraping network ended the connection without a close frame"
                           : "connection lost: " + transfer.error.message(),
                     0,
                     {}});
      break;
    }
    script_.tick(SteadyClock::now());
    flush();
    if (script_.end()) break;
    if (busy) {  // there may be more: let others have their turn first
      co_await yield();
      continue;
    }
    reader_.release();
    const SteadyTime until = script_.next_tick();
    if (transfer.wants_write) {
      co_await stream_->wait_writable(until);
    } else {
      co_await stream_->wait_readable(until);
    }
    script_.tick(SteadyClock::now());
    flush();
  }
}

// Everything that the buffer holds, then one flush.
void WebSocketJob::take_messages() {
  corked_ = true;
  ws::Message message;
  ws::Violation violation;
  const SteadyTime now = SteadyClock::now();
  bool any = false;
  while (!script_.end()) {
    const auto next = reader_.next(message, violation);
    if (next == ws::FrameReader::Next::need_more) break;
    if (next == ws::FrameReader::Next::violation) {
      violated_ = violation.code;
      script_.broke(
          {Cause::protocol, "broke the WebSocket protocol: " + std::string(violation.reason), 0, {}});
      break;
    }
    any = true;
    script_.received(message, now);
  }
  if (any) ledger_.flush();
  flush();
}

void WebSocketJob::take(const ws::Message& message) {
  events::Facts facts;
  facts.relay = relay_json_;
  Unfit unfit{{}, message.data, message.kind == ws::Kind::text && message.valid_utf8, message.size};
  if (message.kind == ws::Kind::too_large) {
    unfit.reason = "too large";
  } else if (message.kind == ws::Kind::binary) {
    framing_.binary(message.data, facts);
  } else if (!message.valid_utf8) {
    unfit.reason = "not UTF-8";
  } else {
    unfit.reason = framing_.text(message.data, facts);
  }
  unfit.reason.empty() ? ledger_.publish(facts) : ledger_.quarantine(unfit);
}

void WebSocketJob::answer(ws::Kind kind, std::string_view data) {
  if (kind == ws::Kind::text) ledger_.sent();
  put(kind, data);
  if (unsent() > kMaxReplies) script_.broke({Cause::lost, "the vendor does not read what we send", 0, {}});
}

Sent WebSocketJob::send(ws::Kind kind, std::string_view data) {
  if (!stream_ || !script_.is_open() || stopping_ || torn_) return Sent::down;
  if (unsent() > kMaxUnsent) return Sent::full;
  put(kind, data);
  if (torn_) return Sent::down;
  ledger_.sent();
  return unsent() == 0 ? Sent::out : Sent::queued;
}

void WebSocketJob::put(ws::Kind kind, std::string_view data) {
  if (torn_) return;
  outgoing_ += ws::frame(ws::Role::client, kind, data);
  if (!corked_) flush();
}

void WebSocketJob::flush() {
  corked_ = false;
  if (writing_ || !stream_ || !write()) return;
  writing_ = true;
  const auto self = std::static_pointer_cast<WebSocketJob>(shared_from_this());
  asio::co_spawn(io_, write_rest(self, connection_), [](std::exception_ptr failed) {
    if (failed) std::rethrow_exception(failed);
  });
}

// As much as the socket takes. True: more can go once it is writable.
bool WebSocketJob::write() {
  if (unsent() == 0) return false;
  const iovec piece{outgoing_.data() + written_, unsent()};
  const net::Transfer transfer = stream_->try_write({&piece, 1});
  written_ += transfer.bytes;
  torn_ = transfer.error && transfer.error != asio::error::would_block;  // reading will tell why
  if (torn_ || unsent() == 0) {
    forget_outgoing();
    return false;
  }
  if (written_ >= kCompactFrom && written_ >= unsent()) {
    outgoing_.erase(0, written_);
    written_ = 0;
  }
  // Where TLS has to read first, the reader flushes when it has.
  return !transfer.error || transfer.wants_write;
}

awaitable<void> WebSocketJob::write_rest(std::shared_ptr<WebSocketJob> self, std::uint64_t connection) {
  bool more = true;
  while (more) {
    const error_code error = co_await self->stream_->wait_writable();
    if (connection != self->connection_) co_return;
    if (error) {
      self->torn_ = true;
      self->forget_outgoing();
    }
    more = self->write();
  }
  self->writing_ = false;
}

void WebSocketJob::forget_outgoing() {
  std::string().swap(outgoing_);
  written_ = 0;
}

// Sends what the way we part asks for: our close frame, or the answer to the peer's.
awaitable<void> WebSocketJob::say_goodbye() {
  if (abandoned_ || !stream_ || !stream_->is_open()) co_return;
  const std::optional<End>& end = script_.end();
  if (torn_ || (end && (end->cause == Cause::lost || end->cause == Cause::silent))) {
    stream_->reset();
    co_return;
  }
  const std::uint16_t theirs = end ? end->close_code : 0;
  const std::uint16_t code = theirs != 0 && theirs != 1005 ? theirs : violated_ != 0 ? violated_ : 1000;
  outgoing_ += ws::close_frame(ws::Role::client, code, "");
  flush();
  if (theirs != 0 || !stopping_) co_return;
  co_await net::hear_close(*stream_, reader_, abandoned_);
}

void WebSocketJob::drop_stream() {
  ++connection_;
  stream_.reset();
  forget_outgoing();
  writing_ = corked_ = torn_ = false;
  violated_ = 0;
}

void WebSocketJob::wake() {
  if (dial_ != nullptr) dial_->cancel();
  if (stream_) stream_->cancel();
}

}  // namespace

std::shared_ptr<Job> make_websocket_job(Job::Parts parts) {
  return std::make_shared<WebSocketJob>(std::move(parts));
}

}  // namespace bridge55::scraping::standing
