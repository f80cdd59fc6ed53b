#pragma once
// A TCP connection, with or without TLS, and the ways in which it can end badly.

#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>

namespace boost::asio::ssl {
class context;
}

namespace bridge55::sim {

class Stream {
 public:
  /// `tls` outlives the stream; null means plain TCP.
  Stream(boost::asio::ip::tcp::socket socket, boost::asio::ssl::context* tls);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// Server side of the TLS handshake; nothing for plain TCP.
  boost::asio::awaitable<boost::system::error_code> handshake();
  /// Client side of it, `host` as server name.
  boost::asio::awaitable<boost::system::error_code> connect_handshake(const std::string& host);
  /// Bytes read, 0 at the end or on an error. One read at a time.
  boost::asio::awaitable<std::size_t> read_some(boost::asio::mutable_buffer buffer);
  /// Whether all was written. One write at a time.
  boost::asio::awaitable<bool> write(std::string_view bytes);

  /// close_notify where there is TLS, then FIN: an orderly end of the transport.
  boost::asio::awaitable<void> finish();
  /// FIN without close_notify: a truncation attack as TLS sees it.
  void cut();
  /// RST.
  void reset();
  bool is_open() const { return socket_.is_open(); }
  boost::asio::ip::tcp::socket& socket() { return socket_; }

 private:
  struct Tls;
  boost::asio::ip::tcp::socket socket_;
  std::unique_ptr<Tls> tls_;
};

}  // namespace bridge55::sim
