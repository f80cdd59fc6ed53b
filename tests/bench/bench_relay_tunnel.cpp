// The daemon's tunnel alone, as a plain-to-TLS forwarder: what a relay costs once its handshakes are over.
// For bench_relay.py.
//
//   bench_relay_tunnel PORT PEER_PORT CA_FILE
#include "daemon/local/tunnel.hpp"
#include "daemon/net/stream.hpp"

#include <arpa/inet.h>
#include <cstdio>
#include <cstdlib>
#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

namespace {

namespace asio = boost::asio;
using namespace bridge55;

struct Forwarder {
  asio::io_context io{1};
  std::shared_ptr<net::TlsContext> context;
  std::uint16_t peer = 0;
};

asio::awaitable<void> forward(Forwarder& all, net::Stream app) {
  const SteadyTime deadline = SteadyClock::now() + std::chrono::seconds(10);
  net::Stream far(all.io);
  net::error_code error = co_await far.connect("127.0.0.1", all.peer, deadline);
  if (!error) error = co_await far.tls_client(all.context, "localhost", true, deadline);
  if (error) {
    std::fprintf(stderr, "%s %s\n", error.message().c_str(), far.trouble().c_str());
    co_return;
  }
  local::Tunnel::Setup setup{std::move(app), std::move(far), {}, {}, nullptr, nullptr};
  std::make_shared<local::Tunnel>(all.io, std::move(setup))->start();
}

asio::awaitable<void> accept(Forwarder& all, net::Stream listener) {
  for (;;) {
    co_await listener.wait_readable();
    for (int one;
         (one = ::accept4(listener.descriptor(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;)
      asio::co_spawn(all.io, forward(all, net::Stream(all.io, one)), asio::detached);
  }
}

}  // namespace

int main(int count, char** words) {
  if (count != 4) return 64;
  Forwarder all;
  config::ClientTls settings;
  settings.ca_file = words[3];
  all.context = net::TlsContext::client(settings);
  all.peer = static_cast<std::uint16_t>(std::atoi(words[2]));
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(words[1])));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener, 4096) != 0) {
    std::perror("bench_relay_tunnel");
    return 1;
  }
  asio::co_spawn(all.io, accept(all, net::Stream(all.io, listener)), asio::detached);
  all.io.run();
}
