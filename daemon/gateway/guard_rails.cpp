#include "daemon/gateway/guard_rails.hpp"

#include "daemon/gateway/guard_rails_decimal.hpp"

#include <algorithm>
#include <map>

namespace bridge55::gateway {
namespace {

using local::Refusal;

Refusal refused(std::string rule, std::string message) {
  Refusal refusal;
  refusal.status = 422;
  refusal.code = "GUARD_" + std::move(rule);
  refusal.message = std::move(message);
  return refusal;
}

std::string order_at(std::size_t index, const Order& order) {
  return "orders[" + std::to_string(index) + "] (" + order.uuid + ")";
}

std::string joined(const std::vector<std::string>& list) {
  std::string out;
  for (const std::string& one : list)
    out += (out.empty() ? "" : ", ") + one;
  return out;
}

std::optional<Refusal> check_bookmakers(const Guard& guard, const std::string& place, const Order& order) {
  const std::vector<std::string>& allowed = guard.rules.bookmakers;
  const auto is_allowed = [&](const std::string& slug) {
    return std::find(allowed.begin(), allowed.end(), slug) != allowed.end();
  };
  const std::string limit = "; bookmakers of " + guard.owner + " allows only " + joined(allowed);
  if (order.bookmakers.empty()) {
    return refused("BOOKMAKERS", place + " names none in `bookmakers` and could go to any" + limit);
  }
  const auto other = std::find_if_not(order.bookmakers.begin(), order.bookmakers.end(), is_allowed);
  if (other == order.bookmakers.end()) return std::nullopt;
  return refused("BOOKMAKERS", place + " may go to \"" + *other + '"' + limit);
}

// What an order can lose, order by order and summed by currency.
class Stakes {
 public:
  explicit Stakes(const Guard& guard) : guard_(guard) {}

  std::optional<Refusal> add(const std::string& place, const Order& order) {
    const auto limit = guard_.rules.max_stake.find(order.currency);
    if (limit == guard_.rules.max_stake.end()) {
      return refuse(place + " is in \"" + order.currency + "\", for which no limit is set; max_stake of " +
                    guard_.owner + " knows " + currencies());
    }
    const std::string rule = "max_stake of " + guard_.owner + " is " + limit->second + ' ' + order.currency;
    const std::optional<Decimal> most = Decimal::parse(limit->second);
    const std::optional<Decimal> stake = Decimal::parse(order.stake);
    if (!most || !stake) {
      return refuse(place +
                    ": its orderStake cannot be weighed: a JSON number of zero or more is expected; " + rule);
    }
    if (stake->exceeds(*most)) return refuse(place + " stakes " + stake->text() + "; " + rule);
    Decimal risk = *stake;
    if (!order.back) {
      const std::optional<Decimal> price = Decimal::parse(order.price);
      if (!price) {
        return refuse(
            place + ": the liability of a lay cannot be weighed: orderPrice must be a JSON number; " + rule);
      }
      const Decimal liability = stake->times(price->minus_one());
      if (liability.exceeds(*most))
        return refuse(place + " has a liability of " + liability.text() + "; " + rule);
      if (liability.exceeds(risk)) risk = liability;
    }
    Decimal& sum = sums_[order.currency];
    sum = sum.plus(risk);
    if (!sum.exceeds(*most)) return std::nullopt;
    return refuse("the orders up to " + place + " add up to " + sum.text() + "; " + rule +
                  " for a whole batch");
  }

 private:
  static Refusal refuse(std::string message) { return refused("MAX_STAKE", std::move(message)); }
  std::string currencies() const {
    std::string out;
    for (const auto& [currency, limit] : guard_.rules.max_stake)
      out += (out.empty() ? "" : ", ") + currency + ' ' + limit;
    return out;
  }

  const Guard& guard_;
  std::map<std::string, Decimal> sums_;
};

}  // namespace

std::size_t OrdersPerMinute::count(SteadyTime now) {
  while (!let_through_.empty() && let_through_.front().first + std::chrono::minutes(1) <= now) {
    sum_ -= let_through_.front().second;
    let_through_.pop_front();
  }
  return sum_;
}

void OrdersPerMinute::add(std::size_t orders, SteadyTime now) {
  let_through_.emplace_back(now, orders);
  sum_ += orders;
}

std::chrono::seconds OrdersPerMinute::wait_for(std::size_t room, SteadyTime now) const {
  std::size_t freed = 0;
  for (const auto& [at, orders] : let_through_) {
    freed += orders;
    if (freed >= room) return std::chrono::ceil<std::chrono::seconds>(at + std::chrono::minutes(1) - now);
  }
  return std::chrono::minutes(1);
}

std::optional<Refusal> check_orders(const Guard& guard, const std::vector<const Order*>& orders) {
  Stakes stakes(guard);
  for (std::size_t i = 0; i < orders.size(); ++i) {
    const Order& order = *orders[i];
    const std::string place = order_at(i, order);
    if (guard.rules.test_only && !order.test) {
      return refused("TEST_ONLY",
                     place + " has no \"testOrder\": true; test_only of " + guard.owner + " is true");
    }
    if (!guard.rules.bookmakers.empty()) {
      if (auto refusal = check_bookmakers(guard, place, order)) return refusal;
    }
    if (!guard.rules.max_stake.empty()) {
      if (auto refusal = stakes.add(place, order)) return refusal;
    }
  }
  return std::nullopt;
}

std::optional<Refusal> check_rate(const Guard& guard, std::size_t orders, OrdersPerMinute& minute,
                                  SteadyTime now) {
  if (!guard.rules.max_orders_per_minute) return std::nullopt;
  const std::size_t most = *guard.rules.max_orders_per_minute;
  const std::size_t before = minute.count(now);
  if (before + orders <= most) return std::nullopt;
  Refusal refusal = refused("MAX_ORDERS_PER_MINUTE", std::to_string(orders) + " more orders after " +
                                                         std::to_string(before) +
                                                         " in the last minute; max_orders_per_minute of " +
                                                         guard.owner + " is " + std::to_string(most));
  if (orders <= most) {
    const auto wait = minute.wait_for(before + orders - most, now);
    refusal.headers.emplace_back("Retry-After", std::to_string(wait.count()));
  }
  return refusal;
}

}  // namespace bridge55::gateway
