// What all REST routes share: keys, limits, the documented errors. Vendor docs: ABP and MM Authentication and
// Error Handling.
#include "tests/sim/rest.hpp"

#include <algorithm>
#include <charconv>

#include <nlohmann/json.hpp>

namespace bridge55::sim {
namespace {

HttpResponse error_object(unsigned status, std::string_view message, std::string_view code) {
  nlohmann::ordered_json body{{"detail", {{"message", message}, {"code", code}}}};
  return json_response(status, body.dump());
}

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

/// The sliding window of one key; a refused request takes no place in it.
bool over_limit(const Vendor& vendor, Api api, KeyEntry& entry, TimePoint now) {
  const auto limit = api == Api::abp ? vendor.options.abp_limit : vendor.options.mm_limit;
  auto& calls = entry.rest_calls;
  while (!calls.empty() && now - calls.front() >= vendor.options.times.limit_window)
    calls.pop_front();
  if (limit == 0) return false;
  if (calls.size() >= limit) return true;
  calls.push_back(now);
  return false;
}

HttpResponse limited(const Vendor& vendor, Api api, const KeyEntry& entry, TimePoint now) {
  if (!vendor.options.limit_headers) return json_response(429, R"({"detail": "Rate limit exceeded"})");
  const auto limit = std::to_string(api == Api::abp ? vendor.options.abp_limit : vendor.options.mm_limit);
  const auto free_at = entry.rest_calls.front() + vendor.options.times.limit_window;
  const auto wait = std::chrono::ceil<std::chrono::seconds>(free_at - now).count();
  const auto seconds = std::to_string(std::max<std::int64_t>(1, wait));
  auto response = json_response(
      429, R"({"detail": "Rate limit exceeded", "limit": )" + limit + R"(, "retry_after": )" + seconds + "}");
  response.headers.insert(response.headers.end(), {{"Retry-After", seconds},
                                                   {"X-RateLimit-Limit", limit},
                                                   {"X-RateLimit-Remaining", "0"},
                                                   {"X-RateLimit-Reset", seconds}});
  return response;
}

HttpResponse answer_fault(const Standing& fault) {
  auto response = json_response(fault.code, fault.message);
  if (fault.code == 429) response.headers.emplace_back("Retry-After", "1");
  return response;
}

HttpResponse upgrade_required() {
  auto response = json_response(426, R"({"detail": "Upgrade Required"})");
  response.headers.emplace_back("Upgrade", "websocket");
  return response;
}

}  // namespace

HttpResponse answer_rest(Vendor& vendor, const HttpRequest& request, bool serves_abp, bool serves_mm) {
  const bool mm_path = request.path.starts_with("/api/v1") || request.path == "/ws/subscribe";
  const Api api = serves_mm && (mm_path || !serves_abp) ? Api::mm : Api::abp;
  const auto now = Clock::now();
  auto& stats = vendor.stats_of(api);
  ++stats.rest_requests;
  if (request.path == (api == Api::abp ? "/ws" : "/ws/subscribe")) return upgrade_required();
  if (auto& fault = vendor.faults_of(api).rest; fault.strike(now)) return answer_fault(fault);
  const bool open = api == Api::abp && (request.path == "/health" || request.path == "/ready" ||
                                        request.path == "/status" || request.path == "/metrics");
  if (open) return json_response(200, R"({"status": "ok"})");
  std::string given = request.header("x-api-key");
  if (given.empty() && api == Api::abp)
    given = request.header("x-abp-api-key");  // the earlier edition's header
  KeyEntry* entry = vendor.find_key(api, given);
  if (entry == nullptr || entry->key.state != Key::State::active)
    return refuse_key(vendor, api, entry, given.empty());
  if (over_limit(vendor, api, *entry, now)) {
    ++stats.rest_limited;
    return limited(vendor, api, *entry, now);
  }
  return api == Api::abp ? answer_abp(vendor, request, *entry) : answer_mm(vendor, request, *entry);
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

HttpResponse not_found(std::string_view what) {
  return json_response(404, nlohmann::json{{"detail", std::string(what) + " not found"}}.dump());
}

}  // namespace bridge55::sim
