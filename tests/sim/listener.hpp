#pragma once
// One listening port.

#include "tests/sim/hub.hpp"

#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

namespace bridge55::sim {

class Listener {
 public:
  /// Binds `address` ("host:port", port 0 = free). Throws boost::system::system_error where that fails.
  Listener(boost::asio::io_context& io, const std::string& address, Service service);

  boost::asio::awaitable<void> run(Vendor& vendor, Hub& hub, boost::asio::ssl::context* tls);
  /// Starts or stops refusing connections, as the refuse_connect fault says. The port stays ours meanwhile.
  void apply_faults(Vendor& vendor, TimePoint now);
  /// "127.0.0.1:41234"
  std::string address() const;
  const Service& service() const { return service_; }

 private:
  void bind(bool listening);
  boost::asio::io_context& io_;
  boost::asio::ip::tcp::endpoint endpoint_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer resume_;
  Service service_;
  bool listening_ = false;
};

}  // namespace bridge55::sim
