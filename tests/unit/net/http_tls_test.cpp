#include "tests/unit/net/run.hpp"
#include "tests/unit/net/scripted_peer.hpp"
#include "tests/unit/net/tls_pair.hpp"

#include <array>
#include <sys/socket.h>

#include <boost/asio/error.hpp>

namespace bridge55 {
namespace {

namespace asio = boost::asio;
using net::awaitable;
using net::HttpError;
using net::HttpPool;
using test::Ask;
using test::ask;
using test::kOk;
using test::read_request;
using test::run;
using test::say;
using test::SeenAnswer;

class HttpTls : public ::testing::Test {
 protected:
  HttpPool::Settings settings() {
    HttpPool::Settings settings;
    settings.url = peer_.url();
    settings.tls.ca_file = certificate_.cert_file;
    settings.environment = [](const char*) { return std::string(); };
    return settings;
  }

  test::TempDirectory directory_;
  test::Certificate certificate_ = test::make_certificate(directory_.path(), {});
  asio::io_context io_;
  test::ScriptedPeer peer_{io_, net::TlsContext::server(certificate_.cert_file, certificate_.key_file)};
};

TEST_F(HttpTls, AConnectionServesManyRequests) {
  HttpPool pool(io_, settings());
  run(
      io_,
      [&]() -> awaitable<void> {
        for (int i = 0; i < 3; ++i) {
          Ask wanted;
          wanted.request.method = "POST";
          wanted.body.assign(100'000, 'x');
          const SeenAnswer seen = co_await ask(pool, wanted);
          EXPECT_EQ(seen.body, "ok") << seen.trouble;
          EXPECT_EQ(seen.reused, i > 0);
        }
        pool.close();
      },
      [&]() -> awaitable<void> {
        const auto stream = co_await peer_.accept();
        for (int i = 0; i < 3; ++i) {
          const std::string head = co_await read_request(*stream);
          const std::size_t in_head = head.size() - head.find("\r\n\r\n") - 4;
          (void)co_await test::read_bytes(*stream, 100'000 - in_head);
          co_await say(*stream, kOk);
        }
      });
}

TEST_F(HttpTls, AStreamThatIsCutWithoutCloseNotifyIsTruncatedEvenWhereTheCloseIsTheEnd) {
  for (const bool notify : {true, false}) {
    HttpPool pool(io_, settings());
    SeenAnswer seen;
    run(
        io_, [&]() -> awaitable<void> { seen = co_await ask(pool, Ask()); },
        [&]() -> awaitable<void> {
          const auto stream = co_await peer_.accept();
          (void)co_await read_request(*stream);
          co_await say(*stream, "HTTP/1.1 200 OK\r\n\r\nabc");
          if (notify) {
            stream->close();
          } else {
            ::shutdown(stream->descriptor(), SHUT_WR);
          }
          co_await test::until(io_, [&] { return pool.counts().busy == 0; });
        });
    EXPECT_EQ(seen.body, "abc");
    EXPECT_EQ(seen.error, notify ? net::error_code() : net::error_code(HttpError::truncated)) << notify;
  }
}

TEST_F(HttpTls, ACertificateThatIsNotTrustedIsRefusedInWords) {
  const auto other = test::make_certificate(directory_.path(), {});
  auto strict = settings();
  strict.tls.ca_file = other.cert_file;
  HttpPool pool(io_, strict);
  strict.tls.ca_file = directory_.path() + "/absent.pem";
  HttpPool broken(io_, strict);
  run(
      io_,
      [&]() -> awaitable<void> {
        SeenAnswer seen = co_await ask(pool, Ask());
        EXPECT_EQ(seen.error, net::Error::verify);
        EXPECT_NE(seen.trouble.find("self-signed"), std::string::npos) << seen.trouble;
        EXPECT_FALSE(seen.touched);
        seen = co_await ask(broken, Ask());
        EXPECT_EQ(seen.error, HttpError::unusable);
        EXPECT_NE(seen.trouble.find("absent.pem"), std::string::npos) << seen.trouble;
      },
      [&]() -> awaitable<void> { (void)co_await peer_.accept(); },
      [&]() -> awaitable<void> { (void)co_await peer_.accept(); });
}

TEST_F(HttpTls, TheNextConnectionResumesTheSession) {
  HttpPool pool(io_, settings());
  run(
      io_,
      [&]() -> awaitable<void> {
        for (int i = 0; i < 3; ++i) {
          Ask wanted;
          wanted.lease.fresh = true;
          EXPECT_FALSE((co_await ask(pool, wanted)).error);
        }
      },
      [&]() -> awaitable<void> {
        for (int i = 0; i < 3; ++i) {
          const auto stream = co_await peer_.accept();
          EXPECT_EQ(stream->tls_resumed(), i > 0);
          (void)co_await read_request(*stream);
          co_await say(*stream, kOk);
        }
      });
}

TEST_F(HttpTls, AnIdleConnectionThatWasCutIsNotUsed) {
  HttpPool pool(io_, settings());
  bool ended = false;
  run(
      io_,
      [&]() -> awaitable<void> {
        EXPECT_FALSE((co_await ask(pool, Ask())).error);
        co_await test::until(io_, [&] { return ended; });
        const SeenAnswer second = co_await ask(pool, Ask());
        EXPECT_FALSE(second.error) << second.trouble;
        EXPECT_FALSE(second.reused);
      },
      [&]() -> awaitable<void> {
        const auto first = co_await peer_.accept();
        (void)co_await read_request(*first);
        co_await say(*first, kOk);
        co_await test::until(io_, [&] { return pool.counts().idle == 1; });
        first->close();
        ended = true;
        const auto second = co_await peer_.accept();
        (void)co_await read_request(*second);
        co_await say(*second, kOk);
      });
}

}  // namespace
}  // namespace bridge55
