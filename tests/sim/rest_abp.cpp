// ABP's reads. Vendor docs: ABP Quickstart; "Get orders", "Get bets", "List accounts", "Get live odds".
#include "tests/sim/rest.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace bridge55::sim {
namespace {

constexpr std::int64_t kPage = 100;
constexpr std::int64_t kPageMax = 1000;

HttpResponse no_filter() {
  return json_response(
      400, R"({"detail": {"message": "At least one filter must be provided", "code": "BAD_REQUEST"}})");
}

struct Wanted {
  std::vector<std::string> ids, orders, uuids;
  std::optional<std::string> user_ref;
  bool any() const { return !ids.empty() || !orders.empty() || !uuids.empty() || user_ref; }
  /// Filters are alternatives ("OR logic").
  bool has(const Row& row) const {
    const auto in = [](const std::vector<std::string>& list, const std::string& value) {
      return std::find(list.begin(), list.end(), value) != list.end();
    };
    return in(ids, std::to_string(row.id)) || in(orders, std::to_string(row.order_id)) ||
           in(uuids, row.request_uuid) || (user_ref && row.user_ref == *user_ref);
  }
};

struct Page {
  std::string rows;
  std::int64_t count = 0;
  std::int64_t last = 0;
  bool more = false;
};

/// Newest first, below the cursor; `render` gives a row's text.
template <class Render>
Page page_of(const std::map<std::int64_t, Row>& rows, const Wanted& wanted, const HttpRequest& request,
             const KeyEntry& key, const std::string& cursor, Render&& render) {
  Page page;
  const auto limit = std::clamp<std::int64_t>(number_parameter(request, "limit", kPage), 1, kPageMax);
  const auto below = number_parameter(request, cursor, INT64_MAX);
  for (auto it = rows.rbegin(); it != rows.rend(); ++it) {
    if (it->first >= below || it->second.client != key.key.client || !wanted.has(it->second)) continue;
    if (page.count == limit) {
      page.more = true;
      break;
    }
    if (page.count++ > 0) page.rows += ',';
    page.rows += render(it->second);
    page.last = it->first;
  }
  return page;
}

HttpResponse paged(std::string_view name, const Page& page) {
  return json_response(200, R"({"status":"success",")" + std::string(name) + "\":[" + page.rows +
                                "],\"count\":" + std::to_string(page.count) +
                                ",\"hasMore\":" + (page.more ? "true" : "false") +
                                ",\"nextCursor\":" + (page.more ? std::to_string(page.last) : "null") + "}");
}

/// "Returns enriched order details including bets and fixture/outcome/player metadata."
std::string enriched(const Book& book, const Row& order) {
  std::string text = order.json;
  text.pop_back();
  text += ",\"bets\":[";
  bool first = true;
  for (const Row* bet : book.bets_of(order.id)) {
    if (!first) text += ',';
    first = false;
    text += bet->json;
  }
  const auto fixture = book.fixtures().find(order.fixture);
  text += "],\"fixtureInfo\":" + (fixture == book.fixtures().end() ? "null" : fixture->second.json);
  return text + R"(,"outcomeInfo":{"marketName":"Full Time Result","outcomeName":"2"},"playerInfo":null})";
}

HttpResponse get_orders(Vendor& vendor, const HttpRequest& request, const KeyEntry& key) {
  const Wanted wanted{list_parameter(request, "orderIds"),
                      {},
                      list_parameter(request, "requestUuids"),
                      request.parameter("userRef")};
  if (!wanted.any()) return no_filter();
  const Book& book = vendor.book_of(Api::abp);
  const auto page = page_of(book.orders(), wanted, request, key, "afterOrderId",
                            [&book](const Row& row) { return enriched(book, row); });
  return paged("orders", page);
}

HttpResponse get_bets(Vendor& vendor, const HttpRequest& request, const KeyEntry& key) {
  const Wanted wanted{list_parameter(request, "betIds"),
                      list_parameter(request, "orderIds"),
                      {},
                      request.parameter("userRef")};
  if (!wanted.any()) return no_filter();
  const auto page = page_of(vendor.book_of(Api::abp).bets(), wanted, request, key, "afterBetId",
                            [](const Row& row) { return row.json; });
  return paged("bets", page);
}

HttpResponse get_bet(Vendor& vendor, const std::string& id, const KeyEntry& key) {
  for (const auto& [number, row] : vendor.book_of(Api::abp).bets()) {
    if (std::to_string(number) == id && row.client == key.key.client) return json_response(200, row.json);
  }
  return not_found("Bet");
}

HttpResponse get_accounts(Vendor& vendor, const HttpRequest& request, const KeyEntry& key) {
  const auto bookmaker = request.parameter("bookmaker");
  std::string body;
  for (const auto& [name, row] : vendor.book_of(Api::abp).accounts()) {
    if (row.client != key.key.client || (bookmaker && row.venue != *bookmaker)) continue;
    body += (body.empty() ? "" : ",") + row.json;
  }
  return json_response(200, "[" + body + "]");
}

HttpResponse get_account(Vendor& vendor, const std::string& name, const KeyEntry& key) {
  const auto& accounts = vendor.book_of(Api::abp).accounts();
  const auto found = accounts.find(name);
  if (found == accounts.end() || found->second.client != key.key.client) return not_found("Account");
  return json_response(200, found->second.json);
}

HttpResponse get_betslip(Vendor& vendor, const HttpRequest& request, const KeyEntry& key) {
  if (request.parameter("futureId")) return json_response(501, R"({"detail": "Not Implemented"})");
  for (const char* name : {"fixtureId", "outcomeId", "playerId"}) {
    if (request.parameter(name)) continue;
    return json_response(422, R"({"detail": [{"loc": ["query", ")" + std::string(name) +
                                  R"("], "msg": "Field required", "type": "missing"}]})");
  }
  const auto id = *request.parameter("fixtureId");
  const auto& fixtures = vendor.book_of(Api::abp).fixtures();
  const auto fixture = fixtures.find(id);
  if (fixture == fixtures.end()) return not_found("Fixture");
  const auto outcome = std::to_string(number_parameter(request, "outcomeId", 0));
  const auto player = std::to_string(number_parameter(request, "playerId", 0));
  const auto market = nlohmann::json(id + ":pinnacle:" + outcome + ":" + player).dump();
  return json_response(
      200, R"({"fixtureId":)" + nlohmann::json(id).dump() + ",\"outcomeId\":" + outcome +
               ",\"playerId\":" + player + ",\"client\":" + nlohmann::json(key.key.client).dump() +
               ",\"fixtureInfo\":" + fixture->second.json +
               R"(,"outcomeInfo":{"marketName":"Full Time Result","outcomeName":"1"},"playerInfo":null,)" +
               R"("odds":{"pinnacle":{)" + market +
               R"(:{"price":1.5,"limit":15000,"limitMin":5,"limitCurrency":"USD",)" +
               R"("active":true,"account":"pinnacle_main"}}}})");
}

}  // namespace

HttpResponse answer_abp(Vendor& vendor, const HttpRequest& request, const KeyEntry& key) {
  if (request.method != "GET") return json_response(405, R"({"detail": "Method Not Allowed"})");
  const auto& path = request.path;
  if (path == "/orders") return get_orders(vendor, request, key);
  if (path == "/bets") return get_bets(vendor, request, key);
  if (path.starts_with("/bets/")) return get_bet(vendor, path.substr(6), key);
  if (path == "/accounts") return get_accounts(vendor, request, key);
  if (path.starts_with("/accounts/")) return get_account(vendor, path.substr(10), key);
  if (path == "/betslip") return get_betslip(vendor, request, key);
  if (path == "/bookmakers") {
    return json_response(200, R"([{"bookmaker":"pinnacle","minStake":1.0,"maxStake":15000.0},)"
                              R"({"bookmaker":"sharpbet","minStake":1.0,"maxStake":1000.0},)"
                              R"({"bookmaker":"betfair-ex","minStake":2.0,"maxStake":null}])");
  }
  return json_response(404, R"({"detail": "Not Found"})");
}

}  // namespace bridge55::sim
