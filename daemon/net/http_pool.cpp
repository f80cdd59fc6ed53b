#include "daemon/net/http_client_impl.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <sys/socket.h>

#include <boost/asio/error.hpp>

namespace bridge55::net {
namespace {

using namespace std::chrono_literals;

constexpr auto kSweepEvery = 5s;

std::string process_environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody changes the environment
  return value == nullptr ? "" : value;
}

// Nothing to read is what a connection at rest has: an end or a word unasked makes it useless. The socket is
// asked first: over TLS that is a third of the cost, and OpenSSL holds nothing where the last read was not
// full. What is there may still be a session ticket, which OpenSSL takes without a word.
bool at_rest(HttpCall::Connection& connection) {
  char scratch[64];
  if (!connection.filled && ::recv(connection.stream.descriptor(), scratch, 1, MSG_PEEK | MSG_DONTWAIT) < 0)
    return errno == EAGAIN;
  const Transfer transfer = connection.stream.try_read(scratch);
  return transfer.error == asio::error::would_block && !transfer.wants_write;
}

}  // namespace

void HttpCall::Connection::set_room(std::size_t size) {
  if (size == room) return;
  buffer = std::make_unique_for_overwrite<char[]>(size);
  room = size;
}

HttpPool::Shared::Shared(asio::io_context& loop, Settings all)
    : io(loop),
      settings(std::move(all)),
      endpoint(parse_endpoint(settings.url)),
      watchdog(loop),
      sweeper(loop) {
  if (!settings.environment) settings.environment = process_environment;
  if (endpoint) proxy = choose_proxy(*endpoint, settings.proxy.reveal(), settings.environment);
}

void HttpPool::Shared::watch(Connection& connection, SteadyTime deadline) {
  connection.timed_out = false;
  connection.deadline = deadline;
  if (deadline >= watching_until) return;
  watching_until = deadline;
  watchdog.expires_at(deadline);
  watchdog.async_wait([weak = weak_from_this()](error_code error) {
    if (error) return;
    if (const auto self = weak.lock()) self->ring();
  });
}

void HttpPool::Shared::ring() {
  const SteadyTime now = SteadyClock::now();
  watching_until = SteadyTime::max();
  SteadyTime next = SteadyTime::max();
  Connection* first = nullptr;
  for (Connection* connection : busy) {
    if (connection->deadline <= now) {
      connection->deadline = SteadyTime::max();
      connection->timed_out = true;
      connection->stream.cancel();
    } else if (connection->deadline < next) {
      next = connection->deadline;
      first = connection;
    }
  }
  if (first != nullptr) watch(*first, next);
}

void HttpPool::Shared::join(Connection& connection) {
  connection.place = busy.size();
  busy.push_back(&connection);
}

void HttpPool::Shared::leave(Connection& connection) {
  busy.back()->place = connection.place;
  busy[connection.place] = busy.back();
  busy.pop_back();
}

std::unique_ptr<HttpCall::Connection> HttpPool::Shared::take_idle() {
  const SteadyTime oldest = SteadyClock::now() - settings.idle_timeout;
  while (!idle.empty()) {
    auto connection = std::move(idle.back());
    idle.pop_back();
    if (connection->idle_since <= oldest || !at_rest(*connection)) continue;
    join(*connection);
    ++reused;
    return connection;
  }
  return nullptr;
}

void HttpPool::Shared::keep(std::unique_ptr<Connection> connection) {
  if (closed || connection->generation != generation || settings.max_idle == 0) return;
  if (idle.size() >= settings.max_idle) idle.erase(idle.begin());
  if (connection->room > kReadBuffer) connection->set_room(kReadBuffer);
  connection->unread = {};
  connection->idle_since = SteadyClock::now();
  idle.push_back(std::move(connection));
  if (!sweeping) arm_sweep();
}

void HttpPool::Shared::arm_sweep() {
  sweeping = true;
  sweeper.expires_after(std::min<SteadyClock::duration>(kSweepEvery, settings.idle_timeout));
  sweeper.async_wait([weak = weak_from_this()](error_code error) {
    const auto self = weak.lock();
    if (error || !self) return;
    self->sweep();
  });
}

void HttpPool::Shared::sweep() {
  const SteadyTime oldest = SteadyClock::now() - settings.idle_timeout;
  std::erase_if(idle, [&](const auto& connection) {
    return connection->idle_since <= oldest || !at_rest(*connection);
  });
  sweeping = false;
  if (!idle.empty()) arm_sweep();
}

void HttpPool::Shared::lease_ended() {
  --leases;
  while (!closed && leases < settings.cap && !queue.empty()) {
    HttpCall::Turn* next = queue.front();
    queue.pop_front();
    ++leases;
    next->granted = true;
    next->timer.cancel();
  }
}

void HttpPool::Shared::close() {
  closed = true;
  idle.clear();
  for (HttpCall::Turn* turn : queue)
    turn->timer.cancel();
  for (Connection* connection : busy)
    connection->stream.cancel();
  watchdog.cancel();
  sweeper.cancel();
}

std::shared_ptr<TlsContext> HttpPool::Shared::tls_context() {
  if (!tls) tls = TlsContext::client(settings.tls);
  return tls;
}

HttpPool::Settings HttpPool::settings(const config::Upstream& upstream) {
  Settings settings;
  settings.url = upstream.url;
  settings.proxy = upstream.proxy;
  settings.tls = upstream.tls;
  settings.connect_timeout = upstream.timeouts.connect;
  return settings;
}

HttpPool::HttpPool(asio::io_context& io, Settings settings)
    : shared_(std::make_shared<Shared>(io, std::move(settings))) {}

HttpPool::~HttpPool() {
  close();
}

void HttpPool::close() {
  shared_->close();
}

void HttpPool::retire_idle() {
  ++shared_->generation;
  shared_->idle.clear();
}

awaitable<error_code> HttpPool::reach(Stream& stream, SteadyTime deadline, std::string& trouble) {
  const std::shared_ptr<Shared> shared = shared_;  // the pool may be gone before the connection stands
  const error_code error = co_await shared->reach(stream, deadline, trouble);
  co_return error;
}

const std::string& HttpPool::host_header() const {
  static const std::string kNone;
  return shared_->endpoint ? shared_->endpoint->host_header : kNone;
}

HttpPool::Counts HttpPool::counts() const {
  const Shared& s = *shared_;
  return {s.leases, s.idle.size(), s.queue.size(), s.opened, s.reused};
}

}  // namespace bridge55::net
