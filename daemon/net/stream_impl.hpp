// What stream.cpp, connect.cpp and tls.cpp share; heavy, and included by these alone.
#pragma once

#include "daemon/net/stream.hpp"

#include <map>
#include <memory>
#include <string>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <openssl/ssl.h>

namespace bridge55::net {

namespace asio = boost::asio;

struct FreeSsl {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};

struct TlsContext::Impl {
  std::unique_ptr<SSL_CTX, FreeSsl> context;
  bool verifies = false;
  std::string server_name;  // overrides the name that the caller has
  // The newest session of each name, for the next handshake: an abbreviated one costs a tenth. The names keep
  // a session from standing in for a check that its own handshake did not make.
  std::map<std::string, std::unique_ptr<SSL_SESSION, FreeSsl>> sessions;
};

// One direction's wait. Shared with the timer's handler, which may run after the stream is gone.
struct Wait {
  explicit Wait(asio::io_context& io) : timer(io) {}
  asio::steady_timer timer;
  asio::cancellation_signal cancel;
  std::uint64_t turn = 0;  // counts waits, so that a late timer does not end the next one
  bool timed_out = false;
};

struct Resolution;

struct Stream::Impl {
  explicit Impl(asio::io_context& loop)
      : io(loop),
        socket(loop),
        reading(std::make_shared<Wait>(loop)),
        writing(std::make_shared<Wait>(loop)) {}

  void adopt(int descriptor);  // closes what was open
  bool is_open() const { return watched >= 0 || socket.is_open(); }
  int descriptor() { return watched >= 0 ? watched : socket.native_handle(); }
  void close_descriptor();
  Transfer tls_read(std::span<char> into);
  Transfer tls_write(std::span<const iovec> from);
  Transfer tls_end();  // close_notify
  // What SSL_get_error's answer means; remembers errors, which OpenSSL tells only once.
  Transfer tls_failure(int result);
  awaitable<error_code> handshake(SteadyTime deadline);
  awaitable<error_code> give_way(std::optional<SteadyTime> deadline);
  awaitable<error_code> wait(bool for_write, std::optional<SteadyTime> deadline);
  awaitable<error_code> connect_one(int family, const sockaddr* address, socklen_t size, SteadyTime deadline);

  void give_up_resolving();

  asio::io_context& io;
  std::weak_ptr<Resolution> resolution;  // under way
  asio::posix::stream_descriptor socket;
  int watched = -1;  // the descriptor, where edges tell of it and not `socket`
  EdgePlace place;
  std::shared_ptr<Wait> reading, writing;
  std::shared_ptr<TlsContext> context;
  std::unique_ptr<SSL, FreeSsl> ssl;
  unsigned at_once = 0;      // transfers since the last wait
  bool established = false;  // the handshake is done and nothing has broken it
  bool notified = false;     // close_notify is sent
  bool may_hold_more =
      false;  // the last SSL_read filled its span: OpenSSL may have bytes that the socket will not announce
  error_code ended;  // what ended reading, given again to every later read
  std::string trouble;
  std::string session_name;  // in TlsContext::Impl::sessions
};

}  // namespace bridge55::net
