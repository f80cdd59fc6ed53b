// What a placement may not exceed (contract, section 6, "Guard rails"). Pure: decimals are compared digit by
// digit, never through a double, and what cannot be weighed is refused.
#pragma once

#include "config/config.hpp"
#include "daemon/base/clock.hpp"
#include "daemon/gateway/placement.hpp"
#include "daemon/local/refusal.hpp"

#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bridge55::gateway {

// One `guard:` of the config and whose it is, in the words of a refusal: `upstream abp`, `app executor`.
struct Guard {
  std::string owner;
  config::Guard rules;
};

// The orders that were let through in the last minute.
class OrdersPerMinute {
 public:
  std::size_t count(SteadyTime now);
  void add(std::size_t orders, SteadyTime now);
  // Until `room` of them are older than a minute.
  std::chrono::seconds wait_for(std::size_t room, SteadyTime now) const;

 private:
  std::deque<std::pair<SteadyTime, std::size_t>> let_through_;
  std::size_t sum_ = 0;
};

// 422 GUARD_TEST_ONLY, GUARD_BOOKMAKERS or GUARD_MAX_STAKE, naming rule and limit. A currency without a limit
// of its own is refused where others have one: nobody said how much of it is too much.
std::optional<local::Refusal> check_orders(const Guard& guard, const std::vector<const Order*>& orders);
// 422 GUARD_MAX_ORDERS_PER_MINUTE, with Retry-After where waiting helps.
std::optional<local::Refusal> check_rate(const Guard& guard, std::size_t orders, OrdersPerMinute& minute,
                                         SteadyTime now);

}  // namespace bridge55::gateway
