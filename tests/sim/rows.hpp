#pragma once
// The vendor's rows as JSON text: member order and number formats as the docs print them (10.0 stays 10.0).

#include <cstdint>
#include <string>
#include <string_view>

namespace bridge55::sim {

/// Appends one JSON object member by member.
class ObjectWriter {
 public:
  explicit ObjectWriter(std::string& out) : out_(out) { out_ += '{'; }

  ObjectWriter& text(std::string_view name, std::string_view value);
  ObjectWriter& raw(std::string_view name, std::string_view json);
  ObjectWriter& number(std::string_view name, std::int64_t value);
  /// Hundredths printed as a decimal: 1000 is 10.0, 195 is 1.95.
  ObjectWriter& cents(std::string_view name, std::int64_t hundredths);
  ObjectWriter& thousandths(std::string_view name, std::int64_t value);
  ObjectWriter& flag(std::string_view name, bool value);
  /// ISO 8601 with `suffix` for the zone; null for 0.
  ObjectWriter& time(std::string_view name, std::int64_t ms, std::string_view suffix);
  void end() { out_ += '}'; }

 private:
  void key(std::string_view name);
  std::string& out_;
  bool first_ = true;
};

/// A row of ABP's `orders` table (vendor docs: ABP WebSocket, "Orders payload"). Money in hundredths, times
/// in ms.
struct AbpOrder {
  std::int64_t id = 0;
  std::string uuid, client, fixture, user_ref, currency = "USD", status = "PENDING", reason, bookmakers = "*",
                                               meta = "{}";
  std::int64_t outcome = 103, player = 0;
  std::int64_t price = 195, stake = 1000, filled = 0;
  bool test = false, better_odds = true, partial_stake = true, back = true;
  std::int64_t created_ms = 0, updated_ms = 0, expires_ms = 0, filled_ms = 0;
};

/// A row of ABP's `bets` table ("Bets / settlements payload").
struct AbpBet {
  std::int64_t id = 0, order_id = 0;
  std::string bookmaker = "pinnacle", bookmaker_id, status = "PLACED", settlement = "UNSETTLED", account,
              uuid, user_ref;
  std::string client, currency = "USD", settlement_reason, decline_reason, meta = "{}";
  std::int64_t stake = 1000, price = 198, asked_price = 195;
  std::int64_t settlement_amount = 0;
  bool test = false;
  std::int64_t placed_ms = 0, settled_ms = 0, updated_ms = 0;
};

/// An exchange order of MM (MM Quickstart, step 2; MM WebSocket, "Order fill").
struct MmOrder {
  std::int64_t id = 0;
  std::string client, fixture, exchange = "polymarket", exchange_id, exchange_outcome = "12345678";
  std::string status = "PENDING_PLACEMENT", matched_status = "NOT_MATCHED", settlement = "UNDECIDED";
  std::int64_t outcome = 161, price_cents = 45, stake = 10000, matched = 0;
  std::int64_t bookmaker_price = 1808, bookmaker_limit = 500000;  ///< thousandths, hundredths
  std::int64_t created_ms = 0, matched_ms = 0, updated_ms = 0;
  std::string meta = "{}";
};

/// A hedge bet of MM ("Hedge bet placed").
struct MmBet {
  std::int64_t id = 0, order_id = 0;
  std::string client, bookmaker = "vertex", bookmaker_id, status = "pending", settlement, request_id;
  std::int64_t price = 1808, stake = 10000, event_id = 98765;
  std::int64_t placed_ms = 0, updated_ms = 0;
  std::string meta = "{}";
};

struct Account {
  std::string venue, username, client;  ///< venue: bookmaker (ABP) or exchange (MM)
  std::int64_t balance = 500000;
  std::int64_t priority = 10;
  bool active = true;
  std::string currency = "USD";
  std::int64_t updated_ms = 0;
};

/// ISO 8601 with the zone's suffix.
std::string iso_time(std::int64_t ms, std::string_view suffix);

void write(std::string& out, const AbpOrder& order);
void write(std::string& out, const AbpBet& bet);
void write(std::string& out, const MmOrder& order);
void write(std::string& out, const MmBet& bet);
void write_abp(std::string& out, const Account& account);
void write_abp_balance(std::string& out, const Account& account, std::int64_t ts_ms);
void write_mm(std::string& out, const Account& account);

}  // namespace bridge55::sim
