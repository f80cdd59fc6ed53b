// A peer on loopback that does what a test tells it to: accepts, upgrades, sends and reads frames, breaks
// off.
#pragma once

#include "daemon/net/stream.hpp"
#include "daemon/net/ws_frames.hpp"

#include <memory>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace bridge55::test {

// One accepted connection.
class Peer {
 public:
  explicit Peer(net::Stream stream) : stream_(std::move(stream)), reader_(ws::Role::server, 1 << 20) {}

  // Reads the request and answers 101; the request's head is returned.
  net::awaitable<std::string> upgrade();
  net::awaitable<std::string> read_head();
  net::awaitable<void> write(std::string bytes);
  net::awaitable<void> send(std::string text);
  // The next data frame's text; "close <code>" for a close, "end" where the connection ended. Pings and pongs
  // as "ping …", "pong …".
  net::awaitable<std::string> next();
  net::Stream& stream() { return stream_; }

 private:
  net::Stream stream_;
  ws::FrameReader reader_;
};

class ScriptedVendor {
 public:
  explicit ScriptedVendor(boost::asio::io_context& io);
  std::string url() const;
  net::awaitable<std::unique_ptr<Peer>> accept();

 private:
  boost::asio::io_context& io_;
  boost::asio::ip::tcp::acceptor acceptor_;
};

}  // namespace bridge55::test
