#pragma once
// An agent's way to a target: resolve, connect, TLS (certificates are not looked at), WebSocket upgrade.

#include "tests/sim/relay_connect.hpp"
#include "tests/sim/stream.hpp"

#include <memory>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace bridge55::sim {

/// Where a stream of bytes is to be had.
struct Endpoint {
  bool tls = false;
  std::string host, port;
};

/// One attempt; it outlives its coroutines. One thread.
class Dial {
 public:
  explicit Dial(const boost::asio::any_io_executor& executor) : resolver_(executor) {}

  /// Connects, with TLS where asked. What went wrong, empty if nothing.
  boost::asio::awaitable<std::string> open(const Endpoint& endpoint);
  /// Sends the upgrade request and reads the answer. What went wrong, empty if nothing.
  boost::asio::awaitable<std::string> upgrade(const std::string& path, const Fields& fields);
  /// Ends whatever is under way.
  void cancel();

  Stream* stream() { return stream_.get(); }
  /// What came behind the answer's head.
  const std::string& rest() const { return rest_; }
  const std::string& subprotocol() const { return subprotocol_; }

 private:
  boost::asio::awaitable<std::string> read_answer(const Fields& fields);
  boost::asio::ip::tcp::resolver resolver_;
  std::unique_ptr<Stream> stream_;
  std::string rest_, subprotocol_;
  bool cancelled_ = false;
};

}  // namespace bridge55::sim
