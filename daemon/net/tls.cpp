#include "daemon/net/stream_impl.hpp"

#include <arpa/inet.h>
#include <csignal>
#include <mutex>
#include <stdexcept>

#include <boost/asio/error.hpp>
#include <openssl/err.h>
#include <openssl/x509v3.h>

namespace bridge55::net {
namespace {

constexpr std::size_t kRecord = 16u << 10;  // RFC 8446, 5.1: a record carries no more
// Four full records as they are on the wire and the beginning of a fifth: with 64 KiB each read would end
// short of its fourth, which costs a second one of a few bytes.
constexpr std::size_t kReadAhead = 4 * (kRecord + 256);

// The newest entry of OpenSSL's error queue in words.
std::string openssl_reason() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
  return reason != nullptr ? reason : "unknown reason";
}

[[noreturn]] void refuse(const std::string& what) {
  const std::string why = openssl_reason();
  ERR_clear_error();
  throw std::runtime_error(what + ": " + why);
}

bool is_address(const std::string& name) {
  unsigned char bytes[16];
  return ::inet_pton(AF_INET, name.c_str(), bytes) == 1 || ::inet_pton(AF_INET6, name.c_str(), bytes) == 1;
}

std::unique_ptr<SSL_CTX, FreeSsl> new_context(const SSL_METHOD* method) {
  // OpenSSL's socket BIO writes with write(2): a peer that is gone would raise SIGPIPE.
  static std::once_flag once;
  std::call_once(once, [] { ::signal(SIGPIPE, SIG_IGN); });
  ERR_clear_error();
  std::unique_ptr<SSL_CTX, FreeSsl> context(SSL_CTX_new(method));
  if (!context) refuse("TLS is not available");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_read_ahead(context.get(), 1);  // many records a system call; without it two calls a record
  SSL_CTX_set_default_read_buffer_len(context.get(), kReadAhead);
  return context;
}

// Small pieces become one record: a record costs 22 bytes and a system call whatever it carries. The same
// pieces give the same bytes, and a retry never fewer, which is what OpenSSL asks of a repeated SSL_write.
std::string_view gather(std::span<const iovec> from, std::size_t skip, std::string& scratch) {
  std::size_t at = 0;
  while (at < from.size() && skip >= from[at].iov_len)
    skip -= from[at++].iov_len;
  if (at == from.size()) return {};
  const char* first = static_cast<const char*>(from[at].iov_base) + skip;
  const std::size_t first_size = from[at].iov_len - skip;
  if (first_size >= kRecord || at + 1 == from.size()) return {first, std::min(first_size, kRecord)};
  scratch.assign(first, first_size);
  for (++at; at < from.size() && scratch.size() < kRecord; ++at) {
    const std::size_t size = std::min(from[at].iov_len, kRecord - scratch.size());
    scratch.append(static_cast<const char*>(from[at].iov_base), size);
  }
  return scratch;
}

// OpenSSL hands over each ticket that a server gives (SSL_CTX_sess_set_new_cb(3)); 1: we keep it.
int keep_session(SSL* ssl, SSL_SESSION* session) {
  const auto* stream = static_cast<const Stream::Impl*>(SSL_get_app_data(ssl));
  if (stream == nullptr) return 0;
  stream->context->impl().sessions[stream->session_name].reset(session);
  return 1;
}

// A ticket of TLS 1.3 is used once (RFC 8446, C.4).
void offer_session(SSL* ssl, TlsContext::Impl& context, const std::string& name) {
  const auto found = context.sessions.find(name);
  if (found == context.sessions.end()) return;
  SSL_set_session(ssl, found->second.get());
  if (SSL_SESSION_get_protocol_version(found->second.get()) >= TLS1_3_VERSION) context.sessions.erase(found);
}

}  // namespace

TlsContext::TlsContext() : impl_(std::make_unique<Impl>()) {}
TlsContext::~TlsContext() = default;

std::shared_ptr<TlsContext> TlsContext::client(const config::ClientTls& settings) {
  std::shared_ptr<TlsContext> made(new TlsContext);
  Impl& s = *made->impl_;
  s.context = new_context(TLS_client_method());
  s.verifies = settings.verify;
  s.server_name = settings.server_name;
  SSL_CTX_set_session_cache_mode(s.context.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(s.context.get(), keep_session);
  SSL_CTX_set_verify(s.context.get(), settings.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (!settings.verify) return made;
  if (settings.ca_file.empty()) {
    if (SSL_CTX_set_default_verify_paths(s.context.get()) != 1)
      refuse("the system's certificate store cannot be read");
  } else {
    if (SSL_CTX_load_verify_file(s.context.get(), settings.ca_file.c_str()) != 1) {
      refuse("ca_file " + settings.ca_file + " cannot be used");
    }
    // An operator who names one certificate trusts it, whether or not it is a root.
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(s.context.get()), X509_V_FLAG_PARTIAL_CHAIN);
  }
  return made;
}

std::shared_ptr<TlsContext> TlsContext::server(const std::string& cert_file, const std::string& key_file) {
  std::shared_ptr<TlsContext> made(new TlsContext);
  Impl& s = *made->impl_;
  s.context = new_context(TLS_server_method());
  SSL_CTX* context = s.context.get();
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // tickets carry their own state
  // An encrypted key would ask for its pass phrase on the terminal.
  SSL_CTX_set_default_passwd_cb(context, [](char*, int, int, void*) { return 0; });
  if (SSL_CTX_use_certificate_chain_file(context, cert_file.c_str()) != 1) {
    refuse("cert_file " + cert_file + " cannot be used");
  }
  if (SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    refuse("key_file " + key_file + " cannot be used");
  }
  if (SSL_CTX_check_private_key(context) != 1)
    refuse("key_file " + key_file + " does not belong to " + cert_file);
  return made;
}

Transfer Stream::Impl::tls_failure(int result) {
  const int saved_errno = errno;
  switch (SSL_get_error(ssl.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return {0, asio::error::would_block, false};
    case SSL_ERROR_WANT_WRITE:
      return {0, asio::error::would_block, true};
    case SSL_ERROR_ZERO_RETURN:
      return {0, asio::error::eof, false};
    case SSL_ERROR_SYSCALL:
      established = false;
      if (saved_errno == 0) return {0, Error::truncated, false};
      return {0, error_code(saved_errno, boost::system::system_category()), false};
    default:
      established = false;
      // OpenSSL 3 reports a cut stream so, where 1.1 had SYSCALL without errno.
      if (ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        return {0, Error::truncated, false};
      }
      trouble = "TLS: " + openssl_reason();
      return {0, Error::handshake, false};
  }
}

Transfer Stream::Impl::tls_read(std::span<char> into) {
  std::size_t total = 0;
  may_hold_more = false;
  const bool held_none = SSL_has_pending(ssl.get()) == 0;
  const std::uint64_t before = BIO_number_read(SSL_get_rbio(ssl.get()));
  while (total < into.size()) {
    std::size_t got = 0;
    ERR_clear_error();
    errno = 0;
    const int result = SSL_read_ex(ssl.get(), into.data() + total, into.size() - total, &got);
    if (result == 1) {
      total += got;
      if (total >= kRecord || SSL_has_pending(ssl.get()) != 0) continue;
      // Small answers come alone: where OpenSSL holds nothing more, asking the socket again is a call for
      // nothing. And where it had room for twice as much, the socket has nothing more either.
      const std::uint64_t came = BIO_number_read(SSL_get_rbio(ssl.get())) - before;
      return {total, {}, false, held_none && came < kReadAhead / 2};
    }
    Transfer failure = tls_failure(result);
    if (failure.error != asio::error::would_block) ended = failure.error;
    failure.drained = failure.error == asio::error::would_block && !failure.wants_write;
    if (total == 0) return failure;
    return {total, {}, false, failure.drained};
  }
  may_hold_more = true;
  return {total, {}, false};
}

Transfer Stream::Impl::tls_write(std::span<const iovec> from) {
  static thread_local std::string scratch;
  std::size_t total = 0;
  for (;;) {
    const std::string_view block = gather(from, total, scratch);
    if (block.empty()) return {total, {}, false};
    std::size_t sent = 0;
    ERR_clear_error();
    errno = 0;
    const int result = SSL_write_ex(ssl.get(), block.data(), block.size(), &sent);
    if (result != 1) {
      const Transfer failure = tls_failure(result);
      if (total == 0) return failure;
      return {total, {}, false};  // the next call tells what stopped it
    }
    total += sent;
  }
}

// SSL_shutdown(3): 0 says that it went out, and what the peer still has to say is read as before. Once more
// would read, and fail at the first byte of data.
Transfer Stream::Impl::tls_end() {
  if (notified) return {};
  ERR_clear_error();
  errno = 0;
  const int result = SSL_shutdown(ssl.get());
  if (result < 0) return tls_failure(result);
  notified = true;
  return {};
}

awaitable<error_code> Stream::Impl::handshake(SteadyTime deadline) {
  for (;;) {
    ERR_clear_error();
    errno = 0;
    const int result = SSL_do_handshake(ssl.get());
    if (result == 1) break;
    const Transfer failure = tls_failure(result);
    if (failure.error == asio::error::would_block) {
      const error_code error = co_await wait(failure.wants_write, deadline);
      if (error) co_return error;
      continue;
    }
    const long verdict = SSL_get_verify_result(ssl.get());
    if (context->impl().verifies && verdict != X509_V_OK) {
      trouble = std::string("certificate refused: ") + X509_verify_cert_error_string(verdict);
      co_return Error::verify;
    }
    if (failure.error == asio::error::eof || failure.error == Error::truncated) {
      trouble = "the peer closed the connection during the TLS handshake";
    }
    co_return failure.error;
  }
  established = may_hold_more = true;
  co_return error_code{};
}

awaitable<error_code> Stream::tls_client(std::shared_ptr<TlsContext> context, std::string server_name,
                                         bool verify_host, SteadyTime deadline) {
  Impl& s = *impl_;
  s.context = std::move(context);
  const TlsContext::Impl& settings = s.context->impl();
  s.ssl.reset(SSL_new(settings.context.get()));
  if (!s.ssl || SSL_set_fd(s.ssl.get(), s.descriptor()) != 1) co_return Error::handshake;
  const std::string& name = settings.server_name.empty() ? server_name : settings.server_name;
  const bool address = is_address(name);
  bool accepted = address || SSL_set_tlsext_host_name(s.ssl.get(), name.c_str()) == 1;
  if (settings.verifies && verify_host) {
    X509_VERIFY_PARAM* rules = SSL_get0_param(s.ssl.get());
    X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    accepted = accepted && (address ? X509_VERIFY_PARAM_set1_ip_asc(rules, name.c_str())
                                    : X509_VERIFY_PARAM_set1_host(rules, name.data(), name.size())) == 1;
  }
  if (!accepted) {
    s.trouble = "not a name that a certificate can have: " + name;
    co_return Error::handshake;
  }
  SSL_set_app_data(s.ssl.get(), &s);
  s.session_name = (verify_host ? "" : "unchecked ") + name;
  offer_session(s.ssl.get(), s.context->impl(), s.session_name);
  SSL_set_connect_state(s.ssl.get());
  const error_code error = co_await s.handshake(deadline);
  // Connections of ours are few and busy: they keep their buffers. During the handshakes of a thousand at
  // once these would be most of the memory.
  if (!error) SSL_clear_mode(s.ssl.get(), SSL_MODE_RELEASE_BUFFERS);
  co_return error;
}

awaitable<error_code> Stream::tls_server(std::shared_ptr<TlsContext> context, SteadyTime deadline) {
  Impl& s = *impl_;
  s.context = std::move(context);
  s.ssl.reset(SSL_new(s.context->impl().context.get()));
  if (!s.ssl || SSL_set_fd(s.ssl.get(), s.descriptor()) != 1) co_return Error::handshake;
  SSL_set_accept_state(s.ssl.get());
  co_return co_await s.handshake(deadline);
}

}  // namespace bridge55::net
