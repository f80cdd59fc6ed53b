#include "daemon/gateway/headers.hpp"

#include "config/units.hpp"
#include "daemon/local/text.hpp"

#include <algorithm>
#include <array>

namespace bridge55::gateway {
namespace {

constexpr std::array<std::string_view, 9> kHopByHop = {
    "connection", "keep-alive",          "proxy-connection",  "te", "trailer", "transfer-encoding",
    "upgrade",    "proxy-authorization", "proxy-authenticate"};

// Said to the daemon, said anew by it, or a key. A method override would let a read be a trade.
constexpr std::array<std::string_view, 15> kNotUp = {"host",
                                                     "content-length",
                                                     "expect",
                                                     "authorization",
                                                     "x-api-key",
                                                     "x-abp-api-key",
                                                     "x-request-id",
                                                     "x-http-method-override",
                                                     "x-http-method",
                                                     "x-method-override",
                                                     "x-original-url",
                                                     "x-rewrite-url",
                                                     "x-original-method",
                                                     "x-forwarded-method",
                                                     "proxy-status"};

// Framing and request id are ours. What would loosen a browser's rules for this origin, or send a client past
// the daemon, is not upstream's to say here.
constexpr std::array<std::string_view, 8> kNotDown = {"content-length",
                                                      "x-request-id",
                                                      "alt-svc",
                                                      "strict-transport-security",
                                                      "clear-site-data",
                                                      "access-control-allow-origin",
                                                      "access-control-allow-credentials",
                                                      "access-control-allow-headers"};

constexpr std::string_view kOurs = "x-bridge-";
constexpr auto kLongestWait = std::chrono::hours(24);

template <std::size_t N>
bool in(const std::array<std::string_view, N>& table, std::string_view name) {
  return std::any_of(table.begin(), table.end(), [&](std::string_view entry) {
    return entry.size() == name.size() && local::same_ignoring_case(entry, name);
  });
}

bool is_ours(std::string_view name) {
  return name.size() > kOurs.size() && local::same_ignoring_case(name.substr(0, kOurs.size()), kOurs);
}

// By these two an app tells the daemon's own words from upstream's.
bool poses_as_us(const net::HttpField& field) {
  const bool status = local::same_ignoring_case(field.name, "proxy-status") ||
                      local::same_ignoring_case(field.name, "cache-status");
  return status && field.value.find("bridge55") != std::string_view::npos;
}

}  // namespace

void pass_up(const local::Head& head, std::string_view key_header, std::vector<net::HttpField>& fields) {
  const bool names_more = head.find("connection") != nullptr;
  for (const local::Header& header : head.headers) {
    const std::string_view name = header.name;
    if (in(kHopByHop, name) || in(kNotUp, name) || is_ours(name)) continue;
    if (local::same_ignoring_case(name, key_header)) continue;
    if (names_more && head.lists("connection", name)) continue;
    fields.push_back({name, header.value});
  }
}

std::variant<std::optional<config::Duration>, local::Refusal> asked_duration(const local::Head& head,
                                                                             std::string_view name) {
  const std::string* text = head.find(name);
  if (!text) return std::optional<config::Duration>{};
  const auto value = config::parse_duration(*text);
  if (!value || *value > kLongestWait) {
    return local::bad_request(std::string(name) +
                              ": expected a duration of at most 24h, such as 250ms or 5s");
  }
  return std::optional(*value);
}

std::vector<net::HttpField> pass_down(const net::ResponseHead& head) {
  const bool names_more = !head.get("connection").empty();
  std::vector<net::HttpField> fields;
  fields.reserve(head.fields.size());
  for (const net::HttpField& field : head.fields) {
    if (in(kHopByHop, field.name) || in(kNotDown, field.name) || is_ours(field.name)) continue;
    if (names_more && head.lists("connection", field.name)) continue;
    if (!poses_as_us(field)) fields.push_back(field);
  }
  return fields;
}

bool mask_key(std::string& text, std::string_view key) {
  if (key.empty()) return false;
  bool found = false;
  for (std::size_t at = 0; (at = text.find(key, at)) != std::string::npos; at += key.size()) {
    text.replace(at, key.size(), key.size(), '*');
    found = true;
  }
  return found;
}

void append_line(std::string& lines, std::string_view name, std::string_view value) {
  lines.append(name).append(": ").append(value).append("\r\n");
}

void append_lines(const net::ResponseHead& head, std::string& lines) {
  for (const net::HttpField& field : pass_down(head))
    append_line(lines, field.name, field.value);
}

}  // namespace bridge55::gateway
