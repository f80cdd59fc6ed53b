// A listener with TLS: requests, streams, and a consumer that does not read, over OpenSSL's own client.
#include "door.hpp"
#include "tests/unit/net/tls_pair.hpp"

#include <fcntl.h>
#include <memory>

#include <openssl/ssl.h>

namespace bridge55::test {
namespace {

struct Free {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

class Tls : public LocalDoor {
 protected:
  Tls() : context_(SSL_CTX_new(TLS_client_method())) {
    const Certificate certificate = make_certificate(directory_.path(), {});
    settings.listen[0].cert_file = certificate.cert_file;
    settings.listen[0].key_file = certificate.key_file;
  }

  void connect() {
    app_ = tcp();
    ::fcntl(app_.descriptor(), F_SETFL, O_NONBLOCK);
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), app_.descriptor());
    until([&] { return SSL_connect(ssl_.get()) == 1; }, "the handshake");
  }
  void send(const std::string& text) {
    ASSERT_EQ(SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())),
              static_cast<int>(text.size()));
  }
  const std::string& read() {
    char buffer[65536];
    for (int got = 0; (got = SSL_read(ssl_.get(), buffer, sizeof buffer)) > 0;)
      received_.append(buffer, static_cast<std::size_t>(got));
    return received_;
  }

  TempDirectory directory_;
  std::unique_ptr<SSL_CTX, Free> context_;
  std::unique_ptr<SSL, Free> ssl_;
  App app_;
  std::string received_;
};

TEST_F(Tls, RequestsAndStreamsAreServed) {
  start();
  connect();
  send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  until([&] { return read().ends_with("{\"ok\": true}\n"); });
  send("GET /events HTTP/1.1\r\nHost: localhost\r\nOrigin: https://" + server->addresses()[0] + "\r\n\r\n");
  until([&] { return server->consumers().size() == 1; });
  const events::EventId id = publish("orders", "1");
  until([&] { return ids_of(read()) == std::vector{id}; });
}

TEST_F(Tls, AConsumerThatDoesNotReadGetsEverythingLater) {
  start();
  connect();
  send("GET /events?consumer=risk HTTP/1.1\r\nHost: localhost\r\n\r\n");
  until([&] { return server->consumers().size() == 1; });
  std::vector<events::EventId> ids;
  const std::string payload = '"' + std::string(20'000, 'x') + '"';
  for (int i = 0; i < 400; ++i) {
    ids.push_back(publish("orders", payload));
    turn();
  }
  until([&] { return read().size() > ids.size() * payload.size() && ids_of(received_).size() == ids.size(); },
        "all events");
  EXPECT_EQ(ids_of(received_), ids);
}

TEST_F(Tls, PlainTextOnATlsPortIsClosed) {
  start();
  App plain = tcp();
  plain.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  until([&] { return plain.ended(); });
  EXPECT_EQ(plain.received.find("HTTP/1.1"), std::string::npos);
}

TEST_F(Tls, ACertificateThatCannotBeReadStopsTheStartWithItsName) {
  settings.listen[0].cert_file = "/nonexistent.pem";
  try {
    start();
    FAIL();
  } catch (const local::ListenError& error) {
    EXPECT_EQ(error.exit_code, 78);
    EXPECT_NE(std::string(error.what()).find("/nonexistent.pem"), std::string::npos);
  }
}

}  // namespace
}  // namespace bridge55::test
