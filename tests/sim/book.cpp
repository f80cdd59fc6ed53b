#include "tests/sim/book.hpp"

#include <algorithm>

namespace bridge55::sim {

void Book::put_order(Row row) {
  const auto id = row.id;
  orders_.insert_or_assign(id, std::move(row));
  if (orders_.size() > capacity_) orders_.erase(orders_.begin());
}

void Book::put_bet(Row row) {
  remove_bet(row.id);
  bets_by_order_.emplace(row.order_id, row.id);
  const auto id = row.id;
  bets_.emplace(id, std::move(row));
  if (bets_.size() > capacity_) remove_bet(bets_.begin()->first);
}

std::int64_t Book::new_order_id() {
  while (orders_.contains(++last_order_)) {
  }
  return last_order_;
}

std::int64_t Book::new_bet_id() {
  while (bets_.contains(++last_bet_)) {
  }
  return last_bet_;
}

void Book::ids_from(std::int64_t order, std::int64_t bet) {
  last_order_ = std::max(last_order_, order);
  last_bet_ = std::max(last_bet_, bet);
}

void Book::remove_bet(std::int64_t id) {
  const auto found = bets_.find(id);
  if (found == bets_.end()) return;
  const auto [first, last] = bets_by_order_.equal_range(found->second.order_id);
  for (auto it = first; it != last; ++it) {
    if (it->second == id) {
      bets_by_order_.erase(it);
      break;
    }
  }
  bets_.erase(found);
}

std::vector<const Row*> Book::bets_of(std::int64_t order_id) const {
  std::vector<const Row*> found;
  const auto [first, last] = bets_by_order_.equal_range(order_id);
  for (auto it = first; it != last; ++it) {
    const auto bet = bets_.find(it->second);
    if (bet != bets_.end()) found.push_back(&bet->second);
  }
  return found;
}

}  // namespace bridge55::sim
