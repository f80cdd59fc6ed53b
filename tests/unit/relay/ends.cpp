#include "tests/unit/relay/ends.hpp"

#include "tests/unit/net/run.hpp"
#include "tests/unit/net/tls_pair.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/error.hpp>

namespace bridge55::test {
namespace {

namespace asio = boost::asio;
using asio::awaitable;

Pair tcp_pair(asio::io_context& io) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::listen(listener, 1), 0);
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(::connect(client, reinterpret_cast<sockaddr*>(&address), size), 0);
  const int server = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  ::close(listener);
  return {net::Stream(io, client), net::Stream(io, server)};
}

Pair connection(asio::io_context& io, Wire wire, Buffers buffers) {
  Pair pair = wire == Wire::pair ? make_pair(io) : tcp_pair(io);
  const int bytes = 64 << 10;
  for (const net::Stream* stream : {&pair.a, &pair.b}) {
    if (buffers == Buffers::as_they_are) break;
    EXPECT_EQ(::setsockopt(stream->descriptor(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes), 0);
    EXPECT_EQ(::setsockopt(stream->descriptor(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes), 0);
  }
  return pair;
}

struct Contexts {
  TempDirectory directory;
  Certificate certificate = make_certificate(directory.path(), {});
  std::shared_ptr<net::TlsContext> server =
      net::TlsContext::server(certificate.cert_file, certificate.key_file);
  std::shared_ptr<net::TlsContext> client = net::TlsContext::client(trusting());

  config::ClientTls trusting() const {
    config::ClientTls settings;
    settings.ca_file = certificate.cert_file;
    return settings;
  }
};

awaitable<void> greet(net::Stream& client, std::shared_ptr<net::TlsContext> context) {
  const net::error_code error = co_await client.tls_client(context, "localhost", true, soon());
  EXPECT_FALSE(error) << client.trouble();
}

awaitable<void> answer(net::Stream& server, std::shared_ptr<net::TlsContext> context) {
  const net::error_code error = co_await server.tls_server(context, soon());
  EXPECT_FALSE(error) << server.trouble();
}

}  // namespace

std::size_t kernel_holds(Wire wire, Buffers buffers) {
  asio::io_context io;
  Pair pair = connection(io, wire, buffers);
  const std::string bytes(16u << 10, 'x');
  const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  pollfd room{pair.a.descriptor(), POLLOUT, 0};
  std::size_t held = 0;
  while (::poll(&room, 1, 100) == 1) {  // what one socket has sent on makes room again
    const net::Transfer transfer = pair.a.try_write({&piece, 1});
    held += transfer.bytes;
    if (transfer.error && transfer.error != asio::error::would_block) break;
  }
  return held;
}

void Peer::work() {
  while (!has_said_all() && stream.is_open()) {
    const iovec piece{to_say.data() + said, to_say.size() - said};
    const net::Transfer transfer = stream.try_write({&piece, 1});
    said += transfer.bytes;
    if (transfer.error) break;
  }
  static char room[64u << 10];
  while (reads && !ended && stream.is_open()) {
    const net::Transfer transfer = stream.try_read(room);
    heard.append(room, transfer.bytes);
    if (transfer.error == asio::error::would_block) break;
    ended = transfer.error;
  }
}

Joined::Joined(Wire wire, std::string from_app, std::string from_far, Buffers buffers)
    : app(net::Stream(io)), far(net::Stream(io)) {
  Pair near = connection(io, wire, buffers), beyond = connection(io, wire, buffers);
  if (wire == Wire::tls) {
    static const Contexts contexts;
    run(io, greet(beyond.a, contexts.client), answer(beyond.b, contexts.server));
    io.restart();
  }
  app.stream = std::move(near.a);
  far.stream = std::move(beyond.b);
  const auto made = std::make_shared<local::Tunnel>(
      io,
      local::Tunnel::Setup{std::move(near.b), std::move(beyond.a), std::move(from_app), std::move(from_far),
                           nullptr, [this](const local::TunnelEnd& how) { end = how; }});
  tunnel = made;
  made->start();
}

Joined::~Joined() {
  if (const auto left = tunnel.lock()) left->stop();
  io.restart();
  io.poll();
}

bool Joined::until(const std::function<bool()>& holds) {
  const SteadyTime limit = SteadyClock::now() + std::chrono::seconds(20);
  for (;;) {
    app.work();
    far.work();
    io.restart();
    io.run_one_for(std::chrono::milliseconds(1));
    io.poll();
    if (holds()) return true;
    if (SteadyClock::now() > limit) return false;
  }
}

void Joined::turns(int count) {
  for (int i = 0; i < count; ++i) {
    app.work();
    far.work();
    io.restart();
    io.poll();
  }
}

}  // namespace bridge55::test
