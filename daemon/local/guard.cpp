#include "daemon/local/guard.hpp"

#include "daemon/local/text.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <netinet/in.h>

namespace bridge55::local {
namespace {

struct Authority {
  std::string host;  // lower case, without brackets
  std::optional<std::uint16_t> port;
};

std::optional<Authority> parse_authority(std::string_view text) {
  Authority authority;
  std::string_view rest;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return {};
    authority.host = lower(text.substr(1, end - 1));
    rest = text.substr(end + 1);
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    authority.host = lower(text.substr(0, colon));
    rest = text.substr(colon);
  }
  if (authority.host.empty() || authority.host.find_first_of("/@?#[]\\, ") != std::string::npos) return {};
  if (rest.empty()) return authority;
  const auto port = parse_decimal(rest.substr(1));
  if (rest[0] != ':' || !port || *port > 65535) return {};
  authority.port = static_cast<std::uint16_t>(*port);
  return authority;
}

bool matches_allowed_host(const Authority& host, const std::vector<std::string>& allowed) {
  return std::any_of(allowed.begin(), allowed.end(), [&](const std::string& entry) {
    const auto wanted = parse_authority(entry);
    return wanted && wanted->host == host.host && (!wanted->port || wanted->port == host.port);
  });
}

// A literal address of a listener that is not loopback cannot be rebound by DNS.
bool is_own_address(const Authority& host, const Door& door) {
  const bool wildcard = door.address.empty() || door.address == "0.0.0.0" || door.address == "::";
  return !wildcard && host.host == door.address;
}

std::string without_slash(std::string_view origin) {
  if (origin.ends_with('/')) origin.remove_suffix(1);
  return lower(origin);
}

bool is_own_origin(std::string_view origin, const Authority& host, const Door& door) {
  const std::string_view scheme = door.tls ? "https://" : "http://";
  if (!same_ignoring_case(origin.substr(0, scheme.size()), scheme)) return false;
  const auto authority = parse_authority(origin.substr(scheme.size()));
  if (!authority) return false;
  const std::uint16_t standard = door.tls ? 443 : 80;
  const std::uint16_t port = authority->port.value_or(standard);
  if (authority->host == host.host && port == host.port.value_or(standard)) return true;
  return !door.unix_socket && port == door.port && is_loopback_name(authority->host);
}

Refusal denied(unsigned status, std::string message) {
  return Refusal{status, "FORBIDDEN", std::move(message), {}, {}};
}

}  // namespace

bool is_loopback_name(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (same_ignoring_case(host, "localhost") || same_ignoring_case(host, "localhost.")) return true;
  const std::string text(host);
  in_addr v4{};
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  if (inet_pton(AF_INET6, text.c_str(), &v6) != 1) return false;
  return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
}

Admission admit(const Head& head, const Door& door, const config::Http& settings) {
  const std::string_view host_text = head.get("host");
  Authority host{"localhost", {}};
  if (!(door.unix_socket && host_text.empty())) {
    const auto parsed = parse_authority(host_text);
    if (!parsed) return {bad_request("the Host header is not a host with an optional port"), {}};
    host = *parsed;
  }
  if (!is_loopback_name(host.host) && !is_own_address(host, door) &&
      !matches_allowed_host(host, settings.allowed_hosts)) {
    return {
        denied(421, "this Host is not a loopback name or address; to allow it add it to http.allowed_hosts"),
        {}};
  }
  if (const std::string* origin = head.find("origin")) {
    const auto& allowed = settings.allowed_origins;
    const bool listed = std::any_of(allowed.begin(), allowed.end(), [&](const std::string& a) {
      return without_slash(a) == without_slash(*origin);
    });
    if (listed) return {{}, *origin};
    if (!is_own_origin(*origin, host, door)) {
      return {
          denied(403, "this Origin is not the listener's own; to allow it add it to http.allowed_origins"),
          {}};
    }
  }
  const std::string* site = head.find("sec-fetch-site");
  if (site && *site != "same-origin" && *site != "none") {
    return {denied(403,
                   "a page of another site sent this request (Sec-Fetch-Site); only its own pages and apps "
                   "are served"),
            {}};
  }
  return {};
}

std::optional<Refusal> refuse_secrets_in_url(const Params& query) {
  constexpr std::array<std::string_view, 3> kNames = {"token", "apikey", "api_key"};
  for (const auto& [name, value] : query) {
    if (std::find(kNames.begin(), kNames.end(), lower(name)) == kNames.end()) continue;
    return bad_request(
        "a token does not belong in a URL; send it as `Authorization: Bearer …` or `X-API-Key`");
  }
  return {};
}

}  // namespace bridge55::local
