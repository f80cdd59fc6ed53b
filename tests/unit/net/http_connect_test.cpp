#include "tests/unit/net/run.hpp"
#include "tests/unit/net/scripted_peer.hpp"

#include <boost/asio/error.hpp>

namespace bridge55 {
namespace {

namespace asio = boost::asio;
using net::awaitable;
using net::HttpCall;
using net::HttpError;
using net::HttpPool;
using test::Ask;
using test::ask;
using test::kOk;
using test::read_request;
using test::run;
using test::say;
using test::SeenAnswer;
using test::soon;

class HttpConnect : public ::testing::Test {
 protected:
  HttpPool::Settings settings() {
    HttpPool::Settings settings;
    settings.url = peer_.url();
    settings.environment = [](const char*) { return std::string(); };
    return settings;
  }

  asio::io_context io_;
  test::ScriptedPeer peer_{io_};
};

TEST_F(HttpConnect, AProxyIsAskedForATunnel) {
  auto through = settings();
  through.url = "http://upstream.example:8080";
  through.proxy = config::Secret("http://user:pass@127.0.0.1:" + std::to_string(peer_.port()));
  HttpPool pool(io_, through);
  std::string connect, inside;
  SeenAnswer seen;
  run(
      io_, [&]() -> awaitable<void> { seen = co_await ask(pool, Ask()); },
      [&]() -> awaitable<void> {
        const auto stream = co_await peer_.accept();
        connect = co_await read_request(*stream);
        co_await say(*stream, "HTTP/1.1 200 Connection established\r\n\r\n");
        inside = co_await read_request(*stream);
        co_await say(*stream, kOk);
      });
  EXPECT_EQ(seen.body, "ok");
  EXPECT_TRUE(connect.starts_with("CONNECT upstream.example:8080 HTTP/1.1\r\n"));
  EXPECT_NE(connect.find("Proxy-Authorization: Basic dXNlcjpwYXNz\r\n"), std::string::npos);
  EXPECT_EQ(inside, "GET / HTTP/1.1\r\nHost: upstream.example:8080\r\n\r\n");
}

TEST_F(HttpConnect, AProxyThatRefusesOrCannotBeUsedIsToldInWords) {
  auto through = settings();
  through.proxy = config::Secret(peer_.url());
  HttpPool refused(io_, through);
  through.proxy = config::Secret("socks5://h");
  HttpPool unusable(io_, through);
  run(
      io_,
      [&]() -> awaitable<void> {
        SeenAnswer seen = co_await ask(refused, Ask());
        EXPECT_EQ(seen.error, net::Error::proxy);
        EXPECT_NE(seen.trouble.find("407"), std::string::npos) << seen.trouble;
        EXPECT_FALSE(seen.touched);
        seen = co_await ask(unusable, Ask());
        EXPECT_EQ(seen.error, HttpError::unusable);
      },
      [&]() -> awaitable<void> {
        const auto stream = co_await peer_.accept();
        (void)co_await read_request(*stream);
        co_await say(*stream, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
      });
}

TEST_F(HttpConnect, APeerThatHangsInTheHandshakeEndsAtTheConnectTimeout) {
  auto hanging = settings();
  hanging.url = "https://127.0.0.1:" + std::to_string(peer_.port());
  hanging.connect_timeout = config::Duration(20);
  HttpPool pool(io_, hanging);
  bool done = false;
  run(
      io_,
      [&]() -> awaitable<void> {
        EXPECT_EQ((co_await ask(pool, Ask())).error, asio::error::timed_out);
        done = true;
      },
      [&]() -> awaitable<void> {
        const auto stream = co_await peer_.accept();
        co_await test::until(io_, [&] { return done; });
      });
}

TEST_F(HttpConnect, CancelEndsAHandshakeThatHangs) {
  auto hanging = settings();
  hanging.url = "https://127.0.0.1:" + std::to_string(peer_.port());
  HttpPool pool(io_, hanging);
  HttpCall call(pool);
  bool done = false;
  run(
      io_,
      [&]() -> awaitable<void> {
        EXPECT_EQ(co_await call.open({}, soon()), asio::error::operation_aborted);
        EXPECT_FALSE(call.touched());
        EXPECT_EQ(pool.counts().busy, 0u);
        done = true;
      },
      [&]() -> awaitable<void> {
        const auto stream = co_await peer_.accept();
        (void)co_await test::read_bytes(*stream, 1);
        call.cancel();
        co_await test::until(io_, [&] { return done; });
      });
}

TEST_F(HttpConnect, AUrlThatIsNoneIsToldInWords) {
  auto wrong = settings();
  wrong.url = "nonsense";
  HttpPool pool(io_, wrong);
  run(io_, [&]() -> awaitable<void> {
    const SeenAnswer seen = co_await ask(pool, Ask());
    EXPECT_EQ(seen.error, HttpError::unusable);
    EXPECT_FALSE(seen.trouble.empty());
  });
}

}  // namespace
}  // namespace bridge55
