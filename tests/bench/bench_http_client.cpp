// The HTTP client alone: requests over keep-alive connections against a responder thread of the same process
// that answers each head with a fixed 1 KB answer. Prints requests a second and the CPU time of the client's
// thread a request, plain and over TLS.
//   bench_http_client [seconds] [connections] [CERT KEY]
#include "daemon/net/http_client.hpp"
#include "daemon/net/stream.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <pthread.h>
#include <string>
#include <thread>
#include <time.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace bridge55 {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using net::awaitable;

double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

class Responder {
 public:
  explicit Responder(std::shared_ptr<net::TlsContext> tls)
      : tls_(std::move(tls)), acceptor_(io_, {asio::ip::address_v4::loopback(), 0}) {
    answer_ =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-RateLimit-Limit: 60\r\n"
        "X-RateLimit-Remaining: 59\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 1024\r\n\r\n";
    answer_.append(1024, 'x');
    asio::co_spawn(io_, accept(), asio::detached);
    thread_ = std::thread([this] {
      ::pthread_setname_np(::pthread_self(), "responder");  // so that a profile tells the two apart
      io_.run();
    });
  }
  ~Responder() {
    io_.stop();
    thread_.join();
  }
  unsigned short port() const { return acceptor_.local_endpoint().port(); }

 private:
  awaitable<void> accept() {
    for (;;) {
      auto [error, socket] = co_await acceptor_.async_accept(asio::as_tuple(asio::use_awaitable));
      if (error) co_return;
      socket.set_option(tcp::no_delay(true));
      asio::co_spawn(io_, serve(socket.release()), asio::detached);
    }
  }
  awaitable<void> serve(int descriptor) {
    net::Stream stream(io_, descriptor);
    if (tls_) {
      const auto refused = co_await stream.tls_server(tls_, SteadyClock::now() + std::chrono::seconds(5));
      if (refused) co_return;
    }
    char room[4096];
    for (;;) {
      if (co_await stream.wait_readable()) co_return;
      const net::Transfer got = stream.try_read(room);
      if (got.error == asio::error::would_block) continue;
      if (got.error) co_return;
      const iovec piece{answer_.data(), answer_.size()};
      if (stream.try_write({&piece, 1}).error) co_return;
    }
  }

  asio::io_context io_{1};
  std::shared_ptr<net::TlsContext> tls_;
  tcp::acceptor acceptor_;
  std::string answer_;
  std::thread thread_;
};

struct Load {
  net::HttpPool& pool;
  SteadyTime until;
  std::uint64_t done = 0, failed = 0;
};

awaitable<void> request_on(Load& load) {
  net::BuiltRequest built;
  const net::HttpField fields[] = {{"X-API-Key", "0123456789abcdef0123456789abcdef"},
                                   {"Accept", "*/*"},
                                   {"User-Agent", "bench"},
                                   {"X-Request-Id", "0f9a6c1e"}};
  net::HttpRequest request;
  request.target = "/orders?status=open";
  request.host = load.pool.host_header();
  request.fields = fields;
  for (;;) {
    const SteadyTime now = SteadyClock::now();
    if (now >= load.until) co_return;
    const SteadyTime deadline = now + std::chrono::seconds(30);
    net::HttpCall call(load.pool);
    net::build_request(request, built);
    net::error_code error = co_await call.open({}, deadline);
    if (!error) error = co_await call.send(built, "", deadline);
    if (!error) error = co_await call.read_head(deadline);
    std::size_t size = 0;
    while (!error) {
      net::HttpCall::Piece piece;
      if (!call.try_body(piece)) piece = co_await call.read_body(deadline);
      error = piece.error;
      if (piece.data.empty()) break;
      size += piece.data.size();
    }
    call.finish();
    if (error || size != 1024) {
      if (load.failed++ == 0) std::fprintf(stderr, "failed: %s\n", call.trouble().c_str());
    } else {
      ++load.done;
    }
  }
}

void measure(const char* what, net::HttpPool::Settings settings, int seconds, int connections) {
  asio::io_context io{1};
  settings.cap = settings.max_idle = static_cast<std::size_t>(connections);
  net::HttpPool pool(io, std::move(settings));
  Load load{pool, SteadyClock::now() + std::chrono::seconds(seconds)};
  const double before = cpu_seconds();
  int left = connections;
  for (int i = 0; i < connections; ++i)
    asio::co_spawn(io, request_on(load), [&](std::exception_ptr) {
      if (--left == 0) pool.close();
    });
  io.run();
  const double cpu = cpu_seconds() - before;
  std::printf("%-5s %8.0f requests/s  %5.2f us CPU a request  (%llu failed, %llu connections)\n", what,
              static_cast<double>(load.done) / seconds, cpu * 1e6 / static_cast<double>(load.done),
              static_cast<unsigned long long>(load.failed),
              static_cast<unsigned long long>(pool.counts().opened));
}

}  // namespace
}  // namespace bridge55

int main(int count, char** arguments) {
  using namespace bridge55;
  const int seconds = count > 1 ? std::atoi(arguments[1]) : 3;
  const int connections = count > 2 ? std::atoi(arguments[2]) : 32;
  {
    Responder responder({});
    net::HttpPool::Settings settings;
    settings.url = "http://127.0.0.1:" + std::to_string(responder.port());
    measure("plain", settings, seconds, connections);
  }
  if (count < 5) return 0;
  Responder responder(net::TlsContext::server(arguments[3], arguments[4]));
  net::HttpPool::Settings settings;
  settings.url = "https://127.0.0.1:" + std::to_string(responder.port());
  settings.tls.verify = false;
  measure("tls", settings, seconds, connections);
}
