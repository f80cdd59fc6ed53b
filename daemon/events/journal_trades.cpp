#include "daemon/events/journal_trades.hpp"

#include "daemon/events/journal_checksum.hpp"

#include <algorithm>
#include <cstring>

#include <simdjson.h>

namespace bridge55::events {
namespace {

constexpr std::size_t kSweptAtOnce = 64;
constexpr WallMicros kFuture = 60'000'000;  // a trade from further ahead: the clock was wrong then
// Beside its texts, what a row takes with its record header, checksum and integers.
constexpr std::uint64_t kRowBytes = 64, kOrderBytes = 96;

bool is_text(std::string_view bytes) {
  return std::memchr(bytes.data(), 0, bytes.size()) == nullptr &&
         simdjson::validate_utf8(bytes.data(), bytes.size());
}

void bind_bytes(sqlite::Statement& statement, int at, std::string_view bytes) {
  if (bytes.empty() || is_text(bytes)) {
    statement.text(at, bytes);
  } else {
    statement.blob(at, bytes);
  }
}

std::uint64_t order_bytes(const TradeOrderRow& row) {
  return kOrderBytes + 2 * row.order.uuid.size() + row.order.entry.size() + row.upstream.size() +
         row.app.size();
}

TradeOrderRow order_row(const TradeRecord& trade, std::size_t place) {
  return {trade.id, place, trade.at, trade.upstream, trade.app, trade.orders[place], true};
}

std::uint64_t trade_bytes(const TradeRecord& trade) {
  std::uint64_t bytes = kRowBytes + trade.upstream.size() + trade.app.size() + trade.request_id.size() +
                        trade.content_type.size() + trade.steps.size() + trade.body.size() +
                        trade.answer.size();
  for (std::size_t place = 0; place < trade.orders.size(); ++place)
    bytes += order_bytes(order_row(trade, place));
  return bytes;
}

}  // namespace

std::int64_t TradeOrderRow::checksum() const {
  return Checksum()
      .number(trade)
      .number(place)
      .number(static_cast<std::uint64_t>(at))
      .number(static_cast<std::uint64_t>(order.fate))
      .text(upstream)
      .text(app)
      .text(order.uuid)
      .text(order.entry)
      .value();
}

std::int64_t TradeRow::checksum() const {
  Checksum sum;
  sum.number(record.id).number(static_cast<std::uint64_t>(record.at)).number(record.open ? 1 : 0);
  sum.number(record.status).number(record.settled ? 1 : 0).number(orders).number(bytes);
  for (const std::string* text : {&record.upstream, &record.app, &record.request_id, &record.content_type,
                                  &record.steps, &record.body, &record.answer})
    sum.text(*text);
  return sum.value();
}

std::int64_t switch_sum(std::string_view name, std::string_view value) {
  return Checksum().text(name).text(value).value();
}

std::uint64_t switches_sum(sqlite::Connection& connection) {
  std::uint64_t sum = 0;
  sqlite::Statement all(connection, "SELECT sum FROM switches");
  while (all.row())
    sum ^= all.id(0);
  return sum;
}

bool holds(const TradeRecord& trade, std::string_view uuid) {
  return std::ranges::find(trade.orders, uuid, &TradeOrder::uuid) != trade.orders.end();
}

TradeRow trade_row(const sqlite::Statement& s) {
  TradeRow row;
  TradeRecord& trade = row.record;
  trade.id = s.id(0);
  trade.at = s.number(2);
  trade.open = s.number(3) != 0;
  trade.status = static_cast<unsigned>(s.number(4));
  trade.settled = s.number(5) != 0;
  row.orders = s.id(6);
  row.bytes = s.id(7);
  int column = 8;
  for (std::string* text : {&trade.upstream, &trade.app, &trade.request_id, &trade.content_type, &trade.steps,
                            &trade.body, &trade.answer})
    *text = s.bytes(column++);
  row.sound = s.number(1) == row.checksum();
  return row;
}

TradeOrderRow trade_order_row(const sqlite::Statement& s) {
  TradeOrderRow row;
  row.trade = s.id(0);
  row.place = s.id(1);
  row.at = s.number(2);
  row.order.fate = static_cast<Fate>(s.number(3));
  row.upstream = s.bytes(5);
  row.app = s.bytes(6);
  row.order.uuid = s.bytes(7);
  row.order.entry = s.bytes(8);
  row.sound = s.number(3) >= 0 && s.number(3) <= static_cast<std::int64_t>(Fate::unsent) &&
              s.number(4) == row.checksum();
  return row;
}

TradeWriter::TradeWriter(sqlite::Connection& connection)
    : bytes_of_(connection, "SELECT bytes FROM trades WHERE id=?"),
      put_(connection, ("INSERT OR REPLACE INTO trades(" + std::string(kTradeColumns) +
                        ") VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)")
                           .c_str()),
      put_order_(connection, ("INSERT OR REPLACE INTO trade_orders(" + std::string(kTradeOrderColumns) +
                              ") VALUES(?,?,?,?,?,?,?,?,?)")
                                 .c_str()),
      cut_orders_(connection, "DELETE FROM trade_orders WHERE trade=? AND place>=?"),
      put_switch_(connection, "INSERT OR REPLACE INTO switches VALUES(?,?,?)"),
      drop_switch_(connection, "DELETE FROM switches WHERE name=?"),
      look_(connection, "SELECT id, at, open FROM trades WHERE id>? ORDER BY id LIMIT ?"),
      trade_(connection, ("SELECT " + std::string(kTradeColumns) + " FROM trades WHERE id=?").c_str()),
      newest_(connection, "SELECT max(id) FROM trades"),
      drop_(connection, "DELETE FROM trades WHERE id=?"),
      drop_orders_(connection, "DELETE FROM trade_orders WHERE trade=?") {}

std::int64_t TradeWriter::put(const TradeRecord& trade) {
  const std::int64_t growth = insert_row({trade, trade.orders.size(), trade_bytes(trade), true});
  for (std::size_t place = 0; place < trade.orders.size(); ++place)
    insert_order_row(order_row(trade, place));
  cut_orders_.bind(1, trade.id).bind(2, std::uint64_t{trade.orders.size()}).run();
  return growth;
}

std::int64_t TradeWriter::insert_row(const TradeRow& row) {
  bytes_of_.bind(1, row.record.id);
  const std::int64_t before = bytes_of_.row() ? bytes_of_.number(0) : 0;
  bytes_of_.reset();
  bind(row);
  put_.run();
  return static_cast<std::int64_t>(row.bytes) - before;
}

void TradeWriter::bind(const TradeRow& row) {
  const TradeRecord& trade = row.record;
  put_.bind(1, trade.id).bind(2, row.checksum()).bind(3, trade.at).bind(4, std::int64_t{trade.open});
  put_.bind(5, std::uint64_t{trade.status}).bind(6, std::int64_t{trade.settled});
  put_.bind(7, row.orders).bind(8, row.bytes);
  int column = 9;
  for (const std::string* text : {&trade.upstream, &trade.app, &trade.request_id, &trade.content_type,
                                  &trade.steps, &trade.body, &trade.answer})
    bind_bytes(put_, column++, *text);
}

void TradeWriter::insert_order_row(const TradeOrderRow& row) {
  put_order_.bind(1, row.trade).bind(2, row.place).bind(3, row.at);
  put_order_.bind(4, static_cast<std::int64_t>(row.order.fate)).bind(5, row.checksum());
  int column = 6;
  for (const std::string* text : {&row.upstream, &row.app, &row.order.uuid, &row.order.entry})
    bind_bytes(put_order_, column++, *text);
  put_order_.run();
}

void TradeWriter::put_switch(std::string_view name, std::string_view value) {
  if (value.empty()) return drop_switch_.text(1, name).run();
  put_switch_.text(1, name).text(2, value).bind(3, switch_sum(name, value)).run();
}

bool TradeWriter::sweep_due(WallMicros through) {
  if (swept_ != 0) return true;
  look_.bind(1, std::uint64_t{0}).bind(2, std::uint64_t{1});
  const bool due = look_.row() && look_.number(1) <= through;
  look_.reset();
  return due;
}

TradeWriter::Swept TradeWriter::sweep(WallMicros through, WallMicros now) {
  Swept out;
  const std::uint64_t newest = newest_.row() ? newest_.id(0) : 0;
  newest_.reset();
  std::vector<std::uint64_t> old;
  std::size_t looked = 0;
  bool young = false;
  for (look_.bind(1, swept_).bind(2, std::uint64_t{kSweptAtOnce}); look_.row(); ++looked) {
    young = look_.number(1) > through && look_.number(1) <= now + kFuture;
    if (young) break;
    swept_ = look_.id(0);
    if (look_.number(2) == 0 && look_.number(1) <= through && swept_ < newest) old.push_back(swept_);
  }
  look_.reset();
  for (const std::uint64_t id : old)
    gone(id, out.bytes);
  out.more = !young && looked == kSweptAtOnce;
  if (!out.more) swept_ = 0;
  return out;
}

// A damaged row must not decide what is deleted.
bool TradeWriter::gone(std::uint64_t id, std::int64_t& bytes) {
  trade_.bind(1, id);
  const bool sound = trade_.row() && trade_row(trade_).sound;
  if (sound) bytes += trade_.number(7);
  trade_.reset();
  if (!sound) return false;
  drop_.bind(1, id).run();
  drop_orders_.bind(1, id).run();
  return true;
}

TradeReader::TradeReader(sqlite::Connection& connection)
    : trade_(connection, ("SELECT " + std::string(kTradeColumns) + " FROM trades WHERE id=?").c_str()),
      orders_(connection, ("SELECT " + std::string(kTradeOrderColumns) +
                           " FROM trade_orders WHERE trade=? ORDER BY place")
                              .c_str()),
      newest_(connection, "SELECT max(trade) FROM trade_orders WHERE uuid=?") {}

// The index has no checksum: the trade itself must hold the order.
std::optional<TradeRecord> TradeReader::newest(std::string_view uuid) {
  newest_.text(1, uuid);
  const std::uint64_t id = newest_.row() ? newest_.id(0) : 0;
  newest_.reset();
  if (id == 0) return std::nullopt;
  std::optional<TradeRecord> found = trade(id).trade;
  if (found && !holds(*found, uuid)) found.reset();
  return found;
}

TradeReader::Found TradeReader::trade(std::uint64_t id) {
  Found found;
  for (orders_.bind(1, id); orders_.row();) {
    TradeOrderRow row = trade_order_row(orders_);
    const bool next = found.orders.empty() || row.place > found.orders.back().place;
    if (row.sound && next) found.orders.push_back(std::move(row));
  }
  trade_.bind(1, id);
  std::optional<TradeRow> row;
  if (trade_.row()) row = trade_row(trade_);
  trade_.reset();
  found.row_lost = !row || !row->sound;
  if (found.row_lost) return found;
  found.orders_lost = row->orders - std::min<std::uint64_t>(row->orders, found.orders.size());
  found.trade = std::move(row->record);
  for (const TradeOrderRow& order : found.orders)
    found.trade->orders.push_back(order.order);
  return found;
}

}  // namespace bridge55::events
