#include "tests/sim/rows.hpp"

#include <charconv>
#include <ctime>

namespace bridge55::sim {
namespace {

constexpr std::string_view kAbpZone = "+00:00";
constexpr std::string_view kMmZone = "Z";

void append_number(std::string& out, std::int64_t value) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

/// value / scale as a decimal without trailing zeros but one: 10.0, 1.95, 1.808.
void append_decimal(std::string& out, std::int64_t value, std::int64_t scale) {
  if (value < 0) {
    out += '-';
    value = -value;
  }
  append_number(out, value / scale);
  out += '.';
  std::int64_t rest = value % scale;
  do {
    scale /= 10;
    out += static_cast<char>('0' + rest / scale);
    rest %= scale;
  } while (rest != 0);
}

void append_time(std::string& out, std::int64_t ms) {
  static thread_local std::int64_t cached_second = -1;
  static thread_local std::string cached;
  if (const std::int64_t second = ms / 1000; second != cached_second) {
    const std::time_t time = second;
    std::tm parts{};
    gmtime_r(&time, &parts);
    char text[32];
    cached.assign(text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts));
    cached_second = second;
  }
  out += cached;
}

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) out += c;
  }
}

}  // namespace

void ObjectWriter::key(std::string_view name) {
  out_ += first_ ? "\"" : ",\"";
  first_ = false;
  out_ += name;
  out_ += "\":";
}

ObjectWriter& ObjectWriter::text(std::string_view name, std::string_view value) {
  key(name);
  out_ += '"';
  append_escaped(out_, value);
  out_ += '"';
  return *this;
}

ObjectWriter& ObjectWriter::raw(std::string_view name, std::string_view json) {
  key(name);
  out_ += json;
  return *this;
}

ObjectWriter& ObjectWriter::number(std::string_view name, std::int64_t value) {
  key(name);
  append_number(out_, value);
  return *this;
}

ObjectWriter& ObjectWriter::cents(std::string_view name, std::int64_t hundredths) {
  key(name);
  append_decimal(out_, hundredths, 100);
  return *this;
}

ObjectWriter& ObjectWriter::thousandths(std::string_view name, std::int64_t value) {
  key(name);
  append_decimal(out_, value, 1000);
  return *this;
}

ObjectWriter& ObjectWriter::flag(std::string_view name, bool value) {
  return raw(name, value ? "true" : "false");
}

ObjectWriter& ObjectWriter::time(std::string_view name, std::int64_t ms, std::string_view suffix) {
  if (ms == 0) return raw(name, "null");
  key(name);
  out_ += '"';
  append_time(out_, ms);
  out_ += suffix;
  out_ += '"';
  return *this;
}

std::string iso_time(std::int64_t ms, std::string_view suffix) {
  std::string text;
  append_time(text, ms);
  return text.append(suffix);
}

void write(std::string& out, const AbpOrder& o) {
  ObjectWriter row(out);
  row.number("orderId", o.id)
      .text("requestUuid", o.uuid)
      .text("client", o.client)
      .text("clientName", o.client);
  row.text("fixtureId", o.fixture).number("outcomeId", o.outcome).number("playerId", o.player);
  row.cents("orderPrice", o.price).cents("orderStake", o.stake).cents("filledStake", o.filled);
  row.cents("remainingStake", o.stake - o.filled).text("orderStatus", o.status);
  o.reason.empty() ? row.raw("statusReason", "null") : row.text("statusReason", o.reason);
  row.text("userRef", o.user_ref).flag("testOrder", o.test).flag("acceptBetterOdds", o.better_odds);
  row.flag("acceptPartialStake", o.partial_stake).text("orderCurrency", o.currency).flag("back", o.back);
  row.text("allowedBookmakers", o.bookmakers).raw("oddsInfo", "null").raw("meta", o.meta);
  row.time("expiresAt", o.expires_ms, kAbpZone).time("filledAt", o.filled_ms, kAbpZone);
  row.time("createdAt", o.created_ms, kAbpZone).time("updatedAt", o.updated_ms, kAbpZone).end();
}

void write(std::string& out, const AbpBet& b) {
  ObjectWriter row(out);
  row.number("betId", b.id).number("orderId", b.order_id).text("bookmaker", b.bookmaker);
  row.text("bookmakerBetId", b.bookmaker_id)
      .text("betStatus", b.status)
      .text("settlementStatus", b.settlement);
  row.cents("placedStake", b.stake).cents("placedPrice", b.price).text("placedCurrency", b.currency);
  row.text("account", b.account)
      .text("requestUuid", b.uuid)
      .text("userRef", b.user_ref)
      .flag("testBet", b.test);
  row.text("client", b.client).text("clientName", b.client);
  std::string part;
  ObjectWriter(part).cents("stake", b.stake).cents("price", b.asked_price).end();
  row.raw("sentData", part);
  part.clear();
  const auto answer = b.status == "CONFIRMED" ? "accepted" : b.status == "PLACED" ? "pending" : "declined";
  ObjectWriter(part).text("betId", b.bookmaker_id).text("status", answer).cents("price", b.price).end();
  row.raw("receivedData", part);
  b.settled_ms == 0 ? row.raw("settlementAmount", "null")
                    : row.cents("settlementAmount", b.settlement_amount);
  b.settlement_reason.empty() ? row.raw("settlementReason", "null")
                              : row.text("settlementReason", b.settlement_reason);
  row.time("settledAt", b.settled_ms, kAbpZone);
  b.decline_reason.empty() ? row.raw("declineReason", "null") : row.text("declineReason", b.decline_reason);
  row.raw("betRequestId", "null").raw("oddsInfo", "null").raw("meta", b.meta);
  row.time("placedAt", b.placed_ms, kAbpZone).time("createdAt", b.placed_ms, kAbpZone);
  row.time("updatedAt", b.updated_ms, kAbpZone).end();
}

void write(std::string& out, const MmOrder& o) {
  ObjectWriter row(out);
  row.number("orderId", o.id)
      .text("client", o.client)
      .text("fixtureId", o.fixture)
      .number("outcomeId", o.outcome);
  row.number("playerId", 0).text("exchange", o.exchange).text("exchangeOrderId", o.exchange_id);
  row.text("exchangeOutcomeId", o.exchange_outcome).text("orderStatus", o.status);
  row.text("matchedStatus", o.matched_status).cents("orderCents", o.price_cents).cents("orderStake", o.stake);
  row.cents("matchedStake", o.matched).text("settlementStatus", o.settlement);
  row.thousandths("bookmakerOutcomePrice", o.bookmaker_price)
      .cents("bookmakerOutcomeLimit", o.bookmaker_limit);
  row.raw("oddsInfo", "null").raw("meta", o.meta).time("createdAt", o.created_ms, kMmZone);
  row.time("matchedAt", o.matched_ms, kMmZone).time("updatedAt", o.updated_ms, kMmZone).end();
}

void write(std::string& out, const MmBet& b) {
  ObjectWriter row(out);
  row.number("betId", b.id)
      .number("orderId", b.order_id)
      .text("client", b.client)
      .text("bookmaker", b.bookmaker);
  row.text("bookmakerBetId", b.bookmaker_id)
      .thousandths("placedPrice", b.price)
      .cents("placedStake", b.stake);
  row.text("betStatus", b.status);
  b.settlement.empty() ? row.raw("settlementStatus", "null") : row.text("settlementStatus", b.settlement);
  std::string part;
  ObjectWriter sent(part);
  sent.text("requestId", b.request_id).number("eventId", b.event_id).thousandths("price", b.price);
  sent.cents("amount", b.stake).text("side", "1").end();
  row.raw("sentData", part);
  part.clear();
  ObjectWriter(part).text("betId", b.bookmaker_id).text("status", "U").end();
  row.raw("receivedData", part).raw("meta", b.meta);
  row.time("placedAt", b.placed_ms, kMmZone).time("updatedAt", b.updated_ms, kMmZone).end();
}

void write_abp(std::string& out, const Account& a) {
  ObjectWriter row(out);
  row.text("bookmaker", a.venue)
      .text("username", a.username)
      .text("client", a.client)
      .text("password", "***");
  row.cents("balance", a.balance).flag("active", a.active).number("priority", a.priority);
  row.cents("maxStake", 100000)
      .cents("minStake", 500)
      .text("currencyId", a.currency)
      .flag("verifyBetslip", false);
  row.raw("meta", "{}")
      .text("createdAt", "2026-01-01T00:00:00Z")
      .time("updatedAt", a.updated_ms, kMmZone)
      .end();
}

void write_abp_balance(std::string& out, const Account& a, std::int64_t ts_ms) {
  ObjectWriter row(out);
  row.text("clientName", a.client).text("bookmaker", a.venue).text("username", a.username);
  row.cents("balance", a.balance).text("currency", a.currency).number("ts", ts_ms).end();
}

void write_mm(std::string& out, const Account& a) {
  ObjectWriter row(out);
  row.text("exchange", a.venue)
      .text("username", a.username)
      .text("client", a.client)
      .text("bookmaker", "vertex");
  row.cents("balance", a.balance).cents("maxOutcomeStake", 100000).flag("active", a.active).end();
}

}  // namespace bridge55::sim
