// What the control API tells of REST requests: the log, the windows, the ledger of placements.
#include "tests/sim/abp_order_body.hpp"
#include "tests/sim/rest.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace bridge55::sim {

using nlohmann::json;

namespace {

constexpr std::size_t kBodyKept = 65536;

/// The body with every known key masked: /browser and /amqp carry theirs inside.
std::string masked_body(Vendor& vendor, Api api, std::string_view body) {
  std::string shown(body.substr(0, kBodyKept));
  return api == Api::scraping ? masked_keys(vendor, std::move(shown)) : shown;
}

std::string names_of(const FaultPlan& plan) {
  std::string names;
  for (const auto* fault : {&plan.time, &plan.answer, &plan.wire}) {
    if (*fault) names += (names.empty() ? "" : ",") + (*fault)->name;
  }
  return names;
}

bool is_placement(Api api, const HttpRequest& request) {
  return api == Api::abp && request.method == "POST" && request.path == "/place-orders";
}

/// The orders of a placement as far as they can be read, by uuid.
std::vector<std::pair<std::string, std::string>> orders_in(const std::string& body) {
  std::vector<std::pair<std::string, std::string>> found;
  const json message = json::parse(body, nullptr, false);
  if (!message.is_object() || !message.contains("orders") || !message["orders"].is_array()) return found;
  for (const auto& order : message["orders"]) {
    if (!order.is_object()) continue;
    const auto uuid = order.find("requestUuid");
    if (uuid != order.end() && uuid->is_string())
      found.emplace_back(canonical_uuid(uuid->get<std::string>()), order.dump());
  }
  return found;
}

}  // namespace

void note_arrival(Vendor& vendor, Api api, std::uint64_t connection, HttpRequest& request,
                  const FaultPlan& plan) {
  ++vendor.stats_of(api).rest_requests;
  KeyEntry* entry = vendor.find_key(api, given_key(api, request));
  if (entry != nullptr) {
    auto& arrivals = entry->arrivals;
    while (!arrivals.empty() && request.arrived - arrivals.front() >= vendor.options.times.limit_window)
      arrivals.pop_front();
    arrivals.push_back(request.arrived);
    entry->most_in_window = std::max(entry->most_in_window, arrivals.size());
  }
  const auto at = std::chrono::duration_cast<std::chrono::microseconds>(request.arrived.time_since_epoch());
  LoggedRequest logged{.connection = connection,
                       .api = api,
                       .at_us = at.count(),
                       .method = request.method,
                       .target = request.target,
                       .headers = masked_fields(request.fields),
                       .key_ok = entry != nullptr && entry->key.state == Key::State::active,
                       .faults = names_of(plan)};
  request.n = vendor.requests.add(std::move(logged));
  if (is_placement(api, request)) vendor.placements.add_request({request.n, at.count(), {}, {}});
}

void note_body(Vendor& vendor, Api api, const HttpRequest& request) {
  if (auto* logged = vendor.requests.find(request.n)) {
    logged->body = masked_body(vendor, api, request.body);
    logged->body_bytes = request.body.size();
  }
  if (!is_placement(api, request)) return;
  PlaceRequest* placing = vendor.placements.find_request(request.n);
  const KeyEntry* entry = vendor.find_key(api, given_key(api, request));
  for (const auto& [uuid, body] : orders_in(request.body)) {
    if (placing != nullptr) placing->uuids.push_back(uuid);
    auto& order = vendor.placements.order(entry == nullptr ? "" : entry->key.client, uuid);
    ++order.requested;
    if (order.body.empty()) order.body = body;
  }
}

void note_outcome(Vendor& vendor, const HttpRequest& request, const std::string& outcome) {
  if (auto* placing = vendor.placements.find_request(request.n)) placing->outcome = outcome;
}

void note_answer(Vendor& vendor, const HttpRequest& request, const HttpResponse& response,
                 const FaultPlan& plan) {
  const bool unanswered = response.lost || plan.wires("lost_after") || plan.wires("hang");
  if (auto* logged = vendor.requests.find(request.n)) logged->status = unanswered ? 0 : response.status;
  const auto names = names_of(plan);
  const std::string answered = response.lost ? "lost" : std::to_string(response.status);
  note_outcome(vendor, request, names.empty() ? answered : answered + ' ' + names);
}

}  // namespace bridge55::sim
