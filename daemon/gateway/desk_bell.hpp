// Waiting for something that another coroutine of the I/O thread brings about. Internal to the desk.
#pragma once

#include "daemon/base/clock.hpp"
#include "daemon/net/stream.hpp"

#include <functional>
#include <vector>

#include <boost/asio/steady_timer.hpp>

namespace bridge55::gateway {

class Bell {
 public:
  explicit Bell(boost::asio::io_context& io) : io_(io) {}
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;

  // Everyone who waits looks again.
  void ring();
  // Until `there` holds (true) or the deadline passes (false). The bell must outlive the wait.
  net::awaitable<bool> wait(std::function<bool()> there, SteadyTime deadline);

 private:
  boost::asio::io_context& io_;
  std::vector<boost::asio::steady_timer*> waiting_;
};

}  // namespace bridge55::gateway
