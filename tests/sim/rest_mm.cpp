// MM's reads. Vendor docs: MM Quickstart; "List orders", "List open orders", "List bets", "List accounts",
// "List fixtures". Both editions' filter names are taken.
#include "tests/sim/rest.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace bridge55::sim {
namespace {

constexpr std::int64_t kPage = 100;
constexpr std::int64_t kPageMax = 2000;

std::optional<std::string> either(const HttpRequest& request, const std::string& snake,
                                  const std::string& camel) {
  const auto first = request.parameter(snake);
  return first ? first : request.parameter(camel);
}

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

/// A list bare, as the docs print it, or inside an object with --mm-lists object.
HttpResponse list(const Vendor& vendor, const std::string& rows, std::int64_t total, std::int64_t page) {
  if (!vendor.options.mm_lists_in_object) return json_response(200, "[" + rows + "]");
  return json_response(200, "{\"data\":[" + rows + "],\"total\":" + std::to_string(total) +
                                ",\"page\":" + std::to_string(page) + "}");
}

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
  return list(vendor, body, total, page);
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
  return list(vendor, body, total, 1);
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
  return list(vendor, body, total, 1);
}

}  // namespace

HttpResponse answer_mm(Vendor& vendor, const HttpRequest& request, const KeyEntry& key) {
  if (request.method != "GET") return json_response(405, R"({"detail": "Method Not Allowed"})");
  const std::string_view prefix = "/api/v1";
  if (!request.path.starts_with(prefix)) return json_response(404, R"({"detail": "Not Found"})");
  const auto path = request.path.substr(prefix.size());
  const Book& book = vendor.book_of(Api::mm);
  if (path == "/me") {
    const auto client = nlohmann::json(key.key.client).dump();
    return json_response(200,
                         R"({"client": )" + client + R"(, "clientName": )" + client + R"(, "active": true})");
  }
  if (path == "/orders") return paged(vendor, book.orders(), request, key);
  if (path == "/orders/open") return open_orders(vendor, book.orders(), request, key);
  if (path.starts_with("/orders/")) return one(book.orders(), path.substr(8), key, "Order");
  if (path == "/bets") return paged(vendor, book.bets(), request, key);
  if (path.starts_with("/bets/")) return one(book.bets(), path.substr(6), key, "Bet");
  if (path == "/accounts") return all(vendor, book.accounts(), key);
  if (path == "/fixtures") return all(vendor, book.fixtures(), key);
  return json_response(404, R"({"detail": "Not Found"})");
}

}  // namespace bridge55::sim
