#include "bridges/scraping/relay_target.hpp"

#include "daemon/local/text.hpp"
#include "daemon/net/http_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace bridge55::scraping {
namespace {

using local::Head;
using local::Header;
using local::Refusal;
using net::same_name;

constexpr std::array<std::string_view, 5> kGeo = {"x-geo", "x-geo-cc", "x-geo-strict", "x-cc", "x-country"};
constexpr std::string_view kForward = "x-forward-";

// Said to the scraping network or to the daemon.
constexpr std::array<std::string_view, 12> kSteers = {
    "x-geo",     "x-geo-cc",      "x-geo-strict",   "x-cc",          "x-country",    "x-agent",
    "x-timeout", "x-expect-json", "x-idle-timeout", "x-subprotocol", "x-target-url", "expect"};

// Of this connection alone (RFC 9110, 7.6.1), or made anew by who talks to the target.
constexpr std::array<std::string_view, 12> kHopByHop = {
    "connection", "keep-alive",          "proxy-connection",   "te",   "trailer",        "transfer-encoding",
    "upgrade",    "proxy-authorization", "proxy-authenticate", "host", "content-length", "proxy-status"};

// A browser's words about itself and this origin; the target has its own.
constexpr std::string_view kOrigin = "origin";

// Of a WebSocket client's own headers (contract, section 5).
constexpr std::array<std::string_view, 5> kFromSocket = {"cookie", "user-agent", "referer", "accept-language",
                                                         "authorization"};

template <std::size_t N>
bool in(const std::array<std::string_view, N>& table, std::string_view name) {
  return std::any_of(table.begin(), table.end(),
                     [&](std::string_view entry) { return same_name(entry, name); });
}

bool starts_with(std::string_view name, std::string_view prefix) {
  return name.size() > prefix.size() && same_name(name.substr(0, prefix.size()), prefix);
}

// Equal names become one: a JSON object has one value a name (RFC 9110, 5.3; RFC 6265, 5.4).
void join(Fields& fields, std::string_view name, std::string_view value) {
  const auto same = std::find_if(fields.begin(), fields.end(),
                                 [&](const auto& field) { return same_name(field.first, name); });
  if (same == fields.end()) {
    fields.emplace_back(name, value);
  } else {
    same->second.append(same_name(name, "cookie") ? "; " : ", ").append(value);
  }
}

void replace(Fields& fields, std::string_view name, std::string_view value) {
  std::erase_if(fields, [&](const auto& field) { return same_name(field.first, name); });
  fields.emplace_back(name, value);
}

// `X-Forward-NAME: value` goes as NAME, in place of a NAME of the client's own.
std::optional<Refusal> forward(const Head& head, Fields& fields) {
  for (const Header& header : head.headers) {
    if (!starts_with(header.name, kForward)) continue;
    const std::string_view name = std::string_view(header.name).substr(kForward.size());
    if ((in(kHopByHop, name) && !same_name(name, "host")) || starts_with(name, "sec-websocket-")) {
      return local::bad_request(header.name + ": " + std::string(name) +
                                " belongs to the connection and cannot be forwarded");
    }
    replace(fields, name, header.value);
  }
  return {};
}

std::vector<std::string_view> offered_subprotocols(const Head& head) {
  std::vector<std::string_view> offered;
  for (const Header& header : head.headers) {
    if (!same_name(header.name, "sec-websocket-protocol")) continue;
    for (const std::string_view part : local::split_list(header.value))
      if (!net::trimmed(part).empty()) offered.push_back(net::trimmed(part));
  }
  return offered;
}

// The network does not say which of several the target took.
std::variant<std::string, Refusal> choose_subprotocol(const Head& head) {
  const auto offered = offered_subprotocols(head);
  for (const std::string_view name : offered)
    if (!net::is_token(name)) return local::bad_request("Sec-WebSocket-Protocol is not a list of tokens");
  const std::string* named = head.find("x-subprotocol");
  if (!named) return offered.size() == 1 ? std::string(offered.front()) : std::string();
  if (std::find(offered.begin(), offered.end(), *named) == offered.end()) {
    return local::bad_request("X-Subprotocol: `" + *named + "` is not among Sec-WebSocket-Protocol");
  }
  return *named;
}

}  // namespace

std::optional<ViaTarget> via_target(std::string_view raw) {
  if (!raw.starts_with(kVia)) return {};
  const std::string_view url = raw.substr(kVia.size());
  const std::size_t colon = url.find("://");
  if (colon == std::string_view::npos) return {};
  const std::string_view scheme = url.substr(0, colon);
  const bool web_socket = same_name(scheme, "ws") || same_name(scheme, "wss");
  if (!web_socket && !same_name(scheme, "http") && !same_name(scheme, "https")) return {};
  const std::string_view authority = url.substr(colon + 3, url.find_first_of("/?#", colon + 3) - colon - 3);
  const std::string_view host = authority.substr(authority.rfind('@') + 1);
  if (host.empty() || host.front() == ':') return {};
  return ViaTarget{web_socket, local::lower(scheme) + std::string(url.substr(colon))};
}

Steering steering_of(const Head& head) {
  Steering steering;
  for (const std::string_view name : kGeo)
    if (steering.geo.empty()) steering.geo = head.get(name);
  steering.agent = head.get("x-agent");
  steering.timeout = head.get("x-timeout");
  steering.expect_json = head.get("x-expect-json");
  steering.idle_timeout = head.get("x-idle-timeout");
  return steering;
}

std::variant<SocketAsk, Refusal> socket_ask(const Head& head, const std::string& url,
                                            const SignsIn& signs_in) {
  SocketAsk ask;
  ask.relay.url = url;
  const Steering steering = steering_of(head);
  ask.relay.geo = steering.geo;
  ask.relay.agent = steering.agent;
  if (!steering.idle_timeout.empty()) {
    double seconds = -1;
    const char* end = steering.idle_timeout.data() + steering.idle_timeout.size();
    const auto read = std::from_chars(steering.idle_timeout.data(), end, seconds);
    if (read.ec != std::errc{} || read.ptr != end || !(seconds >= 0) || seconds > 86400)
      return local::bad_request("X-Idle-Timeout: expected seconds, such as 30");
    ask.relay.idle = std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
  }
  for (const Header& header : head.headers)
    if (in(kFromSocket, header.name) && !signs_in(header)) join(ask.relay.headers, header.name, header.value);
  if (auto refusal = forward(head, ask.relay.headers)) return std::move(*refusal);
  auto subprotocol = choose_subprotocol(head);
  if (auto* refusal = std::get_if<Refusal>(&subprotocol)) return std::move(*refusal);
  ask.subprotocol = std::get<std::string>(std::move(subprotocol));
  if (!ask.subprotocol.empty()) ask.relay.headers.emplace_back("Sec-WebSocket-Protocol", ask.subprotocol);
  return ask;
}

std::variant<Fields, Refusal> target_fields(const Head& head, const SignsIn& signs_in) {
  Fields fields;
  for (const Header& header : head.headers) {
    const std::string_view name = header.name;
    if (in(kHopByHop, name) || in(kSteers, name) || same_name(kOrigin, name) || starts_with(name, kForward) ||
        starts_with(name, "x-bridge-") || starts_with(name, "sec-fetch-") || signs_in(header) ||
        head.lists("connection", name))
      continue;
    join(fields, name, header.value);
  }
  if (auto refusal = forward(head, fields)) return std::move(*refusal);
  return fields;
}

}  // namespace bridge55::scraping
