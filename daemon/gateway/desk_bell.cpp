#include "daemon/gateway/desk_bell.hpp"

#include <algorithm>

#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace bridge55::gateway {

void Bell::ring() {
  for (boost::asio::steady_timer* timer : waiting_)
    timer->cancel();
}

net::awaitable<bool> Bell::wait(std::function<bool()> there, SteadyTime deadline) {
  boost::asio::steady_timer timer(io_);
  struct Listed {
    std::vector<boost::asio::steady_timer*>& list;
    boost::asio::steady_timer* timer;
    ~Listed() { list.erase(std::remove(list.begin(), list.end(), timer), list.end()); }
  };
  waiting_.push_back(&timer);
  const Listed listed{waiting_, &timer};
  while (!there()) {
    if (SteadyClock::now() >= deadline) co_return false;
    timer.expires_at(deadline);
    boost::system::error_code ignored;
    co_await timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
  }
  co_return true;
}

}  // namespace bridge55::gateway
