// A byte stream over one socket, plain or TLS, TCP or UNIX. TLS is OpenSSL on the descriptor (SSL_set_fd,
// SSL_MODE_RELEASE_BUFFERS): about 25 KiB an idle connection where asio::ssl::stream holds 95. One reader and
// one writer at a time; I/O thread only. Asio stays out of this header's users as far as it can: the
// coroutine types come from <boost/asio/awaitable.hpp>.
#pragma once

#include "config/config.hpp"
#include "daemon/base/clock.hpp"
#include "daemon/net/edges.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <sys/uio.h>

#include <boost/asio/awaitable.hpp>
#include <boost/system/error_code.hpp>

namespace boost::asio {
class io_context;
}

namespace bridge55::net {

using boost::asio::awaitable;
using boost::system::error_code;

// Verified client contexts and server contexts; TLS 1.2 at least. The first one made ignores SIGPIPE for the
// process. Made once, shared by connections (session tickets work across them).
class TlsContext {
 public:
  static std::shared_ptr<TlsContext> client(
      const config::ClientTls& settings);  // throws std::runtime_error in words
  static std::shared_ptr<TlsContext> server(const std::string& cert_file, const std::string& key_file);
  ~TlsContext();
  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  TlsContext();
  std::unique_ptr<Impl> impl_;
};

// An error comes alone: where bytes moved it is told by the next call. After would_block a TLS write is
// repeated with the same bytes in front and no fewer of them (SSL_write(3),
// SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER).
struct Transfer {
  std::size_t bytes = 0;
  error_code
      error;  // boost::asio::error::would_block: wait for `wants`; eof: the peer ended it (a TLS cut without
              // close_notify is boost::asio::ssl::error::stream_truncated's meaning: error::truncated below)
  bool wants_write = false;  // which readiness a would_block waits for (TLS may need the other one)
  bool drained = false;      // of a read: the socket has no more, and an edge will tell when it has
};

enum class Error { truncated = 1, handshake, verify, proxy };
error_code make_error_code(Error e);

class Stream {
 public:
  explicit Stream(boost::asio::io_context& io);
  // Takes an accepted descriptor.
  Stream(boost::asio::io_context& io, int descriptor);
  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;
  ~Stream();

  // Each ends at the deadline with error::timed_out. `connect` resolves off the I/O thread, tries every
  // address, and sets TCP_NODELAY and TCP keep-alive; a host that begins with `/` is a UNIX socket. The words
  // of a failure (which address, which certificate error) are in `trouble()`.
  awaitable<error_code> connect(std::string host, std::uint16_t port, SteadyTime deadline);
  // HTTP CONNECT through a proxy to which the stream is connected (RFC 9110, 9.3.6), with Basic credentials
  // where the URL has them.
  awaitable<error_code> proxy_connect(std::string host, std::uint16_t port, std::string basic_credentials,
                                      SteadyTime deadline);
  awaitable<error_code> tls_client(std::shared_ptr<TlsContext> context, std::string server_name,
                                   bool verify_host, SteadyTime deadline);
  awaitable<error_code> tls_server(std::shared_ptr<TlsContext> context, SteadyTime deadline);

  // Never block and never wait.
  Transfer try_read(std::span<char> into);
  Transfer try_write(std::span<const iovec> from);
  // Until the socket is readable (writable) or the deadline passes (error::timed_out); `cancel` ends it with
  // operation_aborted.
  awaitable<error_code> wait_readable(std::optional<SteadyTime> deadline = {});
  awaitable<error_code> wait_writable(std::optional<SteadyTime> deadline = {});
  // Calls back once when there is something to read or the peer has left; `cancel` ends it with
  // operation_aborted. May wait beside a wait_readable.
  void when_readable(std::function<void(error_code)> then);
  // From now on readiness is told to this one as edges (edges.hpp), and none of the three above may be used
  // any more. The waiter is kept until the stream is closed.
  void watch(std::shared_ptr<EdgeWaiter> waiter, int which);
  void want_writable();  // tells of the next writability
  // Convenience on top of the first five.
  awaitable<Transfer> read_some(std::span<char> into, std::optional<SteadyTime> deadline = {});
  awaitable<error_code> write_all(std::string_view bytes, std::optional<SteadyTime> deadline = {});

  bool is_open() const;
  bool is_tls() const;
  bool tls_resumed() const;  // the handshake was an abbreviated one
  int descriptor() const;
  std::size_t unsent() const;  // bytes that the kernel holds for the peer
  // Whether TLS holds on to its buffers (about 80 KiB) between records: for who is busy. Without them a
  // record costs two allocations. What holds nothing is given back at once.
  void keep_buffers(bool keep);
  void cancel();  // ends every wait
  // No more is written: TLS close_notify, then FIN; reading goes on. would_block: call it again then.
  Transfer end_writing();
  void close();  // TLS close_notify where it can go at once, then FIN
  void reset();  // RST: for peers that broke the rules
  const std::string& trouble() const;

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace bridge55::net

template <>
struct boost::system::is_error_code_enum<bridge55::net::Error> : std::true_type {};
