#include "daemon/net/stream.hpp"

#include "daemon/net/stream_impl.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace bridge55::net {
namespace {

constexpr std::size_t kMaxPieces = 1024;  // IOV_MAX
constexpr unsigned kAtOnce = 16;          // transfers without a wait; then everybody else has a turn

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"  // Boost's category is never destroyed through its base
struct Category final : boost::system::error_category {
  const char* name() const noexcept override { return "bridge55.net"; }
  std::string message(int value) const override {
    switch (static_cast<Error>(value)) {
      case Error::truncated:
        return "TLS stream cut without close_notify";
      case Error::handshake:
        return "TLS failed";
      case Error::verify:
        return "certificate refused";
      case Error::proxy:
        return "proxy refused the tunnel";
    }
    return "unknown";
  }
};
#pragma GCC diagnostic pop

error_code last_error() {
  return {errno, boost::system::system_category()};
}

Transfer failed(error_code error) {
  return {0, error, false};
}

Transfer send_one(int descriptor, const iovec& piece) {
  for (;;) {
    const ssize_t sent = ::send(descriptor, piece.iov_base, piece.iov_len, MSG_NOSIGNAL);
    if (sent >= 0) return {static_cast<std::size_t>(sent), {}, false};
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == ENOBUFS) return {0, asio::error::would_block, true};
    return failed(last_error());
  }
}

}  // namespace

error_code make_error_code(Error e) {
  static const Category category;
  return {static_cast<int>(e), category};
}

Stream::Stream(asio::io_context& io) : impl_(std::make_unique<Impl>(io)) {}

Stream::Stream(asio::io_context& io, int descriptor) : Stream(io) {
  const int flags = ::fcntl(descriptor, F_GETFL);
  if ((flags & O_NONBLOCK) == 0) ::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
  impl_->adopt(descriptor);
}

Stream::Stream(Stream&&) noexcept = default;
Stream& Stream::operator=(Stream&&) noexcept = default;

Stream::~Stream() {
  if (impl_) close();
}

void Stream::Impl::adopt(int descriptor) {
  error_code ignored;
  if (is_open()) close_descriptor();
  ssl.reset();
  established = notified = may_hold_more = false;
  ended = {};
  socket.assign(descriptor, ignored);
  if (ignored) ::close(descriptor);
}

void Stream::Impl::close_descriptor() {
  error_code ignored;
  if (watched < 0) {
    socket.close(ignored);
    return;
  }
  const int descriptor = std::exchange(watched, -1);
  ::close(descriptor);
  edges_of(io).remove(place);  // the last, since it may let go of whoever owns us
}

Transfer Stream::try_read(std::span<char> into) {
  Impl& s = *impl_;
  if (!s.is_open()) return failed(asio::error::not_connected);
  if (s.ended) return failed(s.ended);
  if (s.ssl) return s.tls_read(into);
  for (;;) {
    const ssize_t got = ::recv(s.descriptor(), into.data(), into.size(), 0);
    if (got > 0)
      return {static_cast<std::size_t>(got), {}, false, static_cast<std::size_t>(got) < into.size()};
    if (got == 0) {
      s.ended = asio::error::eof;
    } else if (errno == EINTR) {
      continue;
    } else if (errno == EAGAIN) {
      return {0, asio::error::would_block, false, true};
    } else {
      s.ended = last_error();
    }
    return failed(s.ended);
  }
}

Transfer Stream::try_write(std::span<const iovec> from) {
  Impl& s = *impl_;
  if (!s.is_open()) return failed(asio::error::not_connected);
  if (s.ssl) return s.tls_write(from);
  if (from.size() == 1) return send_one(s.descriptor(), from.front());
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(from.data());
  message.msg_iovlen = std::min(from.size(), kMaxPieces);
  for (;;) {
    const ssize_t sent = ::sendmsg(s.descriptor(), &message, MSG_NOSIGNAL);
    if (sent >= 0) return {static_cast<std::size_t>(sent), {}, false};
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == ENOBUFS) return {0, asio::error::would_block, true};
    return failed(last_error());
  }
}

awaitable<error_code> Stream::Impl::wait(bool for_write, std::optional<SteadyTime> deadline) {
  if (!socket.is_open()) co_return asio::error::not_connected;
  at_once = 0;
  const std::shared_ptr<Wait> side =
      for_write ? writing : reading;  // outlives a stream that is destroyed meanwhile
  const std::uint64_t turn = ++side->turn;
  side->timed_out = false;
  if (deadline) {
    side->timer.expires_at(*deadline);
    side->timer.async_wait([side, turn](error_code error) {
      if (error || side->turn != turn) return;
      side->timed_out = true;
      side->cancel.emit(asio::cancellation_type::all);
    });
  }
  const auto kind =
      for_write ? asio::posix::stream_descriptor::wait_write : asio::posix::stream_descriptor::wait_read;
  auto token = asio::bind_cancellation_slot(side->cancel.slot(), asio::as_tuple(asio::use_awaitable));
  const auto [error] = co_await socket.async_wait(kind, std::move(token));
  ++side->turn;
  if (deadline) side->timer.cancel();
  if (error && side->timed_out) co_return asio::error::timed_out;
  co_return error;
}

awaitable<error_code> Stream::wait_readable(std::optional<SteadyTime> deadline) {
  if (impl_->ended || impl_->may_hold_more) co_return error_code{};
  co_return co_await impl_->wait(false, deadline);
}

awaitable<error_code> Stream::wait_writable(std::optional<SteadyTime> deadline) {
  co_return co_await impl_->wait(true, deadline);
}

void Stream::when_readable(std::function<void(error_code)> then) {
  Impl& s = *impl_;
  if (!s.socket.is_open() || s.ended || s.may_hold_more) {
    asio::post(s.io, [then = std::move(then)] { then({}); });
  } else {
    s.socket.async_wait(asio::posix::stream_descriptor::wait_read, std::move(then));
  }
}

void Stream::watch(std::shared_ptr<EdgeWaiter> waiter, int which) {
  Impl& s = *impl_;
  if (!s.socket.is_open()) return;
  s.watched = s.socket.release();
  s.place = edges_of(s.io).add(s.watched, std::move(waiter), which);
}

void Stream::want_writable() {
  if (impl_->watched >= 0) edges_of(impl_->io).want_writable(impl_->place);
}

// A peer that sends without end would keep its reader busy for ever, past every deadline and everybody else.
awaitable<error_code> Stream::Impl::give_way(std::optional<SteadyTime> deadline) {
  at_once = 0;
  co_await asio::post(io, asio::use_awaitable);
  if (deadline && SteadyClock::now() >= *deadline) co_return asio::error::timed_out;
  co_return error_code{};
}

awaitable<Transfer> Stream::read_some(std::span<char> into, std::optional<SteadyTime> deadline) {
  for (;;) {
    if (++impl_->at_once > kAtOnce) {
      const error_code error = co_await impl_->give_way(deadline);
      if (error) co_return failed(error);
    }
    const Transfer transfer = try_read(into);
    if (transfer.error != asio::error::would_block) co_return transfer;
    const error_code error = co_await impl_->wait(transfer.wants_write, deadline);
    if (error) co_return failed(error);
  }
}

awaitable<error_code> Stream::write_all(std::string_view bytes, std::optional<SteadyTime> deadline) {
  while (!bytes.empty()) {
    if (++impl_->at_once > kAtOnce) {
      const error_code error = co_await impl_->give_way(deadline);
      if (error) co_return error;
    }
    const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
    const Transfer transfer = try_write({&piece, 1});
    if (transfer.error == asio::error::would_block) {
      const error_code error = co_await impl_->wait(transfer.wants_write, deadline);
      if (error) co_return error;
    } else if (transfer.error) {
      co_return transfer.error;
    }
    bytes.remove_prefix(transfer.bytes);
  }
  co_return error_code{};
}

bool Stream::is_open() const {
  return impl_->is_open();
}
bool Stream::tls_resumed() const {
  return impl_->ssl && SSL_session_reused(impl_->ssl.get()) == 1;
}
bool Stream::is_tls() const {
  return impl_->ssl != nullptr;
}
int Stream::descriptor() const {
  return impl_->is_open() ? impl_->descriptor() : -1;
}
const std::string& Stream::trouble() const {
  return impl_->trouble;
}

std::size_t Stream::unsent() const {
  int bytes = 0;
  if (!impl_->is_open() || ::ioctl(impl_->descriptor(), SIOCOUTQ, &bytes) != 0) return 0;
  return static_cast<std::size_t>(bytes);
}

void Stream::keep_buffers(bool keep) {
  SSL* ssl = impl_->ssl.get();
  if (ssl == nullptr) return;
  if (keep) {
    SSL_clear_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
  } else {
    SSL_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    SSL_free_buffers(ssl);
  }
}

Transfer Stream::end_writing() {
  Impl& s = *impl_;
  if (!s.is_open()) return failed(asio::error::not_connected);
  if (s.ssl && s.established) {
    const Transfer transfer = s.tls_end();
    if (transfer.error == asio::error::would_block) return transfer;
  }
  if (::shutdown(s.descriptor(), SHUT_WR) != 0) return failed(last_error());
  return {};
}

void Stream::cancel() {
  if (!impl_) return;  // a handler has taken the socket over
  impl_->give_up_resolving();
  error_code ignored;
  if (impl_->socket.is_open()) impl_->socket.cancel(ignored);
}

void Stream::close() {
  Impl& s = *impl_;
  s.give_up_resolving();
  if (!s.is_open()) return;
  if (s.ssl && s.established && !s.notified) SSL_shutdown(s.ssl.get());
  // The kernel answers with RST, which may destroy what the peer has not read yet, where we close with unread
  // bytes: take them first.
  const int descriptor = s.descriptor();
  ::shutdown(descriptor, SHUT_WR);
  char scratch[4096];
  for (int i = 0; i < 16 && ::recv(descriptor, scratch, sizeof scratch, MSG_DONTWAIT) > 0; ++i) {
  }
  s.ssl.reset();
  s.may_hold_more = false;
  s.close_descriptor();
}

void Stream::reset() {
  Impl& s = *impl_;
  if (!s.is_open()) return;
  const linger at_once{1, 0};
  ::setsockopt(s.descriptor(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  s.ssl.reset();
  s.may_hold_more = false;
  s.close_descriptor();
}

}  // namespace bridge55::net
