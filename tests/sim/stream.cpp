#include "tests/sim/stream.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

namespace bridge55::sim {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

struct Stream::Tls {
  Tls(tcp::socket& socket, asio::ssl::context& context) : stream(socket, context) {}
  asio::ssl::stream<tcp::socket&> stream;
};

Stream::Stream(tcp::socket socket, asio::ssl::context* tls) : socket_(std::move(socket)) {
  error_code ignored;
  if (socket_.is_open()) socket_.set_option(tcp::no_delay(true), ignored);
  if (tls != nullptr) tls_ = std::make_unique<Tls>(socket_, *tls);
}

Stream::~Stream() = default;

asio::awaitable<error_code> Stream::handshake() {
  error_code error;
  if (tls_) {
    co_await tls_->stream.async_handshake(asio::ssl::stream_base::server,
                                          asio::redirect_error(asio::use_awaitable, error));
  }
  co_return error;
}

asio::awaitable<error_code> Stream::connect_handshake(const std::string& host) {
  error_code error;
  socket_.set_option(tcp::no_delay(true), error);
  if (tls_) {
    SSL_set_tlsext_host_name(tls_->stream.native_handle(), host.c_str());
    co_await tls_->stream.async_handshake(asio::ssl::stream_base::client,
                                          asio::redirect_error(asio::use_awaitable, error));
  }
  co_return error;
}

asio::awaitable<std::size_t> Stream::read_some(asio::mutable_buffer buffer) {
  error_code error;
  std::size_t size = 0;
  if (tls_) {
    size = co_await tls_->stream.async_read_some(buffer, asio::redirect_error(asio::use_awaitable, error));
  } else {
    size = co_await socket_.async_read_some(buffer, asio::redirect_error(asio::use_awaitable, error));
  }
  co_return error ? 0 : size;
}

asio::awaitable<bool> Stream::write(std::string_view bytes) {
  error_code error;
  const auto buffer = asio::buffer(bytes.data(), bytes.size());
  if (tls_) {
    co_await asio::async_write(tls_->stream, buffer, asio::redirect_error(asio::use_awaitable, error));
  } else {
    co_await asio::async_write(socket_, buffer, asio::redirect_error(asio::use_awaitable, error));
  }
  co_return !error;
}

asio::awaitable<void> Stream::finish() {
  error_code ignored;
  if (tls_ && socket_.is_open()) {
    co_await tls_->stream.async_shutdown(asio::redirect_error(asio::use_awaitable, ignored));
  }
  if (socket_.is_open()) socket_.shutdown(tcp::socket::shutdown_send, ignored);
}

void Stream::cut() {
  error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_both, ignored);
  socket_.close(ignored);
}

void Stream::reset() {
  error_code ignored;
  socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  socket_.close(ignored);
}

}  // namespace bridge55::sim
