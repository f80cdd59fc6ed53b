// What an accepted connection is given.
#include "daemon/local/listener.hpp"

#include "daemon/net/stream.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace bridge55::local {
namespace {

int option(const net::Stream& stream, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  EXPECT_EQ(::getsockopt(stream.descriptor(), level, name, &value, &size), 0);
  return value;
}

// A relay says no ping of its own, so only the kernel finds that its app has vanished.
TEST(Listener, AnAppThatVanishedIsFoundInAMinuteAndASlowOneIsNotCut) {
  boost::asio::io_context io;
  config::Listen settings;
  settings.host = "127.0.0.1";
  BoundSocket bound = BoundSocket::tcp(settings);
  const std::uint16_t port = bound.port();
  std::optional<net::Stream> accepted;
  Listener listener(io, std::move(bound),
                    {[&](int descriptor) { accepted.emplace(io, descriptor); }, [] { return false; }});
  net::Stream app(io);
  const SteadyTime limit = SteadyClock::now() + std::chrono::seconds(20);
  boost::asio::co_spawn(io, app.connect("127.0.0.1", port, limit), boost::asio::detached);
  while (!accepted && SteadyClock::now() < limit)
    io.run_one_until(limit);
  ASSERT_TRUE(accepted);
  EXPECT_EQ(option(*accepted, SOL_SOCKET, SO_KEEPALIVE), 1);
  const int found_in =
      option(*accepted, IPPROTO_TCP, TCP_KEEPIDLE) +
      option(*accepted, IPPROTO_TCP, TCP_KEEPINTVL) * option(*accepted, IPPROTO_TCP, TCP_KEEPCNT);
  EXPECT_LE(found_in, 60);
  EXPECT_EQ(option(*accepted, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
}

}  // namespace
}  // namespace bridge55::local
