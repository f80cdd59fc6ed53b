// GET /requests and /placements, POST /placing: what the gateway's tests ask about REST.
#include "tests/sim/control.hpp"

#include <stdexcept>

#include <nlohmann/json.hpp>

namespace bridge55::sim {

using json = nlohmann::ordered_json;

namespace {

std::uint64_t number(const HttpRequest& request, const char* name, std::uint64_t fallback) {
  const auto text = request.parameter(name);
  return text ? std::stoull(*text) : fallback;
}

json shown(const LoggedRequest& one) {
  json headers = json::array();
  for (const auto& [name, value] : one.headers)
    headers.push_back({name, value});
  json result{{"n", one.n},           {"conn", one.connection}, {"api", name_of(one.api)},
              {"at_us", one.at_us},   {"method", one.method},   {"target", one.target},
              {"headers", headers},   {"key_ok", one.key_ok},   {"body_bytes", one.body_bytes},
              {"status", one.status}, {"faults", one.faults}};
  const bool text = is_utf8(one.body);
  result[text ? "body" : "body_base64"] = text ? one.body : encode_base64(one.body);
  return result;
}

HttpResponse dumped(const json& body) {
  return json_response(200, body.dump(-1, ' ', false, json::error_handler_t::replace));
}

}  // namespace

HttpResponse show_requests(const ControlTargets& targets, const HttpRequest& request) {
  const auto after = number(request, "after", 0);
  const auto limit = number(request, "limit", 1000);
  const auto api = request.parameter("api");
  const auto method = request.parameter("method");
  const auto path = request.parameter("path").value_or("");
  const auto& log = targets.vendor.requests;
  json list = json::array();
  for (const auto& one : log.requests()) {
    if (one.n <= after || (api && *api != name_of(one.api)) || (method && *method != one.method)) continue;
    if (!one.target.starts_with(path)) continue;
    if (list.size() == limit) break;
    list.push_back(shown(one));
  }
  const auto oldest = log.requests().empty() ? log.last() + 1 : log.requests().front().n;
  return dumped({{"oldest", oldest}, {"last", log.last()}, {"requests", std::move(list)}});
}

HttpResponse show_placements(const ControlTargets& targets, const HttpRequest& request) {
  const auto wanted = request.parameter("uuid");
  const auto after = number(request, "after", 0);
  const auto& placements = targets.vendor.placements;
  json orders = json::array();
  std::uint64_t processed = 0;
  std::uint64_t most = 0;
  for (const auto& [name, one] : placements.orders()) {
    processed += one.processed;
    most = std::max(most, one.processed);
    if (wanted && *wanted != one.uuid) continue;
    orders.push_back({{"requestUuid", one.uuid},
                      {"orderId", one.order_id == 0 ? json(nullptr) : json(one.order_id)},
                      {"client", one.client},
                      {"processed", one.processed},
                      {"requested", one.requested},
                      {"body", one.body}});
  }
  json requests = json::array();
  for (const auto& one : placements.requests()) {
    if (one.n > after)
      requests.push_back(
          {{"n", one.n}, {"at_us", one.at_us}, {"uuids", one.uuids}, {"outcome", one.outcome}});
  }
  return dumped({{"processed", processed},
                 {"most_processed", most},
                 {"orders", std::move(orders)},
                 {"requests", std::move(requests)}});
}

HttpResponse set_placing(const ControlTargets& targets, const std::string& body) {
  const json message = json::parse(body);
  Placing& placing = targets.vendor.options.placing;
  Placing wanted = placing;
  wanted.fill = message.value("fill", placing.fill);
  wanted.duplicates = message.value("duplicates", placing.duplicates);
  wanted.delay = milliseconds(message.value("delay_ms", placing.delay.count()));
  const auto& fill = wanted.fill;
  const auto& told = wanted.duplicates;
  if (fill != "filled" && fill != "partial" && fill != "pending" && fill != "rejected")
    throw std::invalid_argument("fill must be filled, partial, pending or rejected");
  if (told != "documented" && told != "409" && told != "declined")
    throw std::invalid_argument("duplicates must be documented, 409 or declined");
  placing = wanted;
  return dumped({{"fill", fill}, {"duplicates", told}, {"delay_ms", wanted.delay.count()}});
}

}  // namespace bridge55::sim
