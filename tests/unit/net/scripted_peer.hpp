// An upstream on loopback whose words a test writes down: connections are accepted and played by coroutines
// on the test's own loop.
#pragma once

#include "daemon/net/http_client.hpp"
#include "daemon/net/stream.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace bridge55::test {

class ScriptedPeer {
 public:
  explicit ScriptedPeer(boost::asio::io_context& io, std::shared_ptr<net::TlsContext> tls = {});
  unsigned port() const;
  std::string url() const;  // https with a certificate for `localhost`, else http
  net::awaitable<std::unique_ptr<net::Stream>> accept();
  int accepted() const { return accepted_; }
  void stop_listening();

 private:
  boost::asio::io_context& io_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::shared_ptr<net::TlsContext> tls_;
  int accepted_ = 0;
};

// The next head, with the empty line; empty where the connection ended. One request at a time: bytes of a
// body that came with it are part of it.
net::awaitable<std::string> read_request(net::Stream& stream);
// Until `wanted` bytes of it or the end.
net::awaitable<std::string> read_bytes(net::Stream& stream, std::size_t wanted);
net::awaitable<void> say(net::Stream& stream, std::string_view text);
// Lets the loop turn until the condition holds.
net::awaitable<void> until(boost::asio::io_context& io, std::function<bool()> condition);

inline constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

// One answer as a client sees it.
struct SeenAnswer {
  net::error_code error;
  unsigned status = 0;
  std::string body, trouble;
  bool touched = false, reused = false;
};
struct Ask {
  net::HttpRequest request;
  std::string body;
  net::HttpCall::Lease lease;
  SteadyTime deadline;
  Ask();
};
net::awaitable<SeenAnswer> ask(net::HttpPool& pool, Ask ask);
net::awaitable<SeenAnswer> ask(net::HttpCall& call, net::HttpPool& pool, Ask ask);

}  // namespace bridge55::test
