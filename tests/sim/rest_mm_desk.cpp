// What MM lets a client do: cancels and trading control (vendor docs: "Cancel a specific order", "Cancel all
// open orders"; the later edition's /api/v1/trading, with 409 and 502).
#include "tests/sim/life.hpp"
#include "tests/sim/rest_mm.hpp"
#include "tests/sim/rows.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace bridge55::sim {

using json = nlohmann::ordered_json;

namespace {

bool is_open(const Row& row) {
  return row.status == "PLACED" || row.status == "PENDING_PLACEMENT" || row.status == "PARTIAL";
}

void cancel(Vendor& vendor, Row row) {
  json order = json::parse(row.json);
  const std::string old = json{{"orderStatus", row.status}}.dump();
  row.status = "CANCELLED";
  order["orderStatus"] = row.status;
  order["updatedAt"] = iso_time(wall_ms(), "Z");
  row.json = order.dump();
  vendor.book_of(Api::mm).put_order(row);
  const unsigned channel = channel_number(Api::mm, "orders");
  const std::string body = frame_head(Api::mm, channel, "UPDATE") + row.json + ",\"old\":" + old;
  vendor.broadcast({Api::mm, channel, body, wall_ms(), row.client});
}

struct Bulk {
  json cancelled = json::array();
  json failed = json::array();
};

/// All open orders that pass; with the partial_cancel fault every second one fails.
template <class Wanted>
Bulk cancel_open(const Call& call, Wanted&& wanted) {
  std::vector<Row> rows;
  for (const auto& [id, row] : call.vendor.book_of(Api::mm).orders()) {
    if (row.client == call.client() && is_open(row) && wanted(row)) rows.push_back(row);
  }
  Bulk bulk;
  bool fails = false;
  for (const Row& row : rows) {
    fails = call.plan.answers("partial_cancel") && !fails;
    (fails ? bulk.failed : bulk.cancelled).push_back(row.id);
    if (!fails) cancel(call.vendor, row);
  }
  return bulk;
}

HttpResponse partly_failed(const Bulk& bulk) {
  return json_response(502, json{{"detail", "Some orders could not be cancelled"},
                                 {"cancelled", bulk.cancelled},
                                 {"failed", bulk.failed}}
                                .dump());
}

}  // namespace

HttpResponse cancel_mm_order(const Call& call, const std::string& id) {
  for (const auto& [number, row] : call.vendor.book_of(Api::mm).orders()) {
    if (std::to_string(number) != id || row.client != call.client()) continue;
    if (!is_open(row)) return json_response(409, json{{"detail", "Order is " + row.status}}.dump());
    const auto order = number;
    cancel(call.vendor, row);
    return json_response(
        200, json{{"status", "success"}, {"orderId", order}, {"orderStatus", "CANCELLED"}}.dump());
  }
  return not_found("Order");
}

HttpResponse cancel_all_mm_orders(const Call& call) {
  const json body = json::parse(call.request.body.empty() ? "{}" : call.request.body, nullptr, false);
  if (!body.is_object())
    return unprocessable(R"(["body"])", "Input should be a valid dictionary", "dict_type");
  const auto wanted = [&](const char* snake, const char* camel) {
    if (const auto given = either(call.request, snake, camel)) return *given;
    return body.value(snake, body.value(camel, std::string()));
  };
  const auto exchange = wanted("exchange", "exchange");
  const auto fixture = wanted("fixture_id", "fixtureId");
  const Bulk bulk = cancel_open(call, [&](const Row& row) {
    return (exchange.empty() || row.venue == exchange) && (fixture.empty() || row.fixture == fixture);
  });
  if (!bulk.failed.empty()) return partly_failed(bulk);
  return json_response(
      200,
      json{{"status", "success"}, {"cancelled", bulk.cancelled}, {"count", bulk.cancelled.size()}}.dump());
}

HttpResponse trading_status(const Call& call) {
  const auto found = call.vendor.trading.find(call.client());
  const std::string state = found == call.vendor.trading.end() ? "running" : found->second;
  return json_response(
      200, json{{"client", call.client()}, {"status", state}, {"active", state == "running"}}.dump());
}

HttpResponse change_trading(const Call& call, const std::string& verb) {
  auto& state = call.vendor.trading.try_emplace(call.client(), "running").first->second;
  const bool fits = verb == "pause"    ? state == "running"
                    : verb == "resume" ? state == "paused"
                    : verb == "stop"   ? state != "stopped"
                                       : state == "stopped";
  if (!fits) return json_response(409, json{{"detail", "Cannot " + verb + ": trading is " + state}}.dump());
  state = verb == "pause" ? "paused" : verb == "stop" ? "stopped" : "running";
  if (state != "running") {
    const Bulk bulk = cancel_open(call, [](const Row&) { return true; });
    if (!bulk.failed.empty()) return partly_failed(bulk);
  }
  return trading_status(call);
}

}  // namespace bridge55::sim
