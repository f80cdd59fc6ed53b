#include "tests/unit/net/run.hpp"
#include "tests/unit/net/tls_pair.hpp"

#include <algorithm>
#include <fstream>
#include <random>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace bridge55 {
namespace {

namespace asio = boost::asio;
using net::awaitable;
using net::TlsContext;
using test::run;
using test::soon;

class Tls : public ::testing::Test {
 protected:
  struct Result {
    net::error_code client, server;
    std::string trouble;
  };
  // Both handshakes over a fresh pair, which stays open.
  Result shake(const test::Certificate& certificate, const config::ClientTls& trust,
               const std::string& name) {
    pair_ = std::make_unique<test::Pair>(test::make_pair(io_));
    Result result;
    const auto server = TlsContext::server(certificate.cert_file, certificate.key_file);
    const auto client = TlsContext::client(trust);
    run(
        io_,
        [&]() -> awaitable<void> {
          result.client = co_await pair_->a.tls_client(client, name, true, soon());
          if (result.client) pair_->a.close();
        },
        [&]() -> awaitable<void> { result.server = co_await pair_->b.tls_server(server, soon()); });
    result.trouble = pair_->a.trouble();
    return result;
  }
  config::ClientTls trusting(const test::Certificate& certificate) {
    config::ClientTls trust;
    trust.ca_file = certificate.cert_file;
    return trust;
  }

  test::TempDirectory directory_;
  asio::io_context io_;
  std::unique_ptr<test::Pair> pair_;
};

TEST_F(Tls, ATrustedCertificateOfTheRightNameIsAccepted) {
  const auto certificate = test::make_certificate(directory_.path(), {});
  const auto result = shake(certificate, trusting(certificate), "localhost");
  EXPECT_FALSE(result.client) << result.trouble;
  EXPECT_FALSE(result.server);
}

TEST_F(Tls, AnAddressIsCheckedAsAnAddress) {
  test::CertificateRequest request;
  request.address = "127.0.0.1";
  const auto certificate = test::make_certificate(directory_.path(), request);
  EXPECT_FALSE(shake(certificate, trusting(certificate), "127.0.0.1").client);
  EXPECT_EQ(shake(certificate, trusting(certificate), "127.0.0.2").client, net::Error::verify);
}

TEST_F(Tls, AWrongNameIsRefusedInWords) {
  const auto certificate = test::make_certificate(directory_.path(), {});
  const auto result = shake(certificate, trusting(certificate), "example.com");
  EXPECT_EQ(result.client, net::Error::verify);
  EXPECT_NE(result.trouble.find("hostname mismatch"), std::string::npos) << result.trouble;
}

TEST_F(Tls, AServerNameOfTheConfigStandsInForTheUrls) {
  const auto certificate = test::make_certificate(directory_.path(), {});
  auto trust = trusting(certificate);
  trust.server_name = "localhost";
  EXPECT_FALSE(shake(certificate, trust, "example.com").client);
}

TEST_F(Tls, AnExpiredCertificateIsRefused) {
  test::CertificateRequest request;
  request.valid_from = -7200;
  request.valid_until = -3600;
  const auto certificate = test::make_certificate(directory_.path(), request);
  const auto result = shake(certificate, trusting(certificate), "localhost");
  EXPECT_EQ(result.client, net::Error::verify);
  EXPECT_NE(result.trouble.find("expired"), std::string::npos);
}

TEST_F(Tls, AnUnknownSelfSignedCertificateIsRefused) {
  const auto certificate = test::make_certificate(directory_.path(), {});
  const auto result = shake(certificate, {}, "localhost");
  EXPECT_EQ(result.client, net::Error::verify);
  EXPECT_NE(result.trouble.find("self-signed"), std::string::npos);
}

TEST_F(Tls, VerifyFalseAcceptsAnyCertificate) {
  const auto certificate = test::make_certificate(directory_.path(), {});
  config::ClientTls trust;
  trust.verify = false;
  EXPECT_FALSE(shake(certificate, trust, "example.com").client);
}

TEST_F(Tls, APeerThatSpeaksNoTlsIsAnErrorNotAHang) {
  pair_ = std::make_unique<test::Pair>(test::make_pair(io_));
  const auto client = TlsContext::client({});
  net::error_code error;
  run(
      io_,
      [&]() -> awaitable<void> { error = co_await pair_->a.tls_client(client, "localhost", true, soon()); },
      [&]() -> awaitable<void> { co_await pair_->b.write_all("HTTP/1.1 400 Bad Request\r\n\r\n", soon()); });
  EXPECT_EQ(error, net::Error::handshake);
}

TEST_F(Tls, AHandshakeThatHangsEndsAtItsDeadline) {
  pair_ = std::make_unique<test::Pair>(test::make_pair(io_));
  const auto client = TlsContext::client({});
  net::error_code error;
  run(io_, [&]() -> awaitable<void> {
    const auto deadline = SteadyClock::now() + std::chrono::milliseconds(1);
    error = co_await pair_->a.tls_client(client, "localhost", true, deadline);
  });
  EXPECT_EQ(error, asio::error::timed_out);
}

TEST_F(Tls, FilesThatCannotBeUsedAreNamed) {
  const auto certificate = test::make_certificate(directory_.path(), {});
  const auto other = test::make_certificate(directory_.path(), {});
  config::ClientTls trust;
  trust.ca_file = directory_.path() + "/missing.pem";
  EXPECT_THROW(TlsContext::client(trust), std::runtime_error);
  EXPECT_THROW(TlsContext::server("/nonexistent", certificate.key_file), std::runtime_error);
  EXPECT_THROW(TlsContext::server(certificate.cert_file, other.key_file), std::runtime_error);
}

class TlsData : public Tls {
 protected:
  void SetUp() override {
    const auto certificate = test::make_certificate(directory_.path(), {});
    const auto result = shake(certificate, trusting(certificate), "localhost");
    ASSERT_FALSE(result.client || result.server);
  }
};

TEST_F(TlsData, ACleanEndIsEofAndACutIsTruncation) {
  std::array<char, 64> room;
  net::Transfer end;
  run(io_, [&]() -> awaitable<void> {
    co_await pair_->b.write_all("bye", soon());
    pair_->b.close();
    const auto last = co_await pair_->a.read_some(room, soon());
    EXPECT_EQ(last.bytes, 3u);
    end = co_await pair_->a.read_some(room, soon());
  });
  EXPECT_EQ(end.error, asio::error::eof);

  SetUp();
  run(io_, [&]() -> awaitable<void> {
    ::shutdown(pair_->b.descriptor(), SHUT_RDWR);  // FIN without close_notify
    end = co_await pair_->a.read_some(room, soon());
  });
  EXPECT_EQ(end.error, net::Error::truncated);
  EXPECT_EQ(pair_->a.try_read(room).error, net::Error::truncated);
}

TEST_F(TlsData, OneReadTakesManyRecords) {
  for (int i = 0; i < 100; ++i) {
    const iovec piece{const_cast<char*>("0123456789"), 10};
    ASSERT_EQ(pair_->b.try_write({&piece, 1}).bytes, 10u);
  }
  std::array<char, 4096> room;
  EXPECT_EQ(pair_->a.try_read(room).bytes, 1000u);
}

TEST_F(TlsData, BytesThatOpenSslHoldsAreNotWaitedForOnTheSocket) {
  const std::string sent(1000, 'x');
  const iovec piece{const_cast<char*>(sent.data()), sent.size()};
  ASSERT_EQ(pair_->b.try_write({&piece, 1}).bytes, sent.size());
  std::size_t got = 0;
  run(io_, [&]() -> awaitable<void> {
    std::array<char, 10> room;
    while (got < sent.size()) {
      const auto error = co_await pair_->a.wait_readable(soon());
      EXPECT_FALSE(error);
      if (error) break;
      got += pair_->a.try_read(room).bytes;
    }
  });
  EXPECT_EQ(got, sent.size());
}

// Blocked writes are repeated with the same bytes in other pieces; nothing is lost, doubled or reordered.
TEST_F(TlsData, ABlockedWriteThatIsRepeatedKeepsItsOrder) {
  std::string sent;
  std::mt19937 random(55);
  for (int i = 0; i < 3'000'000; ++i)
    sent.push_back(static_cast<char>(random()));
  std::string got;
  run(
      io_,
      [&]() -> awaitable<void> {
        std::size_t at = 0;
        while (at < sent.size()) {
          std::vector<iovec> pieces;
          std::size_t from = at;
          for (int i = 0; i < 1000 && from < sent.size(); ++i) {
            const std::size_t size = std::min<std::size_t>(1 + random() % 400, sent.size() - from);
            pieces.push_back({sent.data() + from, size});
            from += size;
          }
          const auto transfer = pair_->b.try_write(pieces);
          at += transfer.bytes;
          if (transfer.error == asio::error::would_block) {
            const auto error = co_await pair_->b.wait_writable(soon());
            EXPECT_FALSE(error);
          } else {
            EXPECT_FALSE(transfer.error) << transfer.error.message();
            if (transfer.error) break;
          }
        }
        pair_->b.close();
      },
      [&]() -> awaitable<void> {
        std::vector<char> room(50'000);
        for (;;) {
          const auto transfer = co_await pair_->a.read_some(room, soon());
          if (transfer.error) break;
          got.append(room.data(), transfer.bytes);
          co_await asio::post(io_, asio::use_awaitable);
        }
      });
  EXPECT_EQ(got.size(), sent.size());
  EXPECT_TRUE(got == sent);
}

}  // namespace
}  // namespace bridge55
