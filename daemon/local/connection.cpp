#include "daemon/local/connection.hpp"

#include "daemon/base/log.hpp"
#include "daemon/local/context.hpp"
#include "daemon/local/endpoints.hpp"
#include "daemon/local/handler.hpp"
#include "daemon/local/web_socket.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace bridge55::local {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using namespace std::chrono_literals;

constexpr auto kIdle = 75s;  // between two requests
constexpr auto kLinger =
    1s;  // after a refusal: what the app still sends is read, or a reset would destroy the answer
constexpr std::size_t kReadSize = 16u << 10;
constexpr unsigned kReadsAtOnce = 8, kPipelinedAtOnce = 8;  // then everybody else has a turn
constexpr std::size_t kPipelined = 64u << 10;  // requests that may wait behind the one being served
constexpr std::size_t kDiscard = 256u
                                 << 10;  // of a body nobody wanted, before the connection is closed instead

Refusal draining() {
  return Refusal{503, "DRAINING", "the daemon is stopping", {}, {}};
}

std::uint64_t next_serial() {
  static std::uint64_t last = 0;
  return ++last;
}

}  // namespace

// Left armed between requests: then it is the next request that ends it, and nobody listens.
void Connection::arm_watch() {
  if (std::exchange(watching_, true)) return;
  stream_.when_readable([weak = weak_from_this()](error_code error) {
    const auto self = weak.lock();
    if (self) self->readable(error);
  });
}

void Connection::readable(error_code error) {
  watching_ = false;
  if (!gone_ || error) return;
  while (received_.size() < kPipelined) {
    char piece[4096];
    const net::Transfer transfer = stream_.try_read(piece);
    if (transfer.error == asio::error::would_block) return arm_watch();
    if (transfer.error) return std::exchange(gone_, nullptr)();
    received_.append(piece, transfer.bytes);
  }
}

Connection::Connection(std::shared_ptr<Context> context, Setup setup)
    : shared_(std::move(context)),
      context_(*shared_),
      stream_(std::move(setup.stream)),
      peer_(std::move(setup.peer)),
      door_(std::move(setup.door)),
      tls_(std::move(setup.tls)),
      over_limit_(setup.over_limit),
      serial_(next_serial()) {
  context_.connections.add(*this);
}

Connection::~Connection() {
  context_.connections.remove(*this);
}

void Connection::start() {
  asio::co_spawn(context_.io, run(shared_from_this()), asio::detached);
}

void Connection::close() {
  closing_ = true;
  stream_.cancel();
}

net::awaitable<void> Connection::run(std::shared_ptr<Connection> self) {
  if (self->tls_) {
    const error_code error = co_await self->stream_.tls_server(
        self->tls_, SteadyClock::now() + self->context_.http.header_timeout);
    if (error) co_return;
  }
  for (unsigned pipelined = 0;;) {
    const bool go_on = co_await self->serve_one();
    if (!go_on) co_return;
    if (self->received_.empty()) {
      pipelined = 0;
    } else if (++pipelined % kPipelinedAtOnce == 0) {
      co_await asio::post(self->context_.io, asio::use_awaitable);
    }
  }
}

net::awaitable<error_code> Connection::read_more(SteadyTime deadline) {
  static thread_local std::array<char, kReadSize> scratch;  // nothing is cleared for each read
  if (++reads_at_once_ > kReadsAtOnce) {  // an app that sends without end: everybody else has a turn
    reads_at_once_ = 0;
    co_await asio::post(context_.io, asio::use_awaitable);
    if (SteadyClock::now() >= deadline) co_return asio::error::timed_out;
  }
  const net::Transfer transfer = stream_.try_read(scratch);
  received_.append(scratch.data(), transfer.bytes);
  if (transfer.error != asio::error::would_block) co_return transfer.error;
  reads_at_once_ = 0;
  // Nothing is held while nothing comes: ten thousand idle connections must cost little.
  if (received_.empty()) std::string().swap(received_);
  const error_code error = co_await stream_.wait_readable(deadline);
  co_return error;
}

// A head of status 0: nothing came, nothing is answered.
net::awaitable<std::variant<Head, Refusal>> Connection::read_head() {
  using Result = std::variant<Head, Refusal>;
  HeadScanner scanner(context_.http.max_header.count);
  const bool begun = !received_.empty();
  SteadyTime deadline =
      SteadyClock::now() + (first_ || begun ? context_.http.header_timeout : config::Duration(kIdle));
  bool timing_header = first_ || begun;
  while (!closing_) {
    const HeadScanner::State state = scanner.scan(received_);
    if (state == HeadScanner::State::refused) co_return Result(scanner.refusal());
    if (state == HeadScanner::State::complete) {
      idle_ = first_ = false;
      const std::string head = received_.substr(0, scanner.size());
      received_.erase(0, scanner.size());
      co_return parse_head(head);
    }
    if (!received_.empty() && !std::exchange(timing_header, true))
      deadline = SteadyClock::now() + context_.http.header_timeout;
    idle_ = received_.empty() || first_;
    const error_code error = co_await read_more(deadline);
    if (!error) continue;
    if (error != asio::error::timed_out || received_.empty()) break;
    co_return Result(Refusal{408, "TIMEOUT", "the header did not come within http.header_timeout", {}, {}});
  }
  co_return Result(Refusal{0, {}, {}, {}, {}});
}

net::awaitable<bool> Connection::serve_one() {
  std::variant<Head, Refusal> read = co_await read_head();
  if (const auto* refusal = std::get_if<Refusal>(&read)) {
    if (refusal->status == 0) co_return false;
    const Head none;
    Exchange exchange(*this, none);
    exchange.wrapping.keep_alive = false;
    exchange.wrapping.request_id = request_id({});
    co_await exchange.refuse(*refusal);
    co_await linger();
    co_return false;
  }
  const Head& head = std::get<Head>(read);
  Exchange exchange(*this, head);
  exchange.body_.emplace(head, context_.http.max_body.count);
  exchange.wrapping.keep_alive = head.keep_alive && !context_.draining && !over_limit_;
  exchange.wrapping.head_only = head.method == "HEAD";
  exchange.wrapping.request_id = request_id(head.get("x-request-id"));
  std::string failure;
  try {
    co_await answer(exchange);
  } catch (const std::exception& error) {
    failure = error.what();
  }
  if (!failure.empty()) {
    exchange.unwatch();
    log::error("a request handler failed", {{"path", exchange.target.path}, {"error", failure}});
    if (exchange.answered_) co_return false;
    const Refusal refusal{500, "INTERNAL", "a bug in the daemon; its log says more", {}, {}};
    co_await exchange.refuse(refusal);
  }
  const bool go_on = co_await finish(exchange);
  co_return go_on;
}

std::variant<Routed, Refusal> Connection::find_route(const Exchange& exchange) const {
  for (Handler* handler : context_.providers.handlers) {
    auto found = handler->find(exchange.head, exchange.target);
    if (!found) continue;
    if (auto* refusal = std::get_if<Refusal>(&*found)) return std::move(*refusal);
    return Routed{Endpoint::handler, std::get<unsigned>(*found), {}, handler};
  }
  return route(exchange.head.method, exchange.target.path);
}

// Everything that is decided before a handler runs, in the order in which it protects.
std::optional<Refusal> Connection::check(Exchange& exchange) {
  Admission admission = admit(exchange.head, *door_, context_.http);
  exchange.wrapping.cors_origin = std::move(admission.cors_origin);
  if (admission.refusal) return admission.refusal;
  if (exchange.body_->refused()) return exchange.body_->refusal();
  auto target = parse_target(exchange.head.target);
  if (auto* refusal = std::get_if<Refusal>(&target)) return std::move(*refusal);
  exchange.target = std::get<Target>(std::move(target));
  if (auto refusal = refuse_secrets_in_url(exchange.target.query)) return refusal;
  auto routed = find_route(exchange);
  if (auto* refusal = std::get_if<Refusal>(&routed)) {
    auto stranger =
        context_.clients.identify(peer_, exchange.head);  // who may do nothing here is not told what is here
    if (auto* unknown = std::get_if<Refusal>(&stranger)) return std::move(*unknown);
    return std::move(*refusal);
  }
  exchange.routed = std::get<Routed>(std::move(routed));
  if (exchange.routed.scopes == 0) return {};
  auto app = context_.clients.identify(peer_, exchange.head);
  if (auto* refusal = std::get_if<Refusal>(&app)) return std::move(*refusal);
  exchange.app = std::get<App>(std::move(app));
  return context_.clients.require(exchange.app, exchange.routed.scopes, peer_);
}

net::awaitable<void> Connection::answer(Exchange& exchange) {
  std::optional<Refusal> refusal = check(exchange);
  const bool preflight = !exchange.wrapping.cors_origin.empty() && exchange.head.method == "OPTIONS" &&
                         exchange.head.find("access-control-request-method") != nullptr;
  if (preflight) {
    const Answer allowed = preflight_answer();
    co_await exchange.respond(allowed);
    co_return;
  }
  if (!refusal && over_limit_ && wants_web_socket(exchange.head)) {
    co_await refuse_web_socket(exchange, 1013, "the connection limit is reached");
    co_return;
  }
  if (!refusal && over_limit_) {
    refusal = Refusal{503,
                      "RATE_LIMITED",
                      "the connection limit (http.max_connections) is reached",
                      {{"Retry-After", "1"}},
                      {}};
  }
  const Endpoint asked = exchange.routed.endpoint;
  if (!refusal && context_.draining && (asked == Endpoint::events || asked == Endpoint::handler))
    refusal = draining();
  if (refusal) {
    // Whatever stands below it, nothing of it becomes part of this origin (contract, section 5).
    if (exchange.head.target.starts_with("/via/") && refusal->headers.empty())
      refusal->headers.emplace_back("Content-Security-Policy", "sandbox; default-src 'none'");
    co_await exchange.refuse(*refusal);
  } else if (exchange.routed.handler) {
    co_await exchange.routed.handler->serve(exchange);
    exchange.unwatch();
  } else {
    co_await serve(context_, exchange);
  }
}

// Whether the connection can carry another request: the body of this one must be out of the way.
net::awaitable<bool> Connection::finish(Exchange& exchange) {
  if (exchange.taken_) co_return false;
  std::size_t discarded = 0;
  const bool would_come = !exchange.head.expects_continue || exchange.asked_;
  while (exchange.wrapping.keep_alive && !exchange.body_->done() && would_come && discarded < kDiscard) {
    const auto piece = co_await exchange.read_some();
    if (std::holds_alternative<Refusal>(piece)) break;
    discarded += std::get<std::string_view>(piece).size();
  }
  if (exchange.wrapping.keep_alive && exchange.body_->done() && !closing_ && !context_.draining) {
    received_.erase(0, exchange.consumed_);
    co_return true;
  }
  if (!exchange.body_->done()) co_await linger();
  co_return false;
}

net::awaitable<void> Connection::linger() {
  if (!stream_.is_open() || stream_.is_tls()) co_return;
  ::shutdown(stream_.descriptor(), SHUT_WR);
  const SteadyTime deadline = SteadyClock::now() + kLinger;
  for (;;) {
    received_.clear();
    const error_code error = co_await read_more(deadline);
    if (error || SteadyClock::now() > deadline) co_return;
  }
}

void Connections::remove(Connection& connection) {
  std::erase(all_, &connection);
}

bool Connections::close_an_idle_one() {
  const auto it = std::find_if(all_.begin(), all_.end(), [](const Connection* c) { return c->idle(); });
  if (it == all_.end()) return false;
  Connection* oldest = *it;
  all_.erase(it);
  oldest->close();
  return true;
}

void Connections::close_idle() {
  for (Connection* connection : all_) {
    if (connection->idle()) connection->close();
  }
}

void Connections::close_all() {
  for (Connection* connection : all_)
    connection->close();
}

}  // namespace bridge55::local
