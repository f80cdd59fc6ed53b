// The writing half of a connection, and the faults that act on bytes.
#include "tests/sim/connection.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace bridge55::sim {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr auto kCloseWait = std::chrono::seconds(1);

bool Connection::stalled() const {
  return Clock::now() < stalled_until_;
}

asio::awaitable<void> Connection::wait_stall() {
  while (stalled() && stream_.is_open()) {
    error_code ignored;
    stall_.expires_at(stalled_until_);
    co_await stall_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

asio::awaitable<bool> Connection::write_slowly(std::string_view bytes) {
  while (!bytes.empty()) {
    const bool slow = Clock::now() < trickle_until_;
    const std::string_view piece = slow ? bytes.substr(0, 1) : bytes;
    const bool written = co_await stream_.write(piece);
    if (!written) co_return false;
    bytes.remove_prefix(piece.size());
    if (slow && !bytes.empty()) {
      error_code ignored;
      step_.expires_after(trickle_step_);
      co_await step_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
  }
  co_return true;
}

asio::awaitable<void> Connection::write_loop() {
  for (;;) {
    co_await wait_stall();
    if (pending_.empty() && !closing_ && session_ && vendor_.on_drained) vendor_.on_drained(session_->api());
    if (pending_.empty()) {
      if (closing_ || cut_ != Cut::none || !stream_.is_open()) break;
      error_code ignored;
      writer_waits_ = true;
      co_await wake_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      writer_waits_ = false;
      continue;
    }
    writing_.swap(pending_);
    writing_messages_ = std::exchange(pending_messages_, 0);
    const bool written = co_await write_slowly(writing_);
    writing_.clear();
    writing_messages_ = 0;
    if (!written) break;
  }
  co_await end_transport();
  writer_done_ = true;
  ended_.cancel();
}

asio::awaitable<void> Connection::wait_for(const bool& flag, TimePoint until) {
  while (!flag && Clock::now() < until) {
    error_code ignored;
    ended_.expires_at(until);
    co_await ended_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

asio::awaitable<void> Connection::end_transport() {
  if (cut_ == Cut::truncate) {
    stream_.cut();
    co_return;
  }
  // RFC 6455 section 7.1.1: the client's close frame first, then the server closes TCP. tick() bounds what
  // follows.
  if (cut_ == Cut::none) co_await wait_for(reader_done_, Clock::now() + kCloseWait);
  co_await stream_.finish();
  co_await wait_for(reader_done_, Clock::now() + kCloseWait);
  stream_.cut();
}

void Connection::stall_until(TimePoint until) {
  stalled_until_ = until;
  stall_.cancel();
  wake();
}

void Connection::trickle_until(TimePoint until, milliseconds step) {
  trickle_until_ = until;
  trickle_step_ = step;
}

void Connection::close_at(TimePoint when, std::uint16_t code) {
  close_at_ = when;
  close_at_code_ = code;
}

void Connection::truncate() {
  if (closing_) return;
  append_header(pending_, Opcode::text, 1000);  // announces more than will ever come
  pending_ += R"({"type":"data","channel":"orders","event":"UPDATE","payload":{"orderId":)";
  cut_ = Cut::truncate;
  begin_closing();
}

void Connection::fin() {
  cut_ = Cut::fin;
  begin_closing();
}

void Connection::drop() {
  stream_.reset();
  stall_until({});
  begin_closing();
}

void Connection::clear_faults() {
  stall_until({});
  trickle_until_ = {};
  step_.cancel();
  fragment_left_ = 0;
}

}  // namespace bridge55::sim
