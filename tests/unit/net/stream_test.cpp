#include "tests/unit/net/run.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace bridge55 {
namespace {

namespace asio = boost::asio;
using boost::asio::ip::tcp;
using net::awaitable;
using net::Stream;
using test::run;
using test::soon;

std::string text(std::span<const char> bytes) {
  return {bytes.data(), bytes.size()};
}

TEST(Stream, AnEmptySocketWouldBlockAndSaysWhatItWaitsFor) {
  asio::io_context io;
  auto pair = test::make_pair(io);
  std::array<char, 16> room;
  const auto transfer = pair.a.try_read(room);
  EXPECT_EQ(transfer.error, asio::error::would_block);
  EXPECT_FALSE(transfer.wants_write);
}

TEST(Stream, ManyPiecesGoInOneCallAndArriveInOrder) {
  asio::io_context io;
  auto pair = test::make_pair(io);
  std::vector<std::string> words;
  for (int i = 0; i < 3000; ++i)
    words.push_back(std::to_string(i) + ",");
  std::vector<iovec> pieces;
  std::string all;
  for (auto& word : words) {
    pieces.push_back({word.data(), word.size()});
    all += word;
  }
  std::string got;
  std::span<const iovec> left(pieces);
  while (!left.empty()) {
    auto sent = pair.a.try_write(left);
    ASSERT_FALSE(sent.error);
    while (!left.empty() && sent.bytes >= left[0].iov_len) {
      sent.bytes -= left[0].iov_len;
      left = left.subspan(1);
    }
    ASSERT_EQ(sent.bytes, 0u);
    std::array<char, 65536> room;
    const auto received = pair.b.try_read(room);
    got += text(std::span(room).first(received.bytes));
  }
  EXPECT_EQ(got, all);
}

TEST(Stream, AWaitEndsAtItsDeadline) {
  asio::io_context io;
  auto pair = test::make_pair(io);
  net::error_code error;
  run(io, [&]() -> awaitable<void> {
    const auto deadline = SteadyClock::now() + std::chrono::milliseconds(1);
    error = co_await pair.a.wait_readable(deadline);
  });
  EXPECT_EQ(error, asio::error::timed_out);
}

TEST(Stream, ADeadlineOfOneWaitDoesNotEndTheNext) {
  asio::io_context io;
  auto pair = test::make_pair(io);
  std::string got;
  run(
      io,
      [&]() -> awaitable<void> {
        for (int i = 0; i < 50; ++i) {
          std::array<char, 16> room;
          const auto transfer = co_await pair.a.read_some(room, soon());
          EXPECT_FALSE(transfer.error);
          got += text(std::span(room).first(transfer.bytes));
          const auto past = SteadyClock::now();
          const auto error = co_await pair.a.wait_readable(past);
          EXPECT_TRUE(!error || error == asio::error::timed_out);
        }
      },
      [&]() -> awaitable<void> {
        while (got.size() < 50) {
          const auto error = co_await pair.b.write_all("x", soon());
          EXPECT_FALSE(error);
          const std::size_t before = got.size();
          for (int i = 0; i < 100 && got.size() == before; ++i) {
            co_await asio::post(io, asio::use_awaitable);
          }
        }
      });
  EXPECT_GE(got.size(), 50u);
}

TEST(Stream, CancelEndsEveryWait) {
  asio::io_context io;
  auto pair = test::make_pair(io);
  net::error_code error;
  run(
      io, [&]() -> awaitable<void> { error = co_await pair.a.wait_readable(); },
      [&]() -> awaitable<void> {
        pair.a.cancel();
        co_return;
      });
  EXPECT_EQ(error, asio::error::operation_aborted);
}

TEST(Stream, DestroyingAStreamEndsItsWait) {
  asio::io_context io;
  auto pair = std::make_unique<test::Pair>(test::make_pair(io));
  net::error_code error;
  run(
      io, [&]() -> awaitable<void> { error = co_await pair->a.wait_readable(soon()); },
      [&]() -> awaitable<void> {
        pair.reset();
        co_return;
      });
  EXPECT_EQ(error, asio::error::operation_aborted);
}

TEST(Stream, TheEndOfThePeerIsEofAndStaysSo) {
  asio::io_context io;
  auto pair = test::make_pair(io);
  pair.b.close();
  std::array<char, 16> room;
  EXPECT_EQ(pair.a.try_read(room).error, asio::error::eof);
  EXPECT_EQ(pair.a.try_read(room).error, asio::error::eof);
  const iovec piece{room.data(), room.size()};
  EXPECT_TRUE(pair.a.try_write({&piece, 1}).error);  // and no SIGPIPE
}

TEST(Stream, ConnectReachesAListenerByNameAndSaysWhyNot) {
  asio::io_context io;
  tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  const auto port = acceptor.local_endpoint().port();
  Stream stream(io);
  net::error_code good, bad;
  run(io, [&]() -> awaitable<void> { good = co_await stream.connect("localhost", port, soon()); });
  EXPECT_FALSE(good) << stream.trouble();
  EXPECT_TRUE(stream.is_open());
  acceptor.close();
  Stream refused(io);
  run(io, [&]() -> awaitable<void> { bad = co_await refused.connect("127.0.0.1", port, soon()); });
  EXPECT_EQ(bad, asio::error::connection_refused);
  EXPECT_NE(refused.trouble().find("127.0.0.1:" + std::to_string(port)), std::string::npos);
  EXPECT_FALSE(refused.is_open());
}

struct ProxyCase {
  std::string answer;
  bool opens;
  std::string trouble;
};

TEST(Stream, AProxyOpensTheTunnelOrIsQuoted) {
  const std::vector<ProxyCase> cases = {
      {"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n", true, ""},
      {"HTTP/1.0 200\r\n\r\n", true, ""},
      {"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", false,
       "the proxy answered 407 Proxy Authentication Required"},
      {"SSH-2.0-OpenSSH_9.2p1\r\n\r\n", false, "the proxy's answer is not HTTP"},
      {"", false, "the proxy closed the connection"},
      {"HTTP/1.1 200 OK\r\nX: " + std::string(20000, 'x'), false, "the proxy's answer is not HTTP"},
  };
  for (const auto& one : cases) {
    asio::io_context io;
    auto pair = test::make_pair(io);
    net::error_code error;
    std::string asked, after;
    run(
        io,
        [&]() -> awaitable<void> {
          error = co_await pair.a.proxy_connect("::1", 443, "dTpw", soon());
          std::array<char, 16> room;
          if (!error) {
            const auto transfer = co_await pair.a.read_some(room, soon());
            after = text(std::span(room).first(transfer.bytes));
          }
          pair.a.close();
        },
        [&]() -> awaitable<void> {
          std::array<char, 1024> room;
          const auto transfer = co_await pair.b.read_some(room, soon());
          asked = text(std::span(room).first(transfer.bytes));
          const std::string reply = one.answer.empty() ? "" : one.answer + (one.opens ? "tunnel" : "");
          co_await pair.b.write_all(reply, soon());
          pair.b.close();
        });
    EXPECT_EQ(!error, one.opens) << one.answer;
    EXPECT_EQ(pair.a.trouble(), one.trouble);
    EXPECT_EQ(after, one.opens ? "tunnel" : "");
    EXPECT_EQ(asked,
              "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\nProxy-Authorization: Basic dTpw\r\n\r\n");
  }
}

}  // namespace
}  // namespace bridge55
