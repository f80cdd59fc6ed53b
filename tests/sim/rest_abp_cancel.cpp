// POST /cancel-orders and /cancel-all-orders. Vendor docs: "Cancel specific orders", "Cancel all pending
// orders".
#include "tests/sim/abp_desk.hpp"
#include "tests/sim/abp_order_body.hpp"
#include "tests/sim/rest_abp.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace bridge55::sim {

using json = nlohmann::ordered_json;

namespace {

struct Filter {
  std::vector<std::int64_t> ids;
  std::vector<std::string> uuids;
  std::string user_ref;
  bool any() const { return !ids.empty() || !uuids.empty() || !user_ref.empty(); }
  /// "Multiple filters are combined with OR logic."
  bool has(const Row& row) const {
    return std::find(ids.begin(), ids.end(), row.id) != ids.end() ||
           std::find(uuids.begin(), uuids.end(), row.request_uuid) != uuids.end() ||
           (!user_ref.empty() && row.user_ref == user_ref);
  }
};

/// Throws json::exception where a filter has the wrong type.
Filter read_filter(const json& body) {
  Filter filter;
  if (body.contains("orderIds") && !body["orderIds"].is_null())
    filter.ids = body["orderIds"].get<decltype(filter.ids)>();
  if (body.contains("requestUuids") && !body["requestUuids"].is_null())
    filter.uuids = body["requestUuids"].get<decltype(filter.uuids)>();
  for (auto& uuid : filter.uuids)
    uuid = canonical_uuid(uuid);
  if (body.contains("userRef") && !body["userRef"].is_null())
    filter.user_ref = body["userRef"].get<std::string>();
  return filter;
}

template <class Wanted>
HttpResponse cancel(const Call& call, Wanted&& wanted) {
  Book& book = call.vendor.book_of(Api::abp);
  std::vector<Row> rows;
  for (const auto& [id, row] : book.orders()) {
    if (row.client == call.client() && wanted(row)) rows.push_back(row);
  }
  json cancelled = json::array();
  json kept = json::array();
  for (const Row& row : rows) {
    const bool bets = !book.bets_of(row.id).empty();
    json one{{"orderId", row.id}, {"requestUuid", row.request_uuid}};
    if (bets || !is_cancellable(row.status)) {
      one["orderStatus"] = row.status;
      one["reason"] = bets ? "Order has placed bets" : "Order is " + row.status;
      kept.push_back(std::move(one));
      continue;
    }
    change_order(call.vendor, row.id, "CANCELLED", "Cancelled by client");
    one["orderStatus"] = "CANCELLED";
    cancelled.push_back(std::move(one));
  }
  const auto count = cancelled.size();
  return json_response(200, json{{"status", "success"},
                                 {"cancelledOrders", std::move(cancelled)},
                                 {"notCancelled", std::move(kept)},
                                 {"count", count}}
                                .dump());
}

}  // namespace

HttpResponse cancel_orders(const Call& call) {
  const json body = json::parse(call.request.body, nullptr, false);
  if (body.is_discarded()) return unprocessable(R"(["body", 0])", "JSON decode error", "json_invalid");
  if (!body.is_object())
    return unprocessable(R"(["body"])", "Input should be a valid dictionary", "dict_type");
  try {
    const Filter filter = read_filter(body);
    if (!filter.any())
      return unprocessable(R"(["body"])", "Value error, At least one filter must be provided", "value_error");
    return cancel(call, [&filter](const Row& row) { return filter.has(row); });
  } catch (const json::exception&) {
    return unprocessable(R"(["body"])", "Input should be a valid list", "list_type");
  }
}

HttpResponse cancel_all_orders(const Call& call) {
  return cancel(call, [](const Row& row) { return is_cancellable(row.status); });
}

}  // namespace bridge55::sim
