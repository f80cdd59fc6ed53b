// Runs coroutines on a loop of their own until all have ended; a test that hangs fails after 20 s.
#pragma once

#include "daemon/net/stream.hpp"

#include <exception>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace bridge55::test {

inline SteadyTime soon() {
  return SteadyClock::now() + std::chrono::seconds(15);
}

template <class... Coroutines>
void run(boost::asio::io_context& io, Coroutines&&... coroutines) {
  std::size_t left = sizeof...(coroutines);
  const auto ended = [&left](std::exception_ptr thrown) {
    --left;
    if (thrown) std::rethrow_exception(thrown);
  };
  (boost::asio::co_spawn(io, std::forward<Coroutines>(coroutines), ended), ...);
  io.restart();
  const SteadyTime limit = SteadyClock::now() + std::chrono::seconds(20);
  while (left != 0 && SteadyClock::now() < limit)
    io.run_one_until(limit);
  ASSERT_EQ(left, 0u) << "a coroutine hangs";
}

struct Pair {
  net::Stream a, b;
};

inline Pair make_pair(boost::asio::io_context& io) {
  int ends[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  return {net::Stream(io, ends[0]), net::Stream(io, ends[1])};
}

}  // namespace bridge55::test
