// ABP's routes, and its reads of orders, bets and odds. Vendor docs: "Get orders", "Get bets", "Get live
// odds".
#include "tests/sim/rest_abp.hpp"

#include "tests/sim/abp_order_body.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace bridge55::sim {
namespace {

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
    return (!ids.empty() && in(ids, std::to_string(row.id))) ||
           (!orders.empty() && in(orders, std::to_string(row.order_id))) || in(uuids, row.request_uuid) ||
           (user_ref && row.user_ref == *user_ref);
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
Page page_of(const std::map<std::int64_t, Row>& rows, const Wanted& wanted, const Call& call,
             const std::string& cursor, Render&& render) {
  Page page;
  const auto usual = static_cast<std::int64_t>(call.vendor.options.page_size);
  const auto limit = std::clamp<std::int64_t>(number_parameter(call.request, "limit", usual), 1, kPageMax);
  const auto below = number_parameter(call.request, cursor, INT64_MAX);
  for (auto it = rows.rbegin(); it != rows.rend(); ++it) {
    if (it->first >= below || it->second.client != call.client() || !wanted.has(it->second)) continue;
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

HttpResponse get_orders(const Call& call) {
  const HttpRequest& request = call.request;
  Wanted wanted{list_parameter(request, "orderIds"),
                {},
                list_parameter(request, "requestUuids"),
                request.parameter("userRef")};
  for (auto& uuid : wanted.uuids) {
    if (is_uuid(uuid)) uuid = canonical_uuid(uuid);
  }
  if (!wanted.any()) return no_filter();
  const Book& book = call.vendor.book_of(Api::abp);
  const auto page = page_of(book.orders(), wanted, call, "afterOrderId",
                            [&book](const Row& row) { return enriched(book, row); });
  return paged("orders", page);
}

HttpResponse get_bets(const Call& call) {
  const HttpRequest& request = call.request;
  const Wanted wanted{list_parameter(request, "betIds"),
                      list_parameter(request, "orderIds"),
                      {},
                      request.parameter("userRef")};
  if (!wanted.any()) return no_filter();
  const auto page = page_of(call.vendor.book_of(Api::abp).bets(), wanted, call, "afterBetId",
                            [](const Row& row) { return row.json; });
  return paged("bets", page);
}

HttpResponse get_bet(Vendor& vendor, const std::string& id, const KeyEntry& key) {
  for (const auto& [number, row] : vendor.book_of(Api::abp).bets()) {
    if (std::to_string(number) == id && row.client == key.key.client) return json_response(200, row.json);
  }
  return not_found("Bet");
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

HttpResponse get_markets(const HttpRequest& request) {
  const auto sport = number_parameter(request, "sportId", 10);
  if (sport != 10) return json_response(200, "[]");
  return json_response(
      200, R"([{"sportId":10,"marketId":101,"marketName":"Full Time Result","marketType":"1x2",)"
           R"("outcomes":[{"outcomeId":101,"outcomeName":"1"},{"outcomeId":102,"outcomeName":"X"},)"
           R"({"outcomeId":103,"outcomeName":"2"}]},{"sportId":10,"marketId":161,"marketName":"Over Under",)"
           R"("marketType":"totals","handicap":2.5,"outcomes":[{"outcomeId":161,"outcomeName":"Over"},)"
           R"({"outcomeId":162,"outcomeName":"Under"}]}])");
}

HttpResponse get_bookmakers() {
  return json_response(200, R"([{"bookmaker":"pinnacle","minStake":1.0,"maxStake":15000.0},)"
                            R"({"bookmaker":"sharpbet","minStake":1.0,"maxStake":1000.0},)"
                            R"({"bookmaker":"betfair-ex","minStake":2.0,"maxStake":null}])");
}

HttpResponse answer_get(const Call& call) {
  const auto& path = call.request.path;
  if (path == "/orders") return get_orders(call);
  if (path == "/bets") return get_bets(call);
  if (path.starts_with("/bets/")) return get_bet(call.vendor, path.substr(6), call.key);
  if (path == "/accounts") return list_accounts(call);
  if (path == "/betslip") return get_betslip(call.vendor, call.request, call.key);
  if (path == "/positions") return get_positions(call);
  if (path == "/pnl") return get_pnl(call);
  if (path == "/markets") return get_markets(call.request);
  return get_bookmakers();
}

HttpResponse answer_post(const Call& call) {
  if (call.request.path == "/place-orders") return place_orders(call);
  return call.request.path == "/cancel-orders" ? cancel_orders(call) : cancel_all_orders(call);
}

bool is_one_of(const std::string& path, std::initializer_list<std::string_view> paths) {
  return std::find(paths.begin(), paths.end(), path) != paths.end();
}

}  // namespace

HttpResponse answer_abp(const Call& call) {
  const auto& path = call.request.path;
  const auto& method = call.request.method;
  if (path.starts_with("/accounts/")) return answer_account(call, path.substr(10));
  if (path == "/accounts" && method != "GET") return answer_account(call, {});
  const bool read =
      path.starts_with("/bets/") || is_one_of(path, {"/orders", "/bets", "/accounts", "/betslip",
                                                     "/positions", "/pnl", "/markets", "/bookmakers"});
  const bool post = is_one_of(path, {"/place-orders", "/cancel-orders", "/cancel-all-orders"});
  if (read) return method == "GET" ? answer_get(call) : method_not_allowed();
  if (post) return method == "POST" ? answer_post(call) : method_not_allowed();
  return json_response(404, R"({"detail": "Not Found"})");
}

}  // namespace bridge55::sim
