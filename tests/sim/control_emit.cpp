// POST /emit: events on demand. They enter the book as the life's own do, so that REST agrees with them.
#include "tests/sim/control.hpp"

#include <stdexcept>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <nlohmann/json.hpp>

namespace bridge55::sim {

using json = nlohmann::ordered_json;

namespace {

constexpr std::size_t kHighWater = 1 << 20;

Api api_of(const json& one) {
  const auto name = one.value("api", "abp");
  if (name == "abp") return Api::abp;
  if (name == "mm") return Api::mm;
  throw std::invalid_argument("api must be abp or mm");
}

std::string text_of(const json& row, const char* name) {
  const auto found = row.find(name);
  return found != row.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::int64_t number_of(const json& row, const char* name) {
  const auto found = row.find(name);
  return found != row.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

/// A partial update (MM's short form) is laid over what the book has.
json merged(const std::map<std::int64_t, Row>& rows, std::int64_t id, const json& payload) {
  const auto found = rows.find(id);
  if (found == rows.end()) return payload;
  json row = json::parse(found->second.json);
  row.update(payload);
  return row;
}

Row make_row(Api api, const json& row, const std::string& client, const std::string& text) {
  Row result;
  result.order_id = number_of(row, "orderId");
  result.request_uuid = text_of(row, "requestUuid");
  result.user_ref = text_of(row, "userRef");
  result.fixture = text_of(row, "fixtureId");
  result.venue = text_of(row, api == Api::abp || row.contains("betId") ? "bookmaker" : "exchange");
  result.client = client;
  result.json = text;
  return result;
}

struct Entry {
  Api api;
  std::string channel, event, payload, client;
};

void keep_numbered(Book& book, const Entry& entry, const json& payload, bool bet) {
  const auto id = number_of(payload, bet ? "betId" : "orderId");
  const auto& rows = bet ? book.bets() : book.orders();
  if (entry.event == "DELETE") return bet ? book.remove_bet(id) : book.remove_order(id);
  const bool known = rows.contains(id);
  const json full = merged(rows, id, payload);
  Row row = make_row(entry.api, full, entry.client, known ? full.dump() : entry.payload);
  row.id = id;
  row.status = text_of(full, bet ? "betStatus" : "orderStatus");
  bet ? book.put_bet(std::move(row)) : book.put_order(std::move(row));
}

void keep(Book& book, const Entry& entry) {
  const json payload = json::parse(entry.payload, nullptr, false);
  if (!payload.is_object()) return;
  if (entry.channel == "orders") return keep_numbered(book, entry, payload, false);
  if (entry.channel == "bets" || entry.channel == "settlements")
    return keep_numbered(book, entry, payload, true);
  if (entry.channel == "accounts") {
    const auto venue = text_of(payload, entry.api == Api::abp ? "bookmaker" : "exchange");
    const auto name = venue + '/' + text_of(payload, "username");
    if (entry.event == "DELETE") return book.remove_account(name);
    return book.put_account(name, make_row(entry.api, payload, entry.client, entry.payload));
  }
  if (entry.channel == "fixtures" || entry.channel == "scores") {
    Row row = make_row(entry.api, payload, {}, entry.payload);
    row.venue.clear();
    const std::string id = row.fixture;
    book.put_fixture(id, std::move(row));
  }
}

/// `{{n}}` counts 0, 1, 2 … through `count`.
std::string numbered(std::string text, std::uint64_t n) {
  for (auto at = text.find("{{n}}"); at != std::string::npos; at = text.find("{{n}}", at)) {
    text.replace(at, 5, std::to_string(n));
  }
  return text;
}

std::string part(const json& one, const char* name) {
  const std::string exact = std::string(name) + "_text";
  if (one.contains(exact)) return one[exact].get<std::string>();
  return one.contains(name) ? one[name].dump() : std::string();
}

std::uint64_t send_exact(const ControlTargets& targets, const json& one, Opcode opcode,
                         const std::string& bytes) {
  const auto wanted = one.value("conn", std::uint64_t{0});
  std::uint64_t reached = 0;
  targets.hub.each(api_of(one), [&](Connection& connection) {
    if (wanted != 0 && connection.id() != wanted) return;
    connection.send_raw(opcode, bytes);
    ++reached;
  });
  return reached;
}

void emit_one(const ControlTargets& targets, const json& one, std::uint64_t n) {
  if (one.contains("raw")) {
    send_exact(targets, one, Opcode::text, numbered(one["raw"].get<std::string>(), n));
    return;
  }
  if (one.contains("base64")) {
    send_exact(targets, one, Opcode::text, decode_base64(one["base64"].get<std::string>()));
    return;
  }
  if (one.contains("binary_base64")) {
    send_exact(targets, one, Opcode::binary, decode_base64(one["binary_base64"].get<std::string>()));
    return;
  }
  const Api api = api_of(one);
  auto& keys = api == Api::abp ? targets.vendor.abp_keys : targets.vendor.mm_keys;
  Entry entry{api, one.value("channel", "orders"), one.value("event", "UPDATE"),
              numbered(part(one, "payload"), n), one.value("client", keys.front().key.client)};
  if (entry.payload.empty()) entry.payload = "{}";
  if (one.value("book", true)) keep(targets.vendor.book_of(api), entry);
  if (one.value("silent", false)) return;
  std::string body = api == Api::abp ? R"({"type":"data","channel":)" : R"({"type":"broadcast","channel":)";
  body +=
      json(entry.channel).dump() + ",\"event\":" + json(entry.event).dump() + ",\"payload\":" + entry.payload;
  if (const auto old = numbered(part(one, "old"), n); !old.empty()) body += ",\"old\":" + old;
  const unsigned channel = channel_number(api, entry.channel);
  targets.hub.broadcast({api, channel, body, one.value("ts", wall_ms()), entry.client});
}

/// A long list must not end a session by its mere length: it is told as fast as it is read. Who reads nothing
/// for two seconds has earned the overflow, and nobody waits for him again. False then.
boost::asio::awaitable<bool> wait_for_room(const ControlTargets& targets, Api api) {
  if (!targets.hub.is_full(api, kHighWater)) co_return true;
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
  const auto patience = Clock::now() + std::chrono::seconds(2);
  while (targets.hub.is_full(api, kHighWater)) {
    if (Clock::now() >= patience) co_return false;
    timer.expires_after(std::chrono::milliseconds(1));
    co_await timer.async_wait(boost::asio::use_awaitable);
  }
  co_return true;
}

}  // namespace

boost::asio::awaitable<HttpResponse> emit_events(const ControlTargets& targets, const std::string& body) {
  const json message = json::parse(body);
  const json list = message.is_array() ? message : json::array({message});
  std::uint64_t emitted = 0;
  for (const auto& one : list) {
    const auto count = one.value("count", std::uint64_t{1});
    bool flood = one.value("flood", false);
    const Api api = api_of(one);
    for (std::uint64_t n = 0; n < count; ++n) {
      if (!flood) {
        const bool room = co_await wait_for_room(targets, api);
        flood = !room;
      }
      emit_one(targets, one, n);
    }
    emitted += count;
  }
  co_return json_response(200,
                          json{{"emitted", emitted}, {"journal_last", targets.vendor.journal.last()}}.dump());
}

}  // namespace bridge55::sim
