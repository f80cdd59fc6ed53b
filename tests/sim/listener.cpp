#include "tests/sim/listener.hpp"

#include <stdexcept>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace bridge55::sim {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

tcp::endpoint parse_endpoint(const std::string& address) {
  const auto colon = address.rfind(':');
  if (colon == std::string::npos) throw std::runtime_error("expected address:port, got " + address);
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  const int port = std::stoi(address.substr(colon + 1));
  return {asio::ip::make_address(host), static_cast<unsigned short>(port)};
}

}  // namespace

Listener::Listener(asio::io_context& io, const std::string& address, Service service)
    : io_(io),
      endpoint_(parse_endpoint(address)),
      acceptor_(io),
      resume_(io, TimePoint::max()),
      service_(std::move(service)) {
  bind(true);
  endpoint_ = acceptor_.local_endpoint();
}

void Listener::bind(bool listening) {
  if (acceptor_.is_open()) acceptor_.close();
  acceptor_.open(endpoint_.protocol());
  acceptor_.set_option(asio::socket_base::reuse_address(true));
  acceptor_.bind(endpoint_);
  if (listening) acceptor_.listen(1024);
  listening_ = listening;
}

std::string Listener::address() const {
  const auto host = endpoint_.address().to_string();
  const auto shown = endpoint_.address().is_v6() ? '[' + host + ']' : host;
  return shown + ':' + std::to_string(endpoint_.port());
}

void Listener::apply_faults(Vendor& vendor, TimePoint now) {
  const bool refused = (service_.abp && vendor.faults_of(Api::abp).refuse_connect.active(now)) ||
                       (service_.mm && vendor.faults_of(Api::mm).refuse_connect.active(now)) ||
                       (service_.scraping && vendor.faults_of(Api::scraping).refuse_connect.active(now));
  if (refused == !listening_) return;
  bind(!refused);  // a bound socket that does not listen refuses, and keeps the port from others
  resume_.cancel();
}

asio::awaitable<void> Listener::run(Vendor& vendor, Hub& hub, asio::ssl::context* tls) {
  for (;;) {
    error_code error;
    if (!listening_) {
      co_await resume_.async_wait(asio::redirect_error(asio::use_awaitable, error));
      continue;
    }
    tcp::socket socket = co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (error) {
      // Out of descriptors, or apply_faults closed the acceptor; never spin.
      asio::steady_timer pause(io_, std::chrono::milliseconds(5));
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
      continue;
    }
    if (vendor.options.send_buffer > 0 && !service_.control) {
      socket.set_option(asio::socket_base::send_buffer_size(vendor.options.send_buffer), error);
    }
    const auto connection =
        std::make_shared<Connection>(hub.next_id(), std::move(socket), tls, vendor, service_);
    if (!service_.control) hub.add(connection);
    asio::co_spawn(
        io_, [connection]() { return connection->run(); },
        [connection, &hub](const std::exception_ptr&) { hub.remove(connection->id()); });
  }
}

}  // namespace bridge55::sim
