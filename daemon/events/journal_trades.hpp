// The tables of trades and switches (docs/journal.md): rows in and out, each with its checksum. One
// connection, one thread at a time, inside the caller's transaction. Every method may throw sqlite::Error.
#pragma once

#include "daemon/events/journal_sqlite.hpp"
#include "daemon/events/trade_record.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bridge55::events {

class Store;
struct Recovered;

// A row of `trade_orders`. It says enough to look the order up where the trade's own row is damaged.
struct TradeOrderRow {
  std::uint64_t trade = 0;
  std::uint64_t place = 0;  // in the request, from 0
  WallMicros at = 0;
  std::string upstream, app;
  TradeOrder order;
  bool sound = false;  // its checksum fits

  std::int64_t checksum() const;
};

// A row of `trades`, without its orders.
struct TradeRow {
  TradeRecord record;
  std::uint64_t orders = 0;  // how many it has
  std::uint64_t bytes = 0;   // about what it takes in the file, its orders and their index included
  bool sound = false;

  std::int64_t checksum() const;
};

inline constexpr char kTradeColumns[] =
    "id, sum, at, open, status, settled, orders, bytes, upstream, app, request_id, content_type, steps, "
    "body, "
    "answer";
inline constexpr char kTradeOrderColumns[] = "trade, place, at, fate, sum, upstream, app, uuid, entry";
TradeRow trade_row(const sqlite::Statement& statement);
TradeOrderRow trade_order_row(const sqlite::Statement& statement);
std::int64_t switch_sum(std::string_view name, std::string_view value);
std::uint64_t switches_sum(sqlite::Connection& connection);  // of all that are there, in any order
bool holds(const TradeRecord& trade, std::string_view uuid);

class TradeWriter {
 public:
  explicit TradeWriter(sqlite::Connection& connection);

  // By how many bytes the tables grew.
  std::int64_t put(const TradeRecord& trade);
  std::int64_t insert_row(const TradeRow& row);  // as it was read elsewhere
  void insert_order_row(const TradeOrderRow& row);
  void put_switch(std::string_view name, std::string_view value);  // through Store::put_switch

  struct Swept {
    std::int64_t bytes = 0;  // that went
    bool more = false;       // the next step goes on where this one ended
  };
  // Looks at a few trades, oldest first, and deletes those of before `through` that are neither open nor
  // damaged; never the newest, whose id must not be used again.
  Swept sweep(WallMicros through, WallMicros now);
  bool sweep_due(WallMicros through);

 private:
  bool gone(std::uint64_t id, std::int64_t& bytes);
  void bind(const TradeRow& row);

  sqlite::Statement bytes_of_, put_, put_order_, cut_orders_, put_switch_, drop_switch_, look_, trade_,
      newest_, drop_, drop_orders_;
  std::uint64_t swept_ = 0;  // in this round; the next begins at 0, for what was open then
};

class TradeReader {
 public:
  explicit TradeReader(sqlite::Connection& connection);

  struct Found {
    std::optional<TradeRecord> trade;   // with those of its orders that are sound
    std::vector<TradeOrderRow> orders;  // the same, also where the trade's own row is damaged
    bool row_lost = false;              // absent or damaged
    std::size_t orders_lost = 0;
  };
  Found trade(std::uint64_t id);
  // The newest that holds the order; nothing where its row is damaged.
  std::optional<TradeRecord> newest(std::string_view uuid);

 private:
  sqlite::Statement trade_, orders_, newest_;
};

// What a start takes from the tables; what is damaged is named in `recovered.repairs`. An open trade whose
// row is damaged comes with what its orders say about it: no body, no answer.
void recover_trades(Store& store, WallMicros now, Recovered& recovered);

// Copies what can be read of the tables of a damaged journal; in words what could not.
std::vector<std::string> salvage_trades(sqlite::Connection& from, Store& into);

}  // namespace bridge55::events
