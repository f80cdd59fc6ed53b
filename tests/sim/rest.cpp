// What all REST routes share: keys, limits, the documented errors. Vendor docs: ABP and MM Authentication and
// Error Handling.
#include "tests/sim/rest.hpp"

#include <algorithm>
#include <charconv>

#include <nlohmann/json.hpp>

namespace bridge55::sim {
namespace {

HttpResponse abp_unauthorized(const Vendor& vendor, bool missing) {
  const auto& edition = vendor.options.auth_errors;
  const std::string message = missing ? "Missing X-API-Key header" : "Invalid API key";
  if (edition == "earlier") return json_response(401, R"({"detail": ")" + message + "\"}");
  if (edition == "later") {
    if (missing) return json_response(403, R"({"detail": "Not authenticated"})");
    return json_response(401, R"({"error": ")" + message + "\"}");
  }
  return json_response(401, R"({"detail": {"message": ")" + message + R"(", "code": "UNAUTHORIZED"}})");
}

HttpResponse refuse_key(const Vendor& vendor, Api api, const KeyEntry* entry, bool missing) {
  if (api == Api::mm) return json_response(401, R"({"detail": "Invalid or missing API key"})");
  if (entry == nullptr) return abp_unauthorized(vendor, missing);
  const bool expired = entry->key.state == Key::State::expired;
  return error_object(403, expired ? "API key has expired" : "API key is inactive", "FORBIDDEN");
}

unsigned limit_of(const Vendor& vendor, Api api) {
  return api == Api::abp ? vendor.options.abp_limit : vendor.options.mm_limit;
}

/// The sliding window of one key; a refused request takes no place in it.
bool over_limit(const Vendor& vendor, Api api, KeyEntry& entry, TimePoint now) {
  const auto limit = limit_of(vendor, api);
  auto& calls = entry.rest_calls;
  while (!calls.empty() && now - calls.front() >= vendor.options.times.limit_window)
    calls.pop_front();
  if (limit == 0) return false;
  if (calls.size() >= limit) return true;
  calls.push_back(now);
  return false;
}

HttpResponse upgrade_required() {
  auto response = json_response(426, R"({"detail": "Upgrade Required"})");
  response.headers.emplace_back("Upgrade", "websocket");
  return response;
}

}  // namespace

HttpResponse error_object(unsigned status, std::string_view message, std::string_view code) {
  const nlohmann::ordered_json body{{"detail", {{"message", message}, {"code", code}}}};
  return json_response(status, body.dump());
}

HttpResponse unprocessable(std::string_view loc, std::string_view msg, std::string_view type) {
  nlohmann::ordered_json entry{{"loc", nlohmann::ordered_json::parse(loc)}, {"msg", msg}, {"type", type}};
  const nlohmann::ordered_json body{{"detail", nlohmann::ordered_json::array({std::move(entry)})}};
  return json_response(422, body.dump());
}

HttpResponse limited(bool headers, std::size_t limit, std::int64_t wait_seconds) {
  if (!headers) return json_response(429, R"({"detail": "Rate limit exceeded"})");
  const auto most = std::to_string(limit);
  const auto seconds = std::to_string(std::max<std::int64_t>(1, wait_seconds));
  auto response = json_response(
      429, R"({"detail": "Rate limit exceeded", "limit": )" + most + R"(, "retry_after": )" + seconds + "}");
  response.headers.insert(response.headers.end(), {{"Retry-After", seconds},
                                                   {"X-RateLimit-Limit", most},
                                                   {"X-RateLimit-Remaining", "0"},
                                                   {"X-RateLimit-Reset", seconds}});
  return response;
}

std::string given_key(Api api, const HttpRequest& request) {
  const std::string given = request.header("x-api-key");
  if (given.empty() && api == Api::abp) return request.header("x-abp-api-key");  // the earlier edition's
  return given;
}

Api rest_api(const std::string& path, bool serves_abp, bool serves_mm, bool serves_scraping) {
  if (serves_scraping) return Api::scraping;
  const bool mm_path = path.starts_with("/api/v1") || path == "/ws/subscribe";
  return serves_mm && (mm_path || !serves_abp) ? Api::mm : Api::abp;
}

std::optional<HttpResponse> refuse(Vendor& vendor, Api api, const HttpRequest& request, KeyEntry*& entry) {
  const std::string given = given_key(api, request);
  entry = vendor.find_key(api, given);
  if (entry == nullptr || entry->key.state != Key::State::active)
    return refuse_key(vendor, api, entry, given.empty());
  const auto now = Clock::now();
  if (!over_limit(vendor, api, *entry, now)) return std::nullopt;
  ++vendor.stats_of(api).rest_limited;
  const auto free_at = entry->rest_calls.front() + vendor.options.times.limit_window;
  const auto wait = std::chrono::ceil<std::chrono::seconds>(free_at - now).count();
  return limited(vendor.options.limit_headers, limit_of(vendor, api), wait);
}

std::optional<HttpResponse> answer_fault(const Vendor& vendor, const FaultPlan& plan) {
  if (!plan.answer) return std::nullopt;
  const RestFault& fault = *plan.answer;
  if (fault.name == "limit") {
    auto response = limited(fault.text == "later" || (fault.text.empty() && vendor.options.limit_headers),
                            vendor.options.abp_limit, fault.delay.count() / 1000);
    return response;
  }
  if (fault.name != "rest" && fault.name != "redirect") return std::nullopt;
  HttpResponse response{fault.status, fault.body, {{"Content-Type", fault.content_type}}};
  response.headers.insert(response.headers.end(), fault.headers.begin(), fault.headers.end());
  return response;
}

HttpResponse answer_rest(Vendor& vendor, Api api, const HttpRequest& request, const FaultPlan& plan) {
  if (request.path == (api == Api::abp ? "/ws" : "/ws/subscribe")) return upgrade_required();
  if (auto instead = answer_fault(vendor, plan)) return *instead;
  const bool open = api == Api::abp && (request.path == "/health" || request.path == "/ready" ||
                                        request.path == "/status" || request.path == "/metrics");
  if (open) return json_response(200, R"({"status": "ok"})");
  KeyEntry* entry = nullptr;
  if (auto refusal = refuse(vendor, api, request, entry)) return *refusal;
  const Call call{vendor, request, *entry, plan};
  return api == Api::abp ? answer_abp(call) : answer_mm(call);
}

std::vector<std::string> list_parameter(const HttpRequest& request, const std::string& name) {
  std::vector<std::string> values;
  const auto [first, last] = request.query.equal_range(name);
  for (auto it = first; it != last; ++it) {
    std::string_view rest = it->second;
    while (!rest.empty()) {
      const auto end = std::min(rest.find(','), rest.size());
      if (end > 0) values.emplace_back(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return values;
}

std::int64_t number_parameter(const HttpRequest& request, const std::string& name, std::int64_t fallback) {
  const auto text = request.parameter(name);
  if (!text) return fallback;
  std::int64_t value = fallback;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  return error == std::errc{} && end == text->data() + text->size() ? value : fallback;
}

HttpResponse method_not_allowed() {
  return json_response(405, R"({"detail": "Method Not Allowed"})");
}

HttpResponse not_found(std::string_view what) {
  return json_response(404, nlohmann::json{{"detail", std::string(what) + " not found"}}.dump());
}

}  // namespace bridge55::sim
