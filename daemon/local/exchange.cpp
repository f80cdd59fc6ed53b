#include "daemon/local/exchange.hpp"

#include "daemon/local/connection.hpp"
#include "daemon/local/context.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace bridge55::local {
namespace {

using boost::system::error_code;
using namespace std::chrono_literals;

constexpr auto kBodyStall = 30s;                  // no byte of a body for so long
constexpr auto kWholeBody = 120s;                 // however steadily it trickles
constexpr auto kWriteStall = 60s;                 // an app that does not take its answer
constexpr auto kCloseWithin = 3s;                 // a peer that was told goodbye
constexpr std::size_t kKeepCapacity = 64u << 10;  // of a buffer, between two answers

}  // namespace

const Peer& Exchange::peer() const {
  return connection_.peer_;
}

net::awaitable<std::variant<std::string_view, Refusal>> Exchange::read_some(SteadyTime until) {
  using Result = std::variant<std::string_view, Refusal>;
  std::string& received = connection_.received_;
  if (head.expects_continue && !asked_ && !body_->done() && received.empty()) {
    const error_code error = co_await connection_.stream_.write_all("HTTP/1.1 100 Continue\r\n\r\n",
                                                                    SteadyClock::now() + kWriteStall);
    if (error) co_return Result(bad_request("the connection broke"));
  }
  if (!std::exchange(asked_, true)) body_until_ = SteadyClock::now() + kWholeBody;
  while (!body_->done()) {
    const BodyDecoder::Step step = body_->take(std::string_view(received).substr(consumed_));
    consumed_ += step.consumed;
    if (body_->refused()) co_return Result(body_->refusal());
    if (!step.data.empty()) co_return Result(step.data);
    if (step.consumed > 0) continue;
    received.erase(0, consumed_);
    consumed_ = 0;
    const SteadyTime stalled = SteadyClock::now() + kBodyStall;
    const SteadyTime deadline = std::min(std::min(stalled, body_until_), until);
    const error_code error = co_await connection_.read_more(deadline);
    if (error) co_return Result(Refusal{408, "TIMEOUT", "the body did not come", {}, {}});
  }
  received.erase(0, consumed_);
  consumed_ = 0;
  co_return Result(std::string_view{});
}

net::awaitable<std::variant<std::string, Refusal>> Exchange::read_body(SteadyTime until) {
  using Result = std::variant<std::string, Refusal>;
  std::string whole;
  for (;;) {
    std::variant<std::string_view, Refusal> piece = co_await read_some(until);
    if (auto* refusal = std::get_if<Refusal>(&piece)) co_return Result(std::move(*refusal));
    const std::string_view bytes = std::get<std::string_view>(piece);
    if (bytes.empty()) co_return Result(std::move(whole));
    whole.append(bytes);
  }
}

net::awaitable<void> Exchange::respond(const Answer& answer) {
  answered_ = true;
  // The app holds its body back until it is asked: where a next request would begin cannot be known.
  if (head.expects_continue && !asked_ && body_ && !body_->done()) wrapping.keep_alive = false;
  const std::string bytes = render(answer, wrapping);
  const error_code error = co_await connection_.stream_.write_all(bytes, SteadyClock::now() + kWriteStall);
  if (error) wrapping.keep_alive = false;
}

net::awaitable<void> Exchange::refuse(const Refusal& refusal) {
  const Answer answer = answer_of(refusal);
  co_await respond(answer);
}

std::string Exchange::who() const {
  if (!app.name.empty()) return app.name;
  if (peer().uid) return "uid:" + std::to_string(*peer().uid);
  return "tcp:" + std::to_string(connection_.serial_);
}

void Exchange::begin(const Start& start) {
  answered_ = true;
  if (head.expects_continue && !asked_ && body_ && !body_->done()) wrapping.keep_alive = false;
  chunked_ = !start.bodiless && !start.length && head.minor == 1;
  until_close_ = !start.bodiless && !start.length && head.minor == 0;
  if (until_close_) wrapping.keep_alive = false;
  std::string& out = connection_.out_;
  out.assign("HTTP/1.1 ")
      .append(std::to_string(start.status))
      .append(" ")
      .append(start.reason)
      .append("\r\n");
  out.append(start.lines);
  append_wrapping(out, wrapping);
  if (start.length) out.append("Content-Length: ").append(std::to_string(*start.length)).append("\r\n");
  if (chunked_) out.append("Transfer-Encoding: chunked\r\n");
  out.append(wrapping.keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n");
}

void Exchange::break_off() {
  wrapping.keep_alive = false;
  if (until_close_) connection_.stream_.reset();  // an orderly end would look like a whole answer
}

void Exchange::add(std::string_view piece) {
  if (piece.empty() || wrapping.head_only) return;
  std::string& out = connection_.out_;
  if (!chunked_) {
    out.append(piece);
    return;
  }
  char size[20];
  const auto end = std::to_chars(size, size + sizeof size, piece.size(), 16).ptr;
  out.append(size, end).append("\r\n").append(piece).append("\r\n");
}

net::awaitable<bool> Exchange::flush() {
  std::string& out = connection_.out_;
  const error_code error = co_await connection_.stream_.write_all(out, SteadyClock::now() + kWriteStall);
  out.clear();
  if (out.capacity() > kKeepCapacity) std::string().swap(out);
  if (error) wrapping.keep_alive = false;
  co_return !error;
}

net::awaitable<bool> Exchange::finish() {
  if (chunked_ && !wrapping.head_only) connection_.out_.append("0\r\n\r\n");
  const bool done = co_await flush();
  co_return done;
}

void Exchange::watch(std::function<void()> gone) {
  connection_.gone_ = std::move(gone);
  connection_.arm_watch();
}

void Exchange::unwatch() {
  connection_.gone_ = nullptr;
}

net::awaitable<void> Exchange::send_and_close(std::string bytes) {
  answered_ = true;
  wrapping.keep_alive = false;
  const SteadyTime deadline = SteadyClock::now() + kCloseWithin;
  const error_code error = co_await connection_.stream_.write_all(bytes, deadline);
  char reply[512];
  if (!error) co_await connection_.stream_.read_some(reply, deadline);
}

Exchange::Taken Exchange::take_over() {
  answered_ = taken_ = true;
  return {std::move(connection_.stream_), std::move(connection_.received_),
          std::make_unique<Seat>(connection_.shared_, app, routed.scopes)};
}

std::variant<App, Refusal> Exchange::identify(std::string_view key) const {
  return connection_.context_.clients.identify(connection_.peer_, head, key);
}

std::variant<App, Refusal> Exchange::identify_peer() const {
  return connection_.context_.clients.identify(connection_.peer_);
}

bool Exchange::signs_in(const Header& header) const {
  return connection_.context_.clients.is_token(header);
}

std::optional<Refusal> Exchange::require(const App& who, unsigned any_of) const {
  return connection_.context_.clients.require(who, any_of, connection_.peer_);
}

Context& Exchange::context() const {
  return connection_.context_;
}

}  // namespace bridge55::local
