// /fetch and /browser: a request through an agent, and the answer in the documented form ("Fetch response
// format").
#include "tests/sim/fetch.hpp"
#include "tests/sim/rest_scraping.hpp"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

namespace bridge55::sim {

using json = nlohmann::ordered_json;

namespace {

constexpr double kUsualTimeout = 30;  // seconds
constexpr int kBrowserTries = 2;      // "automatically retries on a different node before returning an error"

/// Control headers and what belongs to one connection: none of these reach the target.
bool is_forwarded(std::string name) {
  for (char& c : name)
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  constexpr std::array kStripped{"x-target-url",
                                 "x-geo",
                                 "x-geo-cc",
                                 "x-geo-strict",
                                 "x-cc",
                                 "x-country",
                                 "x-agent",
                                 "x-expect-json",
                                 "x-timeout",
                                 "x-api-key",
                                 "host",
                                 "connection",
                                 "content-length",
                                 "keep-alive",
                                 "transfer-encoding",
                                 "te",
                                 "trailer",
                                 "upgrade",
                                 "expect",
                                 "proxy-authorization",
                                 "proxy-connection"};
  return std::find(kStripped.begin(), kStripped.end(), name) == kStripped.end();
}

/// The documented body of POST /fetch; an object of anything else is the target's own body.
bool is_envelope(const json& body) {
  if (!body.is_object()) return false;
  constexpr std::array kMembers{"method", "headers", "body", "timeout", "allow_redirects"};
  return std::all_of(body.items().begin(), body.items().end(), [&kMembers](const auto& item) {
    return std::find(kMembers.begin(), kMembers.end(), item.key()) != kMembers.end();
  });
}

milliseconds timeout_of(const HttpRequest& request, const json& body) {
  double seconds = kUsualTimeout;
  if (body.is_object() && body.contains("timeout") && body["timeout"].is_number())
    seconds = body["timeout"].get<double>();
  const auto header = request.header("x-timeout");
  if (!header.empty()) seconds = std::strtod(header.c_str(), nullptr);
  return milliseconds(std::max<std::int64_t>(1, std::llround(seconds * 1000)));
}

void read_envelope(FetchRequest& wanted, const json& body) {
  wanted.headers.clear();
  wanted.method = body.value("method", wanted.method);
  for (char& c : wanted.method)
    c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  if (const auto headers = body.find("headers"); headers != body.end() && headers->is_object()) {
    for (const auto& [name, value] : headers->items())
      wanted.headers.emplace_back(name, value.is_string() ? value.get<std::string>() : value.dump());
  }
  if (const auto given = body.find("body"); given != body.end() && !given->is_null())
    wanted.body = given->is_string() ? given->get<std::string>() : given->dump();
  wanted.redirects = body.value("allow_redirects", true);
}

FetchRequest read_fetch(const HttpRequest& request, const std::string& url) {
  FetchRequest wanted;
  wanted.method = request.method;
  wanted.url = url;
  for (const auto& [name, value] : request.fields) {
    if (is_forwarded(name)) wanted.headers.emplace_back(name, value);
  }
  const json body = request.body.empty() ? json() : json::parse(request.body, nullptr, false);
  if (is_envelope(body)) {
    read_envelope(wanted, body);
  } else {
    wanted.body = request.body;
  }
  wanted.timeout = timeout_of(request, body);
  return wanted;
}

json headers_of(const FetchResult& result) {
  json headers = json::object();
  for (const auto& [name, value] : result.headers)
    headers[name] = headers.contains(name) ? headers[name].get<std::string>() + ", " + value : value;
  return headers;
}

bool is_blocked(const FetchResult& result) {
  return result.status == 403 || result.status == 429;
}

/// The answer's text up to its closing brace. A JSON body goes out as it came.
std::string describe(const FetchResult& result, const Agent& agent) {
  const json meta{{"status", result.status},       {"final_url", result.final_url},
                  {"http_version", "HTTP/1.1"},    {"elapsed_ms", result.elapsed.count()},
                  {"blocked", is_blocked(result)}, {"headers", headers_of(result)},
                  {"agent", {{"id", agent.id()}}}, {"bytes", result.body.size()}};
  const bool object = result.body.starts_with('{') || result.body.starts_with('[');
  const bool is_json = object && json::accept(result.body);
  const auto text = [](const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
  };
  return "{\"meta\":" + text(meta) + ",\"raw\":" + (is_json ? "null" : text(result.body)) +
         ",\"raw_json\":" + (is_json ? result.body : "null");
}

void count(const Call& call, const std::string& protocol, const std::string& domain,
           const FetchResult& result) {
  ScrapingUsage& usage = call.vendor.scraping.usage(call.key.key.key);
  ++usage.total;
  ++usage.by_protocol[protocol];
  ++usage.domains[domain];
  usage.bytes += result.body.size();
  if (result.error == 0 && result.status < 400) ++usage.success;
}

/// One try through the next healthy agent. The refusal or failure, else `agent` and `result`.
struct Relayed {
  std::optional<HttpResponse> failure;
  Agent agent;
  FetchResult result;
};

boost::asio::awaitable<Relayed> relay(const Call& call, const FetchRequest& wanted, const AgentFilter& filter,
                                      const std::string& protocol) {
  Relayed relayed;
  const auto target = parse_target(wanted.url);
  auto& network = call.vendor.scraping;
  const auto agent = network.pick(filter, target->host, Clock::now());
  if (!agent) {
    relayed.failure = scraping_error(502, "No healthy agent available for this domain");
    co_return relayed;
  }
  relayed.agent = *agent;
  relayed.result = co_await fetch(wanted);
  count(call, protocol, target->host, relayed.result);
  if (relayed.result.error != 0) {
    relayed.failure = scraping_error(relayed.result.error, relayed.result.reason);
  } else if (is_blocked(relayed.result)) {
    network.block(agent->slug, target->host, Clock::now());
  }
  co_return relayed;
}

bool meets(const json& body, const std::string& page) {
  if (body.contains("expectContains") && body["expectContains"].is_string() &&
      page.find(body["expectContains"].get<std::string>()) == std::string::npos)
    return false;
  if (!body.contains("expectSelector") || !body["expectSelector"].is_string()) return true;
  const auto selector = body["expectSelector"].get<std::string>();
  const auto name = selector.substr(selector.empty() ? 0 : 1);
  if (selector.starts_with('#')) return page.find("id=\"" + name + '"') != std::string::npos;
  if (selector.starts_with('.')) return page.find("class=\"" + name) != std::string::npos;
  return page.find('<' + selector) != std::string::npos;
}

json cookies_of(const FetchResult& result, const std::string& domain) {
  json cookies = json::array();
  for (const auto& [name, value] : result.headers) {
    if (name != "set-cookie") continue;
    const auto equals = value.find('=');
    const auto end = std::min(value.find(';'), value.size());
    if (equals >= end) continue;
    cookies.push_back({{"name", value.substr(0, equals)},
                       {"value", value.substr(equals + 1, end - equals - 1)},
                       {"domain", domain},
                       {"path", "/"},
                       {"httpOnly", value.find("HttpOnly") != std::string::npos}});
  }
  return cookies;
}

}  // namespace

std::string geo_of(const HttpRequest& request) {
  for (const char* name : {"x-geo", "x-geo-cc", "x-geo-strict", "x-cc", "x-country"}) {
    if (const auto value = request.header(name); !value.empty()) return value;
  }
  return {};
}

std::optional<HttpResponse> read_filter(const std::string& geo, const std::string& agents,
                                        AgentFilter& filter) {
  const auto split = [](std::string_view text, std::vector<std::string>& list) {
    while (!text.empty()) {
      const auto end = std::min(text.find(','), text.size());
      auto one = text.substr(0, end);
      while (one.starts_with(' '))
        one.remove_prefix(1);
      if (!one.empty()) list.emplace_back(one);
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  };
  split(geo, filter.countries);
  split(agents, filter.slugs);
  for (auto& country : filter.countries) {
    if (country.size() != 2) return scraping_error(400, "Invalid geo code: " + country);
    for (char& c : country)
      c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    if (country == "GB") country = "UK";
  }
  return std::nullopt;
}

boost::asio::awaitable<HttpResponse> relay_fetch(const Call& call) {
  const auto header = call.request.header("x-target-url");
  const auto url = header.empty() ? call.request.parameter("url").value_or("") : header;
  if (url.empty()) co_return scraping_error(400, "Missing target URL");
  if (!parse_target(url)) co_return scraping_error(400, "Invalid target URL");
  AgentFilter filter;
  if (auto refusal = read_filter(geo_of(call.request), call.request.header("x-agent"), filter))
    co_return *refusal;
  const FetchRequest wanted = read_fetch(call.request, url);
  const std::string protocol = "fetch";
  const Relayed relayed = co_await relay(call, wanted, filter, protocol);
  if (relayed.failure) co_return *relayed.failure;
  co_return json_response(200, describe(relayed.result, relayed.agent) + "}");
}

boost::asio::awaitable<HttpResponse> relay_browser(const Call& call) {
  const json body = json::parse(call.request.body, nullptr, false);
  if (!body.is_object()) co_return unprocessable(R"(["body", 0])", "JSON decode error", "json_invalid");
  const auto url = body.value("url", "");
  if (url.empty()) co_return scraping_error(400, "Missing target URL");
  const auto target = parse_target(url);
  if (!target) co_return scraping_error(400, "Invalid target URL");
  AgentFilter filter;
  if (auto refusal = read_filter(body.value("geo", geo_of(call.request)), body.value("agent", ""), filter))
    co_return *refusal;
  FetchRequest wanted;
  wanted.url = url;
  wanted.timeout = timeout_of(call.request, body);
  const std::string protocol = "browser";
  for (int i = 0; i < kBrowserTries; ++i) {
    const Relayed relayed = co_await relay(call, wanted, filter, protocol);
    if (relayed.failure) co_return *relayed.failure;
    if (!meets(body, relayed.result.body)) continue;
    const auto cookies = cookies_of(relayed.result, target->host).dump();
    co_return json_response(200, describe(relayed.result, relayed.agent) + ",\"cookies\":" + cookies +
                                     ",\"screenshot\":null,\"js_result\":null}");
  }
  co_return scraping_error(502, "Browser validation failed: expected content not found");
}

}  // namespace bridge55::sim
