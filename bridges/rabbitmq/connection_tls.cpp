// The TLS half of a connection. librabbitmq makes the session; OpenSSL tells us of it, so that we can read
// and write it without blocking, as on plain TCP.
#include "bridges/rabbitmq/connection.hpp"
#include "bridges/rabbitmq/reply.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <poll.h>
#include <sys/time.h>

#include <amqp.h>
#include <amqp_ssl_socket.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace bridge55::rabbitmq {
namespace {

constexpr std::size_t kRecord = 16 << 10;  // of TLS: larger writes are cut anyway

// What the callbacks below find through the context while the library opens the connection.
struct Handshake {
  const std::string* server_name = nullptr;
  SSL* session = nullptr;
  long verify_error = X509_V_OK;
};

Handshake* handshake_of(const SSL* ssl) {
  return static_cast<Handshake*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
}

bool is_address(const std::string& host) {
  in6_addr ignored{};
  return inet_pton(AF_INET, host.c_str(), &ignored) == 1 || inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
}

// Called as a handshake begins, before its first byte: the place to name the server where it is not the URL's
// host.
void on_info(const SSL* ssl, int where, int) {
  Handshake* handshake = handshake_of(ssl);
  if ((where & SSL_CB_HANDSHAKE_START) == 0 || handshake == nullptr) return;
  handshake->session =
      const_cast<SSL*>(ssl);  // NOLINT: the callback's signature; the session is this connection's
  if (!is_address(*handshake->server_name))
    SSL_set_tlsext_host_name(handshake->session, handshake->server_name->c_str());
}

int on_verify(int ok, X509_STORE_CTX* store) {
  const auto* ssl =
      static_cast<const SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  if (ok == 0) handshake_of(ssl)->verify_error = X509_STORE_CTX_get_error(store);
  return ok;
}

// Chain and name are OpenSSL's to check, during the handshake: the library looks later, and only for the
// URL's host.
bool set_rules(amqp_socket_t* socket, const config::ClientTls& tls, const std::string& server_name) {
  auto* context = static_cast<SSL_CTX*>(amqp_ssl_socket_get_context(socket));
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_info_callback(context, on_info);
  amqp_ssl_socket_set_verify_peer(socket, tls.verify);
  amqp_ssl_socket_set_verify_hostname(socket, 0);
  if (!tls.verify) return true;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, on_verify);
  X509_VERIFY_PARAM* rules = SSL_CTX_get0_param(context);
  if (is_address(server_name) ? X509_VERIFY_PARAM_set1_ip_asc(rules, server_name.c_str()) != 1
                              : X509_VERIFY_PARAM_set1_host(rules, server_name.c_str(), 0) != 1) {
    return false;
  }
  if (tls.ca_file.empty()) return SSL_CTX_set_default_verify_paths(context) == 1;
  return amqp_ssl_socket_set_cacert(socket, tls.ca_file.c_str()) == AMQP_STATUS_OK;
}

Trouble refused(int status, const Handshake& handshake) {
  if (handshake.verify_error != X509_V_OK) {
    return {std::string("the broker's certificate is not accepted: ") +
                X509_verify_cert_error_string(handshake.verify_error),
            true};
  }
  return {std::string("cannot connect: ") + amqp_error_string2(status)};
}

}  // namespace

std::optional<Trouble> Connection::connect_tls(const AmqpUrl& url, const config::ClientTls& tls) {
  amqp_socket_t* socket = amqp_ssl_socket_new(state_);
  if (socket == nullptr) return Trouble{"out of memory"};
  auto* context = static_cast<SSL_CTX*>(amqp_ssl_socket_get_context(socket));
  const std::string& server_name = tls.server_name.empty() ? url.host : tls.server_name;
  if (!set_rules(socket, tls, server_name))
    return Trouble{"the certificates to check the broker's with cannot be read", true};
  Handshake handshake{.server_name = &server_name};
  SSL_CTX_set_app_data(context, &handshake);
  const timeval timeout = to_timeval(url.connection_timeout);
  const int status = amqp_socket_open_noblock(socket, url.host.c_str(), url.port, &timeout);
  SSL_CTX_set_app_data(context, nullptr);
  if (status != AMQP_STATUS_OK) return refused(status, handshake);
  tls_ = handshake.session;
  return std::nullopt;
}

Connection::Io Connection::tls_result(int result) {
  const int error = SSL_get_error(tls_, result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
    write_wants_ = error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
    return Io::again;
  }
  return closed(error == SSL_ERROR_ZERO_RETURN || error == SSL_ERROR_SSL ? 0 : errno);
}

Connection::Io Connection::write_tls(std::span<const iovec> pieces, std::size_t& count) {
  gathered_.clear();
  for (const iovec& piece : pieces) {
    const std::size_t part = std::min(piece.iov_len, kRecord - gathered_.size());
    const char* bytes = static_cast<const char*>(piece.iov_base);
    gathered_.insert(gathered_.end(), bytes, bytes + part);
    if (gathered_.size() == kRecord) break;
  }
  ERR_clear_error();
  // The library set SSL_MODE_ENABLE_PARTIAL_WRITE and SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER; the same bytes
  // come first at each retry.
  const int sent = SSL_write(tls_, gathered_.data(), static_cast<int>(gathered_.size()));
  if (sent <= 0) return tls_result(sent);
  count = static_cast<std::size_t>(sent);
  return Io::done;
}

Connection::Io Connection::read_tls(std::span<char> into, std::size_t& count) {
  ERR_clear_error();
  const int received = SSL_read(tls_, into.data(), static_cast<int>(into.size()));
  if (received <= 0) return tls_result(received);
  count = static_cast<std::size_t>(received);
  return Io::done;
}

}  // namespace bridge55::rabbitmq
