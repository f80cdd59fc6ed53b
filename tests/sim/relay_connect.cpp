#include "tests/sim/relay_connect.hpp"

#include "tests/sim/rest_scraping.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <strings.h>

#include <nlohmann/json.hpp>

namespace bridge55::sim {

using json = nlohmann::ordered_json;

namespace {

bool equals(const std::string& a, const char* b) {
  return strcasecmp(a.c_str(), b) == 0;
}

/// RFC 9110 section 5.6.2.
bool is_token(const std::string& text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [kMarks](char c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return letter || kMarks.find(c) != std::string_view::npos;
  });
}

bool is_line(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
  });
}

/// An object of strings; what is wrong with it, empty if nothing. Absent is empty.
std::string read_strings(const json& message, const char* name, Fields& out) {
  const auto found = message.find(name);
  if (found == message.end()) return {};
  const std::string field(name);
  if (!found->is_object()) return field + " must be an object";
  for (const auto& [key, value] : found->items()) {
    if (!value.is_string()) return field + " must hold strings";
    out.emplace_back(key, value.get<std::string>());
    if (!is_token(key) || !is_line(out.back().second)) return field + " holds what no header can carry";
  }
  return {};
}

/// A string that may be absent or null.
std::string read_choice(const json& message, const char* name, std::string& out) {
  const auto found = message.find(name);
  if (found == message.end() || found->is_null()) return {};
  if (!found->is_string()) return std::string(name) + " must be a string";
  out = found->get<std::string>();
  return {};
}

std::string read_idle(const json& message, double& out) {
  const auto found = message.find("idle_timeout");
  if (found == message.end()) return {};
  if (!found->is_number()) return "idle_timeout must be a number";
  out = found->get<double>();
  return out < 0 ? "idle_timeout must not be negative" : "";
}

/// "Cookies sent with the WS upgrade request. Merged into the `Cookie` header."
void merge_cookies(const Fields& cookies, Fields& headers) {
  std::string text;
  for (const auto& [name, value] : cookies)
    text += (text.empty() ? "" : "; ") + name + '=' + value;
  if (text.empty()) return;
  for (auto& [name, value] : headers) {
    if (!equals(name, "cookie")) continue;
    value += (value.empty() ? "" : "; ") + text;
    return;
  }
  headers.emplace_back("Cookie", text);
}

std::string read_agents(const json& message, AgentFilter& filter) {
  std::string geo, agent;
  if (auto wrong = read_choice(message, "geo", geo); !wrong.empty()) return wrong;
  if (auto wrong = read_choice(message, "agent", agent); !wrong.empty()) return wrong;
  return read_filter(geo, agent, filter) ? "Invalid geo code" : "";
}

/// What belongs to the handshake with the target, whoever asks for it.
bool is_agents_own(const std::string& name) {
  constexpr std::array kOwn{"connection",
                            "upgrade",
                            "sec-websocket-key",
                            "content-length",
                            "keep-alive",
                            "sec-websocket-version",
                            "transfer-encoding",
                            "te",
                            "sec-websocket-extensions",
                            "trailer",
                            "proxy-connection",
                            "sec-websocket-accept"};
  return std::any_of(kOwn.begin(), kOwn.end(), [&name](const char* own) { return equals(name, own); });
}

std::string host_field(const Target& target) {
  const bool v6 = target.host.find(':') != std::string::npos;
  const std::string host = v6 ? '[' + target.host + ']' : target.host;
  const bool usual = target.port == (target.tls ? "443" : "80");
  return usual ? host : host + ':' + target.port;
}

}  // namespace

std::optional<std::string> connect_key(const std::string& text) {
  const json message = json::parse(text, nullptr, false);
  if (!message.is_object()) return std::nullopt;
  for (const char* name : {"apiKey", "key"}) {
    const auto found = message.find(name);
    if (found != message.end() && found->is_string()) return found->get<std::string>();
  }
  return std::string();
}

std::string read_connect(const std::string& text, RelayConnect& connect) {
  const json message = json::parse(text, nullptr, false);
  if (!message.is_object()) return "Invalid connect message";
  const auto url = message.find("url");
  if (url == message.end() || !url->is_string()) return "Missing url";
  connect.url = url->get<std::string>();
  const auto target = parse_ws_target(connect.url);
  if (!target) return "Invalid url: must be ws:// or wss://";
  connect.target = *target;
  Fields cookies;
  if (auto wrong = read_strings(message, "headers", connect.headers); !wrong.empty()) return wrong;
  if (auto wrong = read_strings(message, "cookies", cookies); !wrong.empty()) return wrong;
  if (auto wrong = read_idle(message, connect.idle_timeout); !wrong.empty()) return wrong;
  merge_cookies(cookies, connect.headers);
  return read_agents(message, connect.filter);
}

std::optional<Target> parse_ws_target(const std::string& url) {
  const auto colon = std::min(url.find("://"), url.size());
  const std::string scheme = url.substr(0, colon);
  const bool tls = equals(scheme, "wss");
  if ((!tls && !equals(scheme, "ws")) || url.find_first_of("#@\\ ") != std::string::npos || !is_line(url))
    return std::nullopt;
  const auto target = parse_target((tls ? "https" : "http") + url.substr(colon));
  if (!target) return std::nullopt;
  unsigned port = 0;
  const auto [end, error] =
      std::from_chars(target->port.data(), target->port.data() + target->port.size(), port);
  const bool whole = error == std::errc{} && end == target->port.data() + target->port.size();
  if (!whole || port == 0 || port > 65535) return std::nullopt;
  return target;
}

Fields upgrade_fields(const RelayConnect& connect, const std::string& websocket_key) {
  Fields fields;
  const auto named = std::find_if(connect.headers.begin(), connect.headers.end(),
                                  [](const auto& field) { return equals(field.first, "host"); });
  fields.emplace_back("Host", named == connect.headers.end() ? host_field(connect.target) : named->second);
  fields.insert(fields.end(), {{"Upgrade", "websocket"},
                               {"Connection", "Upgrade"},
                               {"Sec-WebSocket-Key", websocket_key},
                               {"Sec-WebSocket-Version", "13"}});
  for (const auto& field : connect.headers) {
    if (!is_agents_own(field.first) && !equals(field.first, "host")) fields.push_back(field);
  }
  return fields;
}

}  // namespace bridge55::sim
