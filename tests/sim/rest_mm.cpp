// MM's routes, and its lists. Vendor docs: MM Quickstart; "List orders", "List open orders", "List bets",
// "List accounts", "List fixtures". Both editions' filter names are taken.
#include "tests/sim/rest_mm.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace bridge55::sim {
namespace {

constexpr std::int64_t kPage = 100;
constexpr std::int64_t kPageMax = 2000;

/// The value of a text member of a row, empty if it has none.
std::string_view member(std::string_view json, std::string_view name) {
  const std::string mark = '"' + std::string(name) + "\":\"";
  const auto at = json.find(mark);
  if (at == std::string_view::npos) return {};
  const auto begin = at + mark.size();
  return json.substr(begin, json.find('"', begin) - begin);
}

bool lower_equal(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return (x | 0x20) == (y | 0x20); });
}

struct Filter {
  explicit Filter(const HttpRequest& request)
      : fixture(either(request, "fixture_id", "fixtureId")),
        order(either(request, "order_id", "orderId")),
        from(either(request, "from_date", "fromDate")),
        to(either(request, "to_date", "toDate")),
        venue(request.parameter("exchange") ? request.parameter("exchange") : request.parameter("bookmaker")),
        statuses(list_parameter(request, "status")) {}

  bool has(const Row& row) const {
    const auto created =
        member(row.json, "createdAt").empty() ? member(row.json, "placedAt") : member(row.json, "createdAt");
    const auto is = [&row](const std::string& status) { return lower_equal(status, row.status); };
    if (fixture && row.fixture != *fixture) return false;
    if (order && std::to_string(row.order_id) != *order) return false;
    if (venue && row.venue != *venue) return false;
    if (from && created.substr(0, from->size()) < *from) return false;
    if (to && created.substr(0, to->size()) > *to) return false;
    return statuses.empty() || std::any_of(statuses.begin(), statuses.end(), is);
  }

  std::optional<std::string> fixture, order, from, to, venue;
  std::vector<std::string> statuses;
};

/// Newest first; pages count from 1.
HttpResponse paged(const Vendor& vendor, const std::map<std::int64_t, Row>& rows, const HttpRequest& request,
                   const KeyEntry& key) {
  const Filter filter(request);
  const auto asked =
      either(request, "page_size", "pageSize")
          ? number_parameter(request, "page_size", number_parameter(request, "pageSize", kPage))
          : number_parameter(request, "limit", kPage);
  const auto size = std::clamp<std::int64_t>(asked, 1, kPageMax);
  const auto page = std::max<std::int64_t>(1, number_parameter(request, "page", 1));
  std::string body;
  std::int64_t total = 0;
  for (auto it = rows.rbegin(); it != rows.rend(); ++it) {
    if (it->second.client != key.key.client || !filter.has(it->second)) continue;
    if (const auto at = total++; at < (page - 1) * size || at >= page * size) continue;
    body += (body.empty() ? "" : ",") + it->second.json;
  }
  return mm_list(vendor, body, total, page);
}

HttpResponse open_orders(const Vendor& vendor, const std::map<std::int64_t, Row>& rows,
                         const HttpRequest& request, const KeyEntry& key) {
  const auto fixture = either(request, "fixture_id", "fixtureId");
  std::string body;
  std::int64_t total = 0;
  for (auto it = rows.rbegin(); it != rows.rend(); ++it) {
    const Row& row = it->second;
    const bool open = row.status == "PLACED" || row.status == "PENDING_PLACEMENT";
    if (!open || row.client != key.key.client || (fixture && row.fixture != *fixture)) continue;
    body += (body.empty() ? "" : ",") + row.json;
    ++total;
  }
  return mm_list(vendor, body, total, 1);
}

HttpResponse one(const std::map<std::int64_t, Row>& rows, const std::string& id, const KeyEntry& key,
                 std::string_view what) {
  for (const auto& [number, row] : rows) {
    if (std::to_string(number) == id && row.client == key.key.client) return json_response(200, row.json);
  }
  return not_found(what);
}

HttpResponse all(const Vendor& vendor, const std::map<std::string, Row>& rows, const KeyEntry& key) {
  std::string body;
  std::int64_t total = 0;
  for (const auto& [name, row] : rows) {
    if (!row.client.empty() && row.client != key.key.client) continue;
    body += (body.empty() ? "" : ",") + row.json;
    ++total;
  }
  return mm_list(vendor, body, total, 1);
}

HttpResponse fixtures(const Call& call) {
  const auto ids = list_parameter(call.request, "fixtureIds");
  const auto live = call.request.parameter("live");
  std::string body;
  std::int64_t total = 0;
  for (const auto& [name, row] : call.vendor.book_of(Api::mm).fixtures()) {
    const bool is_live = row.json.find("\"live\":true") != std::string::npos;
    if (live && is_live != (*live == "true")) continue;
    if (!ids.empty() && std::find(ids.begin(), ids.end(), name) == ids.end()) continue;
    body += (body.empty() ? "" : ",") + row.json;
    ++total;
  }
  return mm_list(call.vendor, body, total, 1);
}

HttpResponse fixture(const Call& call, const std::string& id) {
  const auto& found = call.vendor.book_of(Api::mm).fixtures();
  const auto row = found.find(id);
  return row == found.end() ? not_found("Fixture") : json_response(200, row->second.json);
}

HttpResponse me(const Call& call) {
  const auto client = nlohmann::json(call.client()).dump();
  return json_response(200,
                       R"({"client": )" + client + R"(, "clientName": )" + client + R"(, "active": true})");
}

using Route = HttpResponse (*)(const Call&);

const std::map<std::string, Route>& reads() {
  static const std::map<std::string, Route> table{
      {"/me", me},
      {"/orders",
       [](const Call& c) { return paged(c.vendor, c.vendor.book_of(Api::mm).orders(), c.request, c.key); }},
      {"/orders/open",
       [](const Call& c) {
         return open_orders(c.vendor, c.vendor.book_of(Api::mm).orders(), c.request, c.key);
       }},
      {"/orders/summary", orders_summary},
      {"/bets",
       [](const Call& c) { return paged(c.vendor, c.vendor.book_of(Api::mm).bets(), c.request, c.key); }},
      {"/bets/summary", bets_summary},
      {"/positions", mm_positions},
      {"/positions/summary", mm_positions_summary},
      {"/pnl", mm_pnl},
      {"/accounts", [](const Call& c) { return all(c.vendor, c.vendor.book_of(Api::mm).accounts(), c.key); }},
      {"/fixtures", fixtures},
      {"/markets", mm_markets},
      {"/players", mm_players},
      {"/trading/status", trading_status}};
  return table;
}

HttpResponse answer_read(const Call& call, const std::string& path) {
  if (const auto found = reads().find(path); found != reads().end()) return found->second(call);
  const Book& book = call.vendor.book_of(Api::mm);
  if (path.starts_with("/orders/")) return one(book.orders(), path.substr(8), call.key, "Order");
  if (path.starts_with("/bets/")) return one(book.bets(), path.substr(6), call.key, "Bet");
  if (path.starts_with("/fixtures/")) return fixture(call, path.substr(10));
  return json_response(404, R"({"detail": "Not Found"})");
}

/// The routes that take a POST; nothing if the path is none of them.
std::optional<HttpResponse> answer_write(const Call& call, const std::string& path) {
  const bool post = call.request.method == "POST";
  if (path == "/orders/cancel-all") return post ? cancel_all_mm_orders(call) : method_not_allowed();
  if (path.starts_with("/orders/") && path.ends_with("/cancel"))
    return post ? cancel_mm_order(call, path.substr(8, path.size() - 15)) : method_not_allowed();
  for (const std::string verb : {"pause", "resume", "stop", "start"}) {
    if (path == "/trading/" + verb) return post ? change_trading(call, verb) : method_not_allowed();
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> either(const HttpRequest& request, const std::string& snake,
                                  const std::string& camel) {
  const auto first = request.parameter(snake);
  return first ? first : request.parameter(camel);
}

bool passes_mm_filter(const HttpRequest& request, const Row& row) {
  return Filter(request).has(row);
}

HttpResponse mm_list(const Vendor& vendor, const std::string& rows, std::int64_t total, std::int64_t page) {
  if (!vendor.options.mm_lists_in_object) return json_response(200, "[" + rows + "]");
  return json_response(200, "{\"data\":[" + rows + "],\"total\":" + std::to_string(total) +
                                ",\"page\":" + std::to_string(page) + "}");
}

HttpResponse answer_mm(const Call& call) {
  const std::string_view prefix = "/api/v1";
  if (!call.request.path.starts_with(prefix)) return json_response(404, R"({"detail": "Not Found"})");
  const auto path = call.request.path.substr(prefix.size());
  if (auto answer = answer_write(call, path)) return *answer;
  return call.request.method == "GET" ? answer_read(call, path) : method_not_allowed();
}

}  // namespace bridge55::sim
