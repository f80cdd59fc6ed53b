#include "daemon/local/listener.hpp"

#include "daemon/base/clock.hpp"
#include "daemon/base/log.hpp"
#include "daemon/net/keep_alive.hpp"

#include <cerrno>
#include <chrono>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace bridge55::local {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr int kAcceptsAtOnce = 64;  // then other sockets get their turn
constexpr std::chrono::milliseconds kBackoff{100};
constexpr std::chrono::seconds kQuiet{10};  // between two log lines about the same shortage

bool out_of_something(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

void tune(int descriptor, bool tcp) {
  if (!tcp) return;
  const int on = 1;
  // BBR, where it is the system's choice, paces and now and then starves a stream that never leaves the
  // machine.
  constexpr std::string_view kCongestion = "reno";
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_CONGESTION, kCongestion.data(), kCongestion.size());
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // No TCP_USER_TIMEOUT: it would cut an app that reads slowly (tcp(7): a closed window counts).
  net::keep_alive(descriptor);
}

}  // namespace

struct Listener::State {
  State(asio::io_context& loop, BoundSocket bound, Handlers handlers_)
      : socket(std::move(bound)),
        descriptor(loop, socket.release_descriptor()),
        timer(loop),
        handlers(std::move(handlers_)) {}

  BoundSocket socket;
  asio::posix::stream_descriptor descriptor;
  asio::steady_timer timer;
  Handlers handlers;
  bool closed = false;
  SteadyTime said{};

  // Takes what waits; errno of what stopped it, 0 where there may be more.
  int accept_some() {
    for (int i = 0; i < kAcceptsAtOnce; ++i) {
      const int accepted =
          ::accept4(descriptor.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (accepted < 0) return errno;
      tune(accepted, !socket.host().empty());
      handlers.accepted(accepted);
    }
    return 0;
  }

  void complain(int error) {
    const SteadyTime now = SteadyClock::now();
    if (now - said < kQuiet) return;
    said = now;
    log::warning("a connection cannot be accepted",
                 {{"listener", socket.text()},
                  {"error", error_code(error, boost::system::system_category()).message()}});
  }

  static asio::awaitable<void> run(std::shared_ptr<State> self) {
    while (!self->closed) {
      const auto token = asio::as_tuple(asio::use_awaitable);
      const auto [error] =
          co_await self->descriptor.async_wait(asio::posix::stream_descriptor::wait_read, token);
      if (error || self->closed) co_return;
      const int stopped = self->accept_some();
      if (!out_of_something(stopped)) continue;
      self->complain(stopped);
      if (self->handlers.make_room()) continue;
      // The socket stays readable: without a pause this would spin.
      self->timer.expires_after(kBackoff);
      co_await self->timer.async_wait(token);
    }
  }
};

Listener::Listener(asio::io_context& io, BoundSocket socket, Handlers handlers)
    : state_(std::make_shared<State>(io, std::move(socket), std::move(handlers))) {
  asio::co_spawn(io, State::run(state_), asio::detached);
}

Listener::~Listener() {
  state_->closed = true;
  state_->handlers = {[](int descriptor) { ::close(descriptor); }, [] { return false; }};
  error_code ignored;
  state_->timer.cancel();
  state_->descriptor.close(ignored);
  state_->socket = BoundSocket();  // removes the file now, not when the coroutine has ended
}

const BoundSocket& Listener::socket() const {
  return state_->socket;
}

Peer peer_of(int descriptor, bool unix_socket) {
  Peer peer;
  peer.unix_socket = unix_socket;
  if (!unix_socket) return peer;
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return peer;
  peer.uid = credentials.uid;
  peer.groups.assign(64, 0);
  for (int attempt = 0; attempt < 2; ++attempt) {
    socklen_t bytes = static_cast<socklen_t>(peer.groups.size() * sizeof(gid_t));
    const bool good = ::getsockopt(descriptor, SOL_SOCKET, SO_PEERGROUPS, peer.groups.data(), &bytes) == 0;
    const bool larger = !good && errno == ERANGE;
    peer.groups.resize(good || larger ? bytes / sizeof(gid_t) : 0);
    if (!larger) break;
  }
  peer.groups.push_back(credentials.gid);
  return peer;
}

}  // namespace bridge55::local
