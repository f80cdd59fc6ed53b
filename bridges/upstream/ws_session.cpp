#include "bridges/upstream/ws_session.hpp"

#include "bridges/upstream/run.hpp"
#include "daemon/base/crash_point.hpp"
#include "daemon/net/ws_close.hpp"

#include <cstdlib>
#include <stdexcept>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace bridge55::upstream {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kReadAtOnce = 128u << 10;
constexpr std::size_t kKeepBuffer = 1u << 20;  // a larger one, grown for a huge message, goes back
constexpr std::size_t kMaxUnsent = 4u << 20;
constexpr auto kPauseIsGapAfter = 1s;

Now now() {
  return {SteadyClock::now(), wall_now()};
}

// An exception here is a bug of ours. A session that died of one in silence would look up for ever.
void or_end_the_daemon(std::exception_ptr failed) {
  if (failed) std::rethrow_exception(failed);
}

}  // namespace

awaitable<void> WsSession::Run::run() {
  const auto self = shared_from_this();
  while (!stopping_) {
    lifecycle_.trying(now());
    const End end = co_await live();
    drop_stream();
    // A session that is replaced, or never was up, leaves the gauge to the other one.
    if (up_ != nullptr && !stopping_ && std::exchange(counted_up_, false)) up_->set(0);
    if (stopping_) break;
    count_reconnect(end.cause);
    const config::Duration delay = lifecycle_.ended(end, now(), session_.last_traffic_at());
    timer_.expires_after(delay);
    co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  if (abandoned_) co_return;
  lifecycle_.stopped(now());
  const auto stopped = std::move(stopped_);
  if (stopped) stopped();
}

// One connection, from the name to its end.
awaitable<End> WsSession::Run::live() {
  End end;
  const bool opened = co_await open(end);
  if (!opened) co_return end;
  corked_ = true;
  session_.opened(now());
  take_messages();
  co_await read();
  end = session_.end() ? *session_.end() : End{Cause::stopped, "stopped", 0, {}};
  co_await say_goodbye(end);
  co_return end;
}

awaitable<void> WsSession::Run::read() {
  while (!session_.end() && !stopping_) {
    if (host_.must_pause()) {
      co_await pause();
      continue;
    }
    const std::span<char> room = reader_.prepare(kReadAtOnce);
    const net::Transfer transfer = stream_->try_read(room);
    if (transfer.bytes != 0) {
      reader_.commit(transfer.bytes);
      session_.progress(transfer.bytes, now());
      take_messages();
      if (room.size() > kKeepBuffer) reader_.release();
    } else if (transfer.error && transfer.error != asio::error::would_block) {
      session_.broke(end_of_read(transfer.error));
      break;
    }
    session_.tick(now());
    flush();
    if (session_.end()) break;
    if (transfer.bytes == room.size()) {  // there may be more: let others have their turn first
      co_await asio::post(io_, asio::use_awaitable);
      continue;
    }
    const SteadyTime until = session_.next_tick();
    error_code error;
    if (transfer.wants_write) {
      error = co_await stream_->wait_writable(until);
    } else {
      error = co_await stream_->wait_readable(until);
    }
    if (error == asio::error::timed_out) session_.tick(now());
    flush();
  }
}

// Everything that the buffer holds, then one flush.
void WsSession::Run::take_messages() {
  corked_ = true;
  ws::Message message;
  ws::Violation violation;
  const Now at = now();
  bool any = false;
  while (!session_.end()) {
    const auto next = reader_.next(message, violation);
    if (next == ws::FrameReader::Next::need_more) break;
    if (next == ws::FrameReader::Next::violation) {
      violated_ = violation.code;
      session_.broke(
          {Cause::protocol, "broke the WebSocket protocol: " + std::string(violation.reason), 0, {}});
      break;
    }
    if (!any) crash_point("upstream.receive.before");
    any = true;
    session_.received(message, at);
  }
  if (any) {
    if (last_message_ != nullptr) last_message_->set(at.wall / 1'000'000);
    crash_point("upstream.receive.after");
    host_.flush();
  }
  flush();
}

End WsSession::Run::end_of_read(const error_code& error) const {
  if (error == asio::error::eof) return {Cause::closed, "closed without a close frame", 0, {}};
  return {Cause::reset, "connection lost: " + error.message(), 0, {}};
}

// Our own inbox is full. The vendor buffers little, so a long pause is a gap.
awaitable<void> WsSession::Run::pause() {
  flush();
  pausing_ = true;
  timer_.expires_after(kPauseIsGapAfter);
  co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
  while (!stopping_ && host_.must_pause()) {
    lifecycle_.paused(now());
    timer_.expires_after(kPauseIsGapAfter);
    co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  pausing_ = false;
  if (stopping_) co_return;
  lifecycle_.resumed(now());
  session_.read_again(now());
}

// Sends what the way we part asks for: our close frame, or the answer to the peer's.
awaitable<void> WsSession::Run::say_goodbye(const End& end) {
  if (abandoned_ || !stream_ || !stream_->is_open()) co_return;
  if (end.cause == Cause::reset || end.cause == Cause::silent) {
    stream_->reset();
    co_return;
  }
  const std::uint16_t code = end.close_code != 0 && end.close_code != 1005 ? end.close_code
                             : violated_ != 0                              ? violated_
                                                                           : 1000;
  outgoing_ += ws::close_frame(ws::Role::client, code, "");
  corked_ = false;
  flush();
  if (end.close_code != 0 || !stopping_) co_return;
  co_await net::hear_close(*stream_, reader_, abandoned_);
}

void WsSession::Run::flush() {
  corked_ = false;
  if (writing_ || outgoing_.empty() || !stream_) return;
  const iovec piece{outgoing_.data(), outgoing_.size()};
  const net::Transfer transfer = stream_->try_write({&piece, 1});
  outgoing_.erase(0, transfer.bytes);
  if (transfer.error && transfer.error != asio::error::would_block)
    return outgoing_.clear();  // reading will tell why
  if (outgoing_.empty()) return;
  if (outgoing_.size() > kMaxUnsent)
    return session_.broke({Cause::reset, "upstream does not read what we send", 0, {}});
  writing_ = true;
  asio::co_spawn(io_, write_rest(shared_from_this(), connection_), or_end_the_daemon);
}

awaitable<void> WsSession::Run::write_rest(std::shared_ptr<Run> self, std::uint64_t connection) {
  while (connection == self->connection_ && !self->outgoing_.empty()) {
    const error_code error = co_await self->stream_->wait_writable();
    if (connection != self->connection_) co_return;
    if (error) break;
    const iovec piece{self->outgoing_.data(), self->outgoing_.size()};
    const net::Transfer transfer = self->stream_->try_write({&piece, 1});
    self->outgoing_.erase(0, transfer.bytes);
    if (transfer.error && transfer.error != asio::error::would_block) break;
  }
  if (connection == self->connection_) self->writing_ = false;
}

WsSession::WsSession(const Parts& parts, config::Upstream settings)
    : run_(std::make_shared<Run>(parts, std::move(settings))) {}

WsSession::~WsSession() {
  run_->abandon();
}

void WsSession::start() {
  run_->starting();
  asio::co_spawn(run_->io(), run_->run(), or_end_the_daemon);
}
void WsSession::durable(events::EventId id) {
  run_->durable(id);
}
void WsSession::settled(events::EventId provisional, events::EventId id) {
  run_->settled(provisional, id);
}
void WsSession::resume() {
  run_->resume();
}
bridges::SessionStatus WsSession::status() const {
  return run_->status();
}
void WsSession::stop(std::function<void()> stopped) {
  run_->stop(std::move(stopped));
}

}  // namespace bridge55::upstream
