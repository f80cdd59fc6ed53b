#include "daemon/local/router.hpp"

#include <optional>

namespace bridge55::local {
namespace {

constexpr unsigned kAnybody = 0;
constexpr unsigned kEvents = static_cast<unsigned>(config::Scope::events);
constexpr unsigned kAdmin = static_cast<unsigned>(config::Scope::admin);

// The part of the path that a route's final `*` stands for; nothing where the route is another path.
std::optional<std::string_view> match_path(std::string_view pattern, std::string_view path) {
  if (!pattern.ends_with('*')) return pattern == path ? std::optional(std::string_view{}) : std::nullopt;
  pattern.remove_suffix(1);
  if (!path.starts_with(pattern)) return {};
  const std::string_view segment = path.substr(pattern.size());
  if (segment.empty() || segment.find('/') != std::string_view::npos) return {};
  return segment;
}

bool serves(std::string_view route_method, std::string_view method) {
  return route_method == method || (route_method == "GET" && method == "HEAD");
}

void add_method(std::string& allow, std::string_view method) {
  if (!allow.empty()) allow += ", ";
  allow += method;
  if (method == "GET") allow += ", HEAD";
}

std::string not_found_text(std::string_view path) {
  if (path == "/state" || path.starts_with("/state/"))
    return "the state of sources is not served by this version";
  return "nothing is served here; GET /status, /events, /events/page, /trades/{requestUuid}, /metrics, "
         "/healthz and "
         "/readyz are, and everything below the name of an upstream of the config, such as /abp/accounts";
}

}  // namespace

const std::vector<Route>& routes() {
  static const std::vector<Route> table = {
      {"GET", "/", Endpoint::front_page, kEvents},
      {"GET", "/events", Endpoint::events, kEvents},
      {"GET", "/events/page", Endpoint::events_page, kEvents},
      {"POST", "/events/ack", Endpoint::ack, kEvents},
      {"DELETE", "/events/consumers/*", Endpoint::consumer, kEvents | kAdmin},
      {"GET", "/healthz", Endpoint::alive, kAnybody},
      {"GET", "/livez", Endpoint::alive, kAnybody},
      {"GET", "/readyz", Endpoint::ready, kAnybody},
      {"GET", "/metrics", Endpoint::metrics, kAnybody},
      {"GET", "/status", Endpoint::status, kEvents | kAdmin},
      {"POST", "/admin/reload", Endpoint::reload, kAdmin},
  };
  return table;
}

std::variant<Routed, Refusal> route(std::string_view method, std::string_view path) {
  std::string allow;
  for (const Route& entry : routes()) {
    const auto segment = match_path(entry.path, path);
    if (!segment) continue;
    if (serves(entry.method, method))
      return Routed{entry.endpoint, entry.scopes, std::string(*segment), nullptr};
    add_method(allow, entry.method);
  }
  if (allow.empty()) return Refusal{404, "NOT_FOUND", not_found_text(path), {}, {}};
  return Refusal{
      405, "BAD_REQUEST", "this method is not served here; allowed: " + allow, {{"Allow", allow}}, {}};
}

}  // namespace bridge55::local
