// Getting a connected socket: names, addresses, proxies.
#include "daemon/net/keep_alive.hpp"
#include "daemon/net/stream_impl.hpp"

#include <charconv>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace bridge55::net {

using boost::asio::ip::tcp;

// A resolution that can be given up: getaddrinfo itself cannot, so it goes on in the resolver's thread and
// its result is dropped.
struct Resolution {
  explicit Resolution(asio::io_context& io) : resolver(io), done(io) {}
  tcp::resolver resolver;
  asio::steady_timer done;
  bool answered = false, given_up = false;
  error_code error;
  std::vector<tcp::endpoint> addresses;
};

namespace {

constexpr std::size_t kMaxProxyHead = 16u << 10;

awaitable<error_code> resolve(std::shared_ptr<Resolution> shared, std::string host, std::uint16_t port,
                              SteadyTime deadline) {
  error_code not_numeric;
  const auto address = asio::ip::make_address(host, not_numeric);
  if (!not_numeric) {
    shared->addresses.emplace_back(address, port);
    co_return error_code{};
  }
  shared->done.expires_at(deadline);
  shared->resolver.async_resolve(host, std::to_string(port), tcp::resolver::numeric_service,
                                 [shared](error_code error, const tcp::resolver::results_type& results) {
                                   shared->answered = true;
                                   shared->error = error;
                                   for (const auto& result : results)
                                     shared->addresses.push_back(result.endpoint());
                                   shared->done.cancel();
                                 });
  co_await shared->done.async_wait(asio::as_tuple(asio::use_awaitable));
  if (shared->given_up) co_return asio::error::operation_aborted;
  if (!shared->answered) co_return asio::error::timed_out;
  co_return shared->error;
}

// Bytes that nobody acknowledges are found by the kernel too.
void set_options(int descriptor) {
  const int on = 1;
  const unsigned unacknowledged_ms = 60'000;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  keep_alive(descriptor);
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms, sizeof unacknowledged_ms);
}

std::string authority(const std::string& host, std::uint16_t port) {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

// The status of `HTTP/1.x NNN …`, or 0 where the head is no such thing.
unsigned status_of(std::string_view head) {
  if (head.size() < 12 || !head.starts_with("HTTP/1.") || head[8] != ' ') return 0;
  unsigned status = 0;
  const auto [end, error] = std::from_chars(head.data() + 9, head.data() + 12, status);
  if (error != std::errc{} || end != head.data() + 12) return 0;
  return head.size() == 12 || head[12] == ' ' || head[12] == '\r' ? status : 0;
}

}  // namespace

void keep_alive(int descriptor) {
  const int on = 1, idle = 30, interval = 10, probes = 3;
  ::setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

awaitable<error_code> Stream::Impl::connect_one(int family, const sockaddr* address, socklen_t size,
                                                SteadyTime deadline) {
  const int descriptor = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) co_return error_code(errno, boost::system::system_category());
  adopt(descriptor);
  if (!socket.is_open()) co_return asio::error::no_descriptors;
  if (::connect(descriptor, address, size) == 0) co_return error_code{};
  if (errno != EINPROGRESS) co_return error_code(errno, boost::system::system_category());
  const error_code waited = co_await wait(true, deadline);
  if (waited) co_return waited;
  error_code assigned;
  int failure = 0;
  socklen_t length = sizeof failure;
  ::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &failure, &length);
  // Asio goes on watching for room to write once it has waited for it, and is then woken for that at every
  // later wait: a descriptor that is given to it anew is watched for reading alone.
  if (failure == 0) {
    const int connected = socket.release();
    socket.assign(connected, assigned);
    if (assigned) ::close(connected);
    if (assigned) co_return assigned;
  }
  co_return error_code(failure, boost::system::system_category());
}

awaitable<error_code> Stream::connect(std::string host, std::uint16_t port, SteadyTime deadline) {
  Impl& s = *impl_;
  s.trouble.clear();
  if (host.starts_with('/')) {  // a UNIX socket
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (host.size() >= sizeof address.sun_path) co_return asio::error::name_too_long;
    host.copy(address.sun_path, host.size());
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    const error_code error = co_await s.connect_one(AF_UNIX, generic, sizeof address, deadline);
    if (error) s.trouble = host + ": " + error.message();
    co_return error;
  }
  const auto resolution = std::make_shared<Resolution>(s.io);
  s.resolution = resolution;
  error_code error = co_await resolve(resolution, host, port, deadline);
  if (error == asio::error::operation_aborted) co_return error;
  const std::vector<tcp::endpoint> addresses = resolution->addresses;
  if (!error && addresses.empty()) error = asio::error::host_not_found;
  if (error) s.trouble = "name " + host + ": " + error.message();
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    // An address that swallows packets must leave time for the others.
    const SteadyTime now = SteadyClock::now();
    const SteadyTime until = now + (deadline - now) / static_cast<long>(addresses.size() - i);
    const tcp::endpoint& at = addresses[i];
    error =
        co_await s.connect_one(at.protocol().family(), at.data(), static_cast<socklen_t>(at.size()), until);
    if (!error) {
      set_options(descriptor());
      s.trouble.clear();
      break;
    }
    if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) co_return error;
    if (!s.trouble.empty()) s.trouble += "; ";
    s.trouble += authority(at.address().to_string(), port) + ": " + error.message();
  }
  if (error) {
    error_code ignored;
    s.socket.close(ignored);
  }
  co_return error;
}

void Stream::Impl::give_up_resolving() {
  const auto under_way = resolution.lock();
  if (!under_way) return;
  under_way->given_up = true;
  under_way->done.cancel();
}

awaitable<error_code> Stream::proxy_connect(std::string host, std::uint16_t port,
                                            std::string basic_credentials, SteadyTime deadline) {
  Impl& s = *impl_;
  const std::string target = authority(host, port);
  std::string request = "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n";
  if (!basic_credentials.empty()) request += "Proxy-Authorization: Basic " + basic_credentials + "\r\n";
  request += "\r\n";
  error_code error = co_await write_all(request, deadline);
  // The head is looked at before it is taken: what follows it belongs to the tunnel.
  std::string head;
  while (!error && !head.ends_with("\r\n\r\n")) {
    char peeked[2048];
    const ssize_t got = ::recv(descriptor(), peeked, sizeof peeked, MSG_PEEK);
    if (got == 0) {
      error = Error::proxy;
      s.trouble = "the proxy closed the connection";
    } else if (got < 0) {
      if (errno == EAGAIN) {
        error = co_await s.wait(false, deadline);
      } else {
        error = error_code(errno, boost::system::system_category());
      }
    } else {
      const std::size_t before = head.size();
      head.append(peeked, static_cast<std::size_t>(got));
      const std::size_t end = head.find("\r\n\r\n", before < 3 ? 0 : before - 3);
      if (end != std::string::npos) head.resize(end + 4);
      [[maybe_unused]] const ssize_t taken = ::recv(descriptor(), peeked, head.size() - before, 0);
      if (head.size() > kMaxProxyHead || (head.size() >= 12 && status_of(head) == 0)) {
        error = Error::proxy;
        s.trouble = "the proxy's answer is not HTTP";
      }
    }
  }
  if (error) co_return error;
  const unsigned status = status_of(head);
  if (status >= 200 && status <= 299) co_return error_code{};
  s.trouble = "the proxy answered " + head.substr(9, head.find('\r') - 9);
  co_return Error::proxy;
}

}  // namespace bridge55::net
