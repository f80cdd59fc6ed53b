#include "daemon/events/journal.hpp"
#include "daemon/events/journal_open.hpp"
#include "daemon/events/journal_store.hpp"
#include "daemon/events/journal_trades.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace bridge55::events {
namespace {

// Ids rise, times nearly so: a clock that was wrong for a while must not hide what lies before.
constexpr std::size_t kOldInARow = 1000;
constexpr char kDamagedSwitch[] = "damaged";  // readable as nothing: whoever wanted it there decides what that means
using Place = std::pair<std::uint64_t, std::uint64_t>;  // trade, and which of its orders
constexpr std::size_t kRowsCommitted = 4096;
constexpr std::size_t kPlacesNamed = 20;

std::string list(const std::vector<TradeOrderRow>& orders) {
  std::string text;
  for (const TradeOrderRow& row : orders)
    text += (text.empty() ? "" : ", ") + row.order.uuid;
  return text.empty() ? "none of them" : text;
}

class Recovery {
 public:
  Recovery(Store& store, WallMicros now, Recovered& recovered)
      : store_(store),
        connection_(store.connection()),
        reader_(connection_),
        since_(now - Journal::kTradeMemory),
        out_(recovered) {}

  void run() {
    switches();
    memory();
    counts();
    open_trades();
    out_.last_trade = std::max(out_.last_trade,
                               static_cast<std::uint64_t>(connection_.number("SELECT max(id) FROM trades")));
    std::ranges::reverse(out_.trade_memory);
  }

 private:
  void switches() {
    sqlite::Statement all(connection_, "SELECT name, value, sum FROM switches");
    while (all.row()) {
      const std::string name(all.bytes(0)), value(all.bytes(1));
      if (all.number(2) == switch_sum(name, value)) {
        out_.switches[name] = value;
      } else {
        out_.repairs.push_back("the switch " + name + " was damaged");
        out_.switches[name] = kDamagedSwitch;
      }
    }
    const std::size_t before = out_.repairs.size();
    bool damaged = false;
    if (store_.note("switches", damaged).value_or(0) != switches_sum(connection_))
      out_.repairs.emplace_back(
          "switches are missing from the journal: pauses and the emergency latch may be among them");
    if (out_.repairs.size() > before) out_.switches.try_emplace("pauses", kDamagedSwitch);
  }

  // Newest first.
  void memory() {
    sqlite::Statement all(connection_, ("SELECT " + std::string(kTradeOrderColumns) +
                                        " FROM trade_orders ORDER BY trade DESC, place DESC")
                                           .c_str());
    Place last{UINT64_MAX, UINT64_MAX};
    for (std::size_t old = 0; old < kOldInARow && all.row();) {
      const TradeOrderRow row = trade_order_row(all);
      if (const Place place{row.trade, row.place}; std::exchange(last, place) <= place)
        throw sqlite::damaged("orders of trades go backwards");
      if (!row.sound) {
        out_.repairs.push_back("an order of trade " + std::to_string(row.trade) +
                               " was damaged: its record is lost");
        continue;
      }
      out_.last_trade = std::max(out_.last_trade, row.trade);
      old = row.at < since_ ? old + 1 : 0;
      if (old == 0) remember(row);
    }
    all.reset();
  }

  void remember(const TradeOrderRow& row) {
    ++seen_[row.trade];
    if (row.order.fate == Fate::open) open_.insert(row.trade);
    out_.trade_memory.push_back({row.order.uuid, row.upstream, row.app, row.trade, row.at, row.order.fate});
  }

  // A page that lost rows says nothing of itself: the other table tells.
  void counts() {
    sqlite::Statement all(connection_, "SELECT id, at, orders FROM trades ORDER BY id DESC");
    std::uint64_t last = UINT64_MAX;
    for (std::size_t old = 0; old < kOldInARow && all.row();) {
      const std::uint64_t id = all.id(0);
      if (std::exchange(last, id) <= id) throw sqlite::damaged("trades go backwards");
      old = all.number(1) < since_ ? old + 1 : 0;
      const auto seen = seen_.find(id);
      const std::uint64_t orders = seen == seen_.end() ? 0 : seen->second;
      if (old == 0 && orders < all.id(2)) open_.insert(id);
      if (seen != seen_.end()) seen_.erase(seen);
    }
    all.reset();
    for (const auto& [id, orders] : seen_)
      open_.insert(id);
  }

  void open_trades() {
    sqlite::Statement marked(connection_, "SELECT id FROM trades INDEXED BY trades_open WHERE open=1");
    while (marked.row())
      open_.insert(marked.id(0));
    for (const std::uint64_t id : open_)
      look_at(id);
  }

  void look_at(std::uint64_t id) {
    TradeReader::Found found = reader_.trade(id);
    const std::string name = "trade " + std::to_string(id);
    if (found.orders_lost > 0) {
      out_.repairs.push_back(std::to_string(found.orders_lost) + " orders of " + name +
                             " were lost; those left: " + list(found.orders));
    }
    if (found.row_lost) {
      out_.repairs.push_back("the record of " + name +
                             " was damaged; orders known of it: " + list(found.orders));
      found.trade = stand_in(id, found.orders);
    }
    if (found.trade && found.trade->open) out_.open_trades.push_back(std::move(*found.trade));
  }

  static std::optional<TradeRecord> stand_in(std::uint64_t id, const std::vector<TradeOrderRow>& orders) {
    TradeRecord trade;
    trade.id = id;
    trade.open = std::ranges::any_of(orders, [](const auto& row) { return row.order.fate == Fate::open; });
    if (!trade.open) return std::nullopt;
    trade.upstream = orders.front().upstream;
    trade.app = orders.front().app;
    trade.at = orders.front().at;
    for (const TradeOrderRow& row : orders)
      trade.orders.push_back(row.order);
    return trade;
  }

  Store& store_;
  sqlite::Connection& connection_;
  TradeReader reader_;
  const WallMicros since_;
  Recovered& out_;
  std::map<std::uint64_t, std::uint64_t> seen_;  // orders found, by trade
  std::set<std::uint64_t> open_;                 // to be looked at: open, or at odds with itself
};

class Salvage {
 public:
  Salvage(sqlite::Connection& from, Store& into) : from_(from), into_(into) {}

  std::vector<std::string> run() {
    part("switches", [this] { switches(); });
    part("trades", [this] {
      copy("trades", "id", kTradeColumns, [this](const sqlite::Statement& row) {
        const TradeRow found = trade_row(row);
        if (found.sound) bytes_ += into_.trades().insert_row(found);
        return found.sound;
      });
    });
    part("orders of trades", [this] {
      copy("trade_orders", "trade", kTradeOrderColumns, [this](const sqlite::Statement& row) {
        const TradeOrderRow found = trade_order_row(row);
        const Place place{found.trade, found.place};
        const bool sound =
            found.sound && (place > last_ || last_ == Place{});  // what comes twice may be stale
        if (sound) into_.trades().insert_order_row(found);
        if (sound) last_ = place;
        return sound;
      });
    });
    part("trades", [this] {
      into_.put_note("trade_bytes", static_cast<std::uint64_t>(std::max<std::int64_t>(bytes_, 0)));
    });
    return std::move(lost_);
  }

 private:
  template <class Copy>
  void part(const std::string& what, Copy&& copy) {
    into_.begin();
    try {
      copy();
    } catch (const sqlite::Error& error) {
      if (error.trouble == sqlite::Trouble::full) throw;
      lost_.push_back("of the " + what + " not everything could be read: " + error.what());
    }
    into_.commit();
  }

  // Or the log would become as large as the tables.
  void commit_some() {
    into_.commit();
    into_.connection().checkpoint();
    into_.begin();
  }

  void switches() {
    sqlite::Statement all(from_, "SELECT name, value, sum FROM switches");
    while (all.row()) {
      const std::string name(all.bytes(0)), value(all.bytes(1));
      if (all.number(2) == switch_sum(name, value)) {
        into_.put_switch(name, value);
      } else {
        lost_.push_back("the switch " + name + " was damaged: it is not set any more");
      }
    }
  }

  // In the order of `key`, over places that cannot be read.
  template <class Take>
  void copy(const std::string& table, const std::string& key, const char* columns, Take&& take) {
    sqlite::Statement rows(
        from_, ("SELECT " + std::string(columns) + " FROM " + table + " WHERE " + key + ">=? ORDER BY " + key)
                   .c_str());
    sqlite::Statement probe(
        from_,
        ("SELECT " + key + " FROM " + table + " WHERE " + key + ">? ORDER BY " + key + " LIMIT 1").c_str());
    std::uint64_t at = 0;
    for (std::size_t places = 0;; ++places) {
      std::string why = "a checksum does not fit";
      try {
        for (rows.bind(1, at); rows.row();) {
          if (rows.id(0) < at) throw sqlite::damaged("ids go backwards");
          at = rows.id(0);
          if (!take(rows) && places++ < kPlacesNamed) lose(table, at, why);
          if (++copied_ % kRowsCommitted == 0) commit_some();
        }
        return;
      } catch (const sqlite::Error& error) {
        if (error.trouble == sqlite::Trouble::full) throw;
        why = error.what();
      }
      rows.reset();
      if (places < kPlacesNamed) lose(table, at, why);
      const std::uint64_t next = next_reachable(probe, at);
      if (next == 0) return;
      at = next;
    }
  }

  void lose(const std::string& table, std::uint64_t at, const std::string& why) {
    lost_.push_back((table == "trades" ? "trade " : "orders of trade ") + std::to_string(at) +
                    " or right after it could not be read: " + why);
  }

  sqlite::Connection& from_;
  Store& into_;
  std::int64_t bytes_ = 0;
  Place last_{};
  std::size_t copied_ = 0;
  std::vector<std::string> lost_;
};

}  // namespace

void recover_trades(Store& store, WallMicros now, Recovered& recovered) {
  Recovery(store, now, recovered).run();
}

std::vector<std::string> salvage_trades(sqlite::Connection& from, Store& into) {
  if (from.number("PRAGMA user_version") == 1) return {};  // of before these tables: nothing to lose
  return Salvage(from, into).run();
}

}  // namespace bridge55::events
