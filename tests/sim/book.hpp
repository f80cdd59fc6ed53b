#pragma once
// What the vendor's database would hold: the latest full row of each thing it has broadcast, for REST.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace bridge55::sim {

/// A row as JSON text and the columns that REST filters on. Accounts, fixtures and balances are keyed by
/// text.
struct Row {
  std::int64_t id = 0;
  std::int64_t order_id = 0;
  std::string request_uuid, user_ref, status, fixture, venue;  ///< venue: bookmaker or exchange
  std::string client;
  std::string json;
};

class Book {
 public:
  explicit Book(std::size_t capacity) : capacity_(capacity) {}

  /// Inserts or replaces by id; beyond the capacity the lowest ids are forgotten.
  void put_order(Row row);
  void put_bet(Row row);
  /// The next free id after the highest given out.
  std::int64_t new_order_id();
  std::int64_t new_bet_id();
  /// Ids go on from these.
  void ids_from(std::int64_t order, std::int64_t bet);
  void remove_order(std::int64_t id) { orders_.erase(id); }
  void remove_bet(std::int64_t id);
  void put_account(const std::string& key, Row row) { accounts_[key] = std::move(row); }
  void remove_account(const std::string& key) { accounts_.erase(key); }
  void put_fixture(const std::string& key, Row row) { fixtures_[key] = std::move(row); }

  const std::map<std::int64_t, Row>& orders() const { return orders_; }
  const std::map<std::int64_t, Row>& bets() const { return bets_; }
  const std::map<std::string, Row>& accounts() const { return accounts_; }
  const std::map<std::string, Row>& fixtures() const { return fixtures_; }
  std::vector<const Row*> bets_of(std::int64_t order_id) const;

 private:
  std::size_t capacity_;
  std::int64_t last_order_ = 0, last_bet_ = 0;
  std::map<std::int64_t, Row> orders_, bets_;
  std::multimap<std::int64_t, std::int64_t> bets_by_order_;
  std::map<std::string, Row> accounts_, fixtures_;
};

}  // namespace bridge55::sim
