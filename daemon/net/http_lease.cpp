// How a call gets its connection, and gives it back.
#include "daemon/net/http_client_impl.hpp"

#include <algorithm>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace bridge55::net {

HttpCall::Turn::Turn(HttpPool::Shared& owner, HttpCall& call) : shared(owner), waiter(call), timer(owner.io) {
  shared.queue.push_back(this);
  waiter.turn_ = this;
}

HttpCall::Turn::~Turn() {
  waiter.turn_ = nullptr;
  std::erase(shared.queue, this);
  if (granted && !taken) shared.lease_ended();
}

HttpCall::HttpCall(HttpPool& pool) : shared_(pool.shared_) {}

HttpCall::~HttpCall() {
  release(false);
}

void HttpCall::cancel() {
  cancelled_ = true;
  if (turn_ != nullptr) turn_->timer.cancel();
  if (connection_) connection_->stream.cancel();
}

void HttpCall::release(bool reusable) {
  if (connection_) {
    shared_->leave(*connection_);
    if (reusable) shared_->keep(std::move(connection_));
    connection_.reset();
  }
  if (!leased_) return;
  leased_ = false;
  shared_->lease_ended();
}

awaitable<error_code> HttpCall::open(Lease lease, SteadyTime deadline) {
  release(false);
  touched_ = reused_ = all_sent_ = has_head_ = false;
  trouble_.clear();
  if (stopped()) co_return failed(asio::error::operation_aborted);
  HttpPool::Shared& s = *shared_;
  if (lease.beyond_cap || (s.leases < s.settings.cap && s.queue.empty())) {
    ++s.leases;
  } else if (const error_code error = co_await wait_turn(deadline)) {
    co_return error;
  }
  leased_ = true;
  if (!lease.fresh) connection_ = s.take_idle();
  reused_ = connection_ != nullptr;
  if (reused_) co_return error_code{};
  const error_code error = co_await connect(deadline);
  if (error) release(false);
  co_return error;
}

awaitable<error_code> HttpCall::wait_turn(SteadyTime deadline) {
  Turn turn(*shared_, *this);
  turn.timer.expires_at(deadline);
  co_await turn.timer.async_wait(asio::as_tuple(asio::use_awaitable));
  if (stopped()) co_return failed(asio::error::operation_aborted);
  if (!turn.granted) co_return failed(HttpError::crowded, "too many requests to upstream at a time");
  turn.taken = true;
  co_return error_code{};
}

awaitable<error_code> HttpCall::connect(SteadyTime deadline) {
  HttpPool::Shared& s = *shared_;
  connection_ = std::make_unique<Connection>(s.io);
  connection_->generation = s.generation;
  s.join(*connection_);
  ++s.opened;
  std::string trouble;
  const error_code error = co_await s.reach(connection_->stream, deadline, trouble);
  if (error || stopped()) co_return failed(error, trouble);
  co_return error_code{};
}

awaitable<error_code> HttpPool::Shared::reach(Stream& stream, SteadyTime deadline, std::string& trouble) {
  if (!endpoint) {
    trouble = "url is not an HTTP URL";
    co_return HttpError::unusable;
  }
  if (!proxy.trouble.empty()) {
    trouble = proxy.trouble;
    co_return HttpError::unusable;
  }
  const SteadyTime until = std::min(deadline, SteadyClock::now() + settings.connect_timeout);
  const std::string host = proxy.proxy ? proxy.proxy->host : endpoint->host;
  const std::uint16_t port = proxy.proxy ? proxy.proxy->port : endpoint->port;
  const std::string name = endpoint->host;
  error_code error = co_await stream.connect(host, port, until);
  if (!error && proxy.proxy) {
    const std::string credentials = proxy.proxy->basic_credentials;
    error = co_await stream.proxy_connect(name, endpoint->port, credentials, until);
  }
  if (!error && endpoint->tls) {
    std::shared_ptr<TlsContext> context;
    try {
      context = tls_context();
    } catch (const std::exception& fault) {
      trouble = fault.what();
      co_return HttpError::unusable;
    }
    error = co_await stream.tls_client(context, name, true, until);
    if (error == Error::verify) tls.reset();  // a ca_file that is replaced is read again
  }
  trouble = stream.trouble();
  co_return error;
}

void HttpCall::finish() {
  if (!connection_) return;
  Connection& c = *connection_;
  std::string_view nothing, piece;
  const bool at_end = has_head_ && c.decoder.next(nothing, piece) == BodyDecoder::State::end;
  release(at_end && all_sent_ && c.unread.empty() && c.parser.head().keep_alive && !stopped());
}

}  // namespace bridge55::net
