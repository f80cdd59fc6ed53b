#include "tests/sim/abp_desk.hpp"

#include "tests/sim/life.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace bridge55::sim {

using json = nlohmann::ordered_json;

namespace {

constexpr std::int64_t kBetterBy = 3;  // hundredths that the found price is better than the asked one

void tell_order(Vendor& vendor, const AbpOrder& order, const std::string& event) {
  std::string row;
  write(row, order);
  vendor.book_of(Api::abp).put_order(
      {order.id, order.id, order.uuid, order.user_ref, order.status, order.fixture, {}, order.client, row});
  tell_abp(vendor, "orders", event, row, order.client);
}

void tell_bet(Vendor& vendor, const AbpBet& bet, const std::string& event) {
  std::string row;
  write(row, bet);
  vendor.book_of(Api::abp).put_bet(
      {bet.id, bet.order_id, bet.uuid, bet.user_ref, bet.status, {}, bet.bookmaker, bet.client, row});
  tell_abp(vendor, "bets", event, row, bet.client);
}

void take_from_balance(Vendor& vendor, const AbpBet& bet) {
  Book& book = vendor.book_of(Api::abp);
  const auto name = bet.bookmaker + '/' + bet.account;
  const auto found = book.accounts().find(name);
  if (found == book.accounts().end()) return;
  Row row = found->second;
  json account = json::parse(row.json);
  Account shown{bet.bookmaker, bet.account, bet.client};
  shown.balance = static_cast<std::int64_t>(account.value("balance", 0.0) * 100 + 0.5) - bet.stake;
  account["balance"] = static_cast<double>(shown.balance) / 100;
  row.json = account.dump();
  book.put_account(name, row);
  std::string told;
  write_abp_balance(told, shown, wall_ms());
  tell_abp(vendor, "balance", "UPDATE", told, bet.client);
}

AbpBet make_bet(Vendor& vendor, const AbpOrder& order, std::int64_t stake) {
  AbpBet bet;
  bet.id = vendor.book_of(Api::abp).new_bet_id();
  bet.order_id = order.id;
  bet.bookmaker =
      order.bookmakers == "*" ? "pinnacle" : order.bookmakers.substr(0, order.bookmakers.find(','));
  bet.bookmaker_id = std::to_string(3'332'684'214 + bet.id);
  bet.account = bet.bookmaker + "_main";
  bet.uuid = order.uuid;
  bet.user_ref = order.user_ref;
  bet.client = order.client;
  bet.currency = order.currency;
  bet.stake = stake;
  bet.asked_price = order.price;
  bet.price = order.price + (order.better_odds ? kBetterBy : 0);
  bet.placed_ms = bet.updated_ms = wall_ms();
  return bet;
}

AbpBet place_bet(Vendor& vendor, const AbpOrder& order, std::int64_t stake) {
  AbpBet bet = make_bet(vendor, order, stake);
  tell_bet(vendor, bet, "INSERT");
  bet.status = "CONFIRMED";
  tell_bet(vendor, bet, "UPDATE");
  take_from_balance(vendor, bet);
  return bet;
}

void expire_later(Vendor& vendor, const AbpOrder& order) {
  const auto left = milliseconds(std::max<std::int64_t>(0, order.expires_ms - wall_ms()));
  vendor.later(left, [&vendor, id = order.id] {
    const auto& orders = vendor.book_of(Api::abp).orders();
    const auto found = orders.find(id);
    if (found != orders.end() && found->second.status == "PENDING")
      change_order(vendor, id, "EXPIRED", "Order expired");
  });
}

}  // namespace

Placed process_order(Vendor& vendor, AbpOrder order) {
  const std::string& fill = vendor.options.placing.fill;
  order.id = vendor.book_of(Api::abp).new_order_id();
  auto& known = vendor.placements.order(order.client, order.uuid);
  ++known.processed;
  known.order_id = order.id;
  tell_order(vendor, order, "INSERT");
  Placed placed{order, {}};
  AbpOrder& now = placed.order;
  now.updated_ms = std::max(now.created_ms, wall_ms());
  if (now.expires_ms <= now.created_ms) {
    now.status = "EXPIRED";
    now.reason = "Order expired";
  } else if (fill == "rejected") {
    now.status = "REJECTED";
    now.reason = "Odds changed";
  } else if (fill == "pending" || now.test) {  // a test order is validated only
    expire_later(vendor, now);
    return placed;
  } else {
    const bool partly = fill == "partial" && now.partial_stake;
    now.filled = partly ? now.stake / 2 : now.stake;
    placed.bets.push_back(place_bet(vendor, now, now.filled));
    now.status = partly ? "PARTIALLY_FILLED" : "FILLED";
    now.filled_ms = partly ? 0 : now.updated_ms;
  }
  tell_order(vendor, now, "UPDATE");
  return placed;
}

void change_order(Vendor& vendor, std::int64_t id, const std::string& status, const std::string& reason) {
  Book& book = vendor.book_of(Api::abp);
  const auto found = book.orders().find(id);
  if (found == book.orders().end()) return;
  Row row = found->second;
  json order = json::parse(row.json);
  order["orderStatus"] = status;
  order["statusReason"] = reason;
  order["updatedAt"] = iso_time(wall_ms(), "+00:00");
  row.status = status;
  row.json = order.dump();
  book.put_order(row);
  tell_abp(vendor, "orders", "UPDATE", row.json, row.client);
}

void tell_abp(Vendor& vendor, const std::string& channel, const std::string& event,
              const std::string& payload, const std::string& client) {
  const unsigned number = channel_number(Api::abp, channel);
  const std::string body = frame_head(Api::abp, number, event) + payload;
  vendor.broadcast({Api::abp, number, body, wall_ms(), client});
}

bool is_cancellable(const std::string& status) {
  return status == "PENDING" || status == "PARTIALLY_FILLED";
}

}  // namespace bridge55::sim
