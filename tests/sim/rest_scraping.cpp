#include "tests/sim/rest_scraping.hpp"

#include "tests/sim/amqp_order.hpp"
#include "tests/sim/fetch.hpp"
#include "tests/sim/rows.hpp"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

namespace bridge55::sim {

using json = nlohmann::ordered_json;

namespace {

constexpr std::int64_t kPickHolds = 60'000;  // ms

double burst_of(const Options& options) {
  return options.scraping_burst > 0 ? options.scraping_burst : options.scraping_rps;
}

bool in_body(const HttpRequest& request) {
  return request.path == "/browser" || request.path == "/amqp";
}

/// "the key is read from the JSON body field `apiKey` (or `key`), or the `X-API-Key` header"
std::string key_of(const HttpRequest& request) {
  if (in_body(request)) {
    const json body = json::parse(request.body, nullptr, false);
    for (const char* name : {"apiKey", "key"}) {
      if (body.is_object() && body.contains(name) && body[name].is_string())
        return body[name].get<std::string>();
    }
  }
  return request.header("x-api-key");
}

HttpResponse limited_bucket(const Vendor& vendor) {
  auto response = scraping_error(429, "Rate limit exceeded");
  const auto limit = std::to_string(std::llround(vendor.options.scraping_rps));
  response.headers.insert(
      response.headers.end(),
      {{"Retry-After", "1"}, {"X-RateLimit-Limit", limit}, {"X-RateLimit-Remaining", "0"}});
  return response;
}

std::optional<HttpResponse> public_answer(const HttpRequest& request) {
  const auto& path = request.path;
  if (path == "/healthz") return json_response(200, R"({"ok": true})");
  if (path == "/")
    return json_response(200, R"({"name":"55 Tech Scraping API","version":"2.2.0","status":"ok"})");
  if (path == "/ws/docs") {
    return json_response(
        200, R"({"type":"connected","status":101,"node_id":"scraping-de1","message":"This is a )"
             R"(documentation endpoint. Connect via WebSocket at wss://scraping-api.55-tech.com/ws"})");
  }
  if (path != "/ws") return std::nullopt;
  auto response = scraping_error(426, "Upgrade Required");
  response.headers.emplace_back("Upgrade", "websocket");
  return response;
}

HttpResponse show_usage(const Call& call) {
  ScrapingUsage& usage = call.vendor.scraping.usage(call.key.key.key);
  const auto& o = call.vendor.options;
  const auto remaining = usage.bucket.remaining(o.scraping_rps, burst_of(o), Clock::now());
  const double rate =
      usage.total == 0
          ? 100.0
          : std::round(1000.0 * static_cast<double>(usage.success) / static_cast<double>(usage.total)) / 10;
  json domains = json::array();
  for (const auto& [domain, requests] : usage.domains)
    domains.push_back({{"domain", domain}, {"requests", requests}});
  std::stable_sort(domains.begin(), domains.end(),
                   [](const json& a, const json& b) { return a["requests"] > b["requests"]; });
  json protocols{{"fetch", 0}, {"ws", 0}, {"amqp", 0}};
  for (const auto& [name, count] : usage.by_protocol)
    protocols[name] = count;
  const json body{{"api_key", call.key.key.key},
                  {"total", usage.total},
                  {"success", usage.success},
                  {"fail", usage.total - usage.success},
                  {"success_rate", rate},
                  {"bytes_transferred", usage.bytes},
                  {"rate_limit",
                   {{"rps", o.scraping_rps},
                    {"burst", std::llround(burst_of(o))},
                    {"remaining", std::round(remaining * 10) / 10}}},
                  {"by_protocol", std::move(protocols)},
                  {"top_domains", std::move(domains)}};
  return json_response(200, body.dump());
}

json by_country(const ScrapingNetwork& network, bool slugs) {
  json result = json::object();
  for (const auto& agent : network.agents()) {
    if (slugs) {
      result[agent.country].push_back(agent.slug);
    } else {
      result[agent.country] = result.value(agent.country, 0) + 1;
    }
  }
  return result;
}

HttpResponse show_health(const Call& call, const std::string& domain) {
  const auto& network = call.vendor.scraping;
  json details = json::array();
  std::map<std::string_view, int> counts;
  for (const auto& agent : network.agents()) {
    const auto state = network.state(agent.slug, domain, Clock::now());
    ++counts[state];
    details.push_back({{"node_id", agent.id()},
                       {"slug", agent.slug},
                       {"state", state},
                       {"rtt_ms", 145},
                       {"last_check", iso_time(wall_ms(), "Z")}});
  }
  return json_response(200, json{{"domain", domain},
                                 {"nodes_checked", network.agents().size()},
                                 {"available", counts["available"]},
                                 {"limited", counts["limited"]},
                                 {"unavailable", counts["unavailable"]},
                                 {"details", std::move(details)}}
                                .dump());
}

HttpResponse show_pick(const Call& call) {
  const auto url = call.request.parameter("url");
  if (!url) return unprocessable(R"(["query", "url"])", "Field required", "missing");
  const auto target = parse_target(*url);
  if (!target) return scraping_error(400, "Invalid target URL");
  AgentFilter filter;
  if (auto refusal = read_filter(geo_of(call.request), call.request.header("x-agent"), filter))
    return *refusal;
  const auto agent = call.vendor.scraping.pick(filter, target->host, Clock::now());
  if (!agent) return scraping_error(502, "No healthy agent available for this domain");
  return json_response(200, json{{"node_id", agent->id()},
                                 {"node_slug", agent->slug},
                                 {"country", agent->country},
                                 {"valid_until_epoch_ms", wall_ms() + kPickHolds}}
                                .dump());
}

HttpResponse answer_network(const Call& call) {
  const auto& network = call.vendor.scraping;
  const auto& path = call.request.path;
  if (path == "/network/agents") {
    json list = json::array();
    for (const auto& agent : network.agents())
      list.push_back({{"slug", agent.slug}, {"name", agent.id()}, {"country", agent.country}});
    return json_response(200, list.dump());
  }
  if (path == "/network/status") {
    const json countries = by_country(network, false);
    return json_response(200, json{{"total_nodes", network.agents().size()},
                                   {"total_countries", countries.size()},
                                   {"nodes_by_country", countries}}
                                  .dump());
  }
  if (path == "/network/geo") return json_response(200, by_country(network, true).dump());
  if (path.starts_with("/network/health/")) return show_health(call, path.substr(16));
  return scraping_error(404, "Not Found");
}

/// The stream itself begins where the answer is written.
HttpResponse open_amqp(const Call& call) {
  const auto order = std::make_shared<AmqpOrder>();
  if (auto refusal = read_amqp_order(call.request.body, *order)) return *refusal;
  const auto agent = call.vendor.scraping.pick(order->filter, order->host, Clock::now());
  if (!agent) return scraping_error(502, "No healthy agent available");
  order->agent = *agent;
  order->key = call.key.key.key;
  ScrapingUsage& usage = call.vendor.scraping.usage(order->key);
  ++usage.total;
  ++usage.by_protocol["amqp"];
  ++usage.domains[order->host];
  HttpResponse response{200, {}, {{"Content-Type", "text/event-stream"}}};
  response.stream = order;
  return response;
}

boost::asio::awaitable<HttpResponse> route(const Call& call) {
  const auto& method = call.request.method;
  const auto& path = call.request.path;
  if (path == "/fetch") {
    const bool allowed =
        method == "GET" || method == "POST" || method == "PUT" || method == "PATCH" || method == "DELETE";
    if (!allowed) co_return method_not_allowed();
    co_return co_await relay_fetch(call);
  }
  if (in_body(call.request) && method != "POST") co_return method_not_allowed();
  if (path == "/browser") co_return co_await relay_browser(call);
  if (path == "/amqp") co_return open_amqp(call);
  if (method != "GET") co_return method_not_allowed();
  if (path == "/usage") co_return show_usage(call);
  if (path == "/debug/pick") co_return show_pick(call);
  co_return answer_network(call);
}

}  // namespace

HttpResponse scraping_error(unsigned status, const std::string& detail) {
  return json_response(status, json{{"detail", detail}}.dump(-1, ' ', false, json::error_handler_t::replace));
}

boost::asio::awaitable<HttpResponse> answer_scraping(Vendor& vendor, const HttpRequest& request,
                                                     const FaultPlan& plan) {
  if (auto instead = answer_fault(vendor, plan)) co_return *instead;
  if (request.method == "GET") {
    if (auto open = public_answer(request)) co_return *open;
  }
  const auto given = key_of(request);
  if (given.empty()) co_return scraping_error(401, "Invalid or missing API key");
  const KeyEntry* entry = vendor.find_key(Api::scraping, given);
  if (entry == nullptr || entry->key.state != Key::State::active)
    co_return scraping_error(403, "Invalid or missing API key");
  // Asking for the usage is how a client finds out, so it costs nothing.
  if (request.path != "/usage" && !take_token(vendor, given)) co_return limited_bucket(vendor);
  const Call call{vendor, request, *entry, plan};
  HttpResponse response = co_await route(call);
  co_return response;
}

}  // namespace bridge55::sim
