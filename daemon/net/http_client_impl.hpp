// What http_client.cpp and http_pool.cpp share; heavy, and included by these alone.
#pragma once

#include "daemon/net/http_client.hpp"
#include "daemon/net/stream.hpp"

#include <deque>
#include <optional>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace bridge55::net {

namespace asio = boost::asio;

constexpr std::size_t kReadBuffer = 16u << 10;
constexpr std::size_t kMaxReadBuffer = 128u << 10;  // a long body gets there

struct HttpCall::Connection {
  explicit Connection(asio::io_context& io) : stream(io) { set_room(kReadBuffer); }
  void set_room(std::size_t size);

  Stream stream;
  std::unique_ptr<char[]> buffer;
  std::size_t room = 0;
  std::string_view unread;   // in the buffer
  bool filled = false;       // the last read filled the buffer: there is probably more
  bool wants_write = false;  // reading waits for room to write: TLS renews its keys
  ResponseParser parser;
  BodyDecoder decoder;

  SteadyTime deadline = SteadyTime::max();  // of the wait under way
  bool timed_out = false;
  std::size_t place = 0;  // in Shared::busy
  std::uint64_t generation = 0;
  SteadyTime idle_since;
};

// Shared by the pool and its calls, which may outlive it.
struct HttpPool::Shared : std::enable_shared_from_this<HttpPool::Shared> {
  using Connection = HttpCall::Connection;
  Shared(asio::io_context& loop, Settings all);

  // One timer watches the deadlines of all waits: setting one costs a comparison, where a timer of its own
  // would cost each request two queue operations and a handler.
  void watch(Connection& connection, SteadyTime deadline);
  void ring();

  void join(Connection& connection);  // in use from here on
  void leave(Connection& connection);
  std::unique_ptr<Connection> take_idle();
  void keep(std::unique_ptr<Connection> connection);
  void sweep();
  void arm_sweep();
  void lease_ended();  // the next in the queue has its turn
  void close();
  std::shared_ptr<TlsContext> tls_context();  // throws in words
  awaitable<error_code> reach(Stream& stream, SteadyTime deadline, std::string& trouble);

  asio::io_context& io;
  Settings settings;
  std::optional<Endpoint> endpoint;
  ProxyChoice proxy;
  std::shared_ptr<TlsContext> tls;
  std::vector<Connection*> busy;
  std::vector<std::unique_ptr<Connection>> idle;  // the newest last
  std::deque<HttpCall::Turn*> queue;
  std::size_t leases = 0;
  std::uint64_t generation = 0, opened = 0, reused = 0;
  asio::steady_timer watchdog, sweeper;
  SteadyTime watching_until = SteadyTime::max();
  bool sweeping = false, closed = false;
};

// A place in the queue. Gives its turn back where its coroutine is destroyed before it took it.
struct HttpCall::Turn {
  Turn(HttpPool::Shared& owner, HttpCall& call);
  ~Turn();
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  HttpPool::Shared& shared;
  HttpCall& waiter;
  asio::steady_timer timer;
  bool granted = false, taken = false;
};

}  // namespace bridge55::net
