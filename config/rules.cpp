#include "config/scalars.hpp"
#include "config/scopes.hpp"
#include "config/templates.hpp"
#include "config/units.hpp"
#include "config/urls.hpp"

#include <algorithm>
#include <array>

#include <re2/re2.h>

namespace bridge55::config::rules {
namespace {

using Schemes = std::array<std::string_view, 2>;
constexpr Schemes http{"http", "https"};
constexpr Schemes ws{"ws", "wss"};
constexpr std::array<std::string_view, 1> plain_http{"http"};

std::string any_fault(const std::string&) {
  return "";
}

std::string line_fault(const std::string& text) {
  if (text.empty()) return "is empty";
  return has_control(text) ? "holds a control character" : "";
}

std::string word_fault(const std::string& text) {
  if (auto fault = line_fault(text); !fault.empty()) return fault;
  return text.find(' ') != std::string::npos ? "holds a space" : "";
}

std::string name_fault(const std::string& text) {
  return is_name(text) ? "" : "is not a name";
}

// Field values: RFC 9110, section 5.5. Printable ASCII only, since that is what survives every hop.
std::string api_key_fault(const std::string& text) {
  if (text.empty()) return "is empty";
  const bool printable = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F; });
  return printable ? "" : "holds a space, a control character or one beyond ASCII";
}

std::string header_value_fault(const std::string& text) {
  return has_control(text) ? "holds a control character" : "";
}

std::string absolute_path_fault(const std::string& text) {
  if (auto fault = line_fault(text); !fault.empty()) return fault;
  return text.front() != '/' ? "is not an absolute path" : text.back() == '/' ? "is a folder" : "";
}

std::string socket_path_fault(const std::string& text) {
  if (auto fault = absolute_path_fault(text); !fault.empty()) return fault;
  return text.size() > 107 ? "is too long for a UNIX socket" : "";
}

std::string token_fault(const std::string& text) {
  return is_http_token(text) ? "" : text.empty() ? "is empty" : "is not a token";
}

std::string host_fault(const std::string& text) {
  if (auto fault = word_fault(text); !fault.empty()) return fault;
  return text.find_first_of("/@?#\\") != std::string::npos ? "is not a host" : "";
}

std::string url_path_fault(const std::string& text) {
  if (auto fault = word_fault(text); !fault.empty()) return fault;
  if (text.front() != '/') return "is not a path";
  return text.find_first_of("?#") != std::string::npos ? "holds a query or fragment" : "";
}

std::string http_url_fault(const std::string& text) {
  return url_fault(text, {.schemes = http});
}
std::string ws_url_fault(const std::string& text) {
  return url_fault(text, {.schemes = ws, .query = true});
}
std::string ws_target_fault(const std::string& text) {
  return url_fault(text, {.schemes = ws, .credentials = true, .query = true});
}
std::string target_fault(const std::string& text) {
  return url_fault(text, {.schemes = http, .credentials = true, .query = true});
}
std::string proxy_fault(const std::string& text) {
  return url_fault(text, {.schemes = plain_http, .credentials = true, .path = false});
}
std::string amqp_fault(const std::string& text) {
  return amqp_url_fault(text);
}
std::string origin_fault(const std::string& text) {
  return is_origin(text) ? "" : "is not an origin";
}

std::string pattern_fault(const std::string& text) {
  if (has_control(text)) return "holds a control character";
  return text.size() > 255 ? "is longer than 255 bytes" : "";
}
std::string amqp_name_fault(const std::string& text) {
  return text.empty() ? "is empty" : pattern_fault(text);
}

std::string exchange_type_fault(const std::string& text) {
  constexpr std::array<std::string_view, 4> built_in{"topic", "direct", "fanout", "headers"};
  const bool known = std::find(built_in.begin(), built_in.end(), text) != built_in.end();
  return known || (text.starts_with("x-") && amqp_name_fault(text).empty()) ? "" : "is not an exchange type";
}

std::string envelope_fault(const std::string& text) {
  return envelope_path_fault(text);
}
std::string frame_fault(const std::string& text) {
  return path_fault(text);
}
std::string message_template_fault(const std::string& text) {
  return text.empty() ? "is empty" : template_fault(text);
}

std::string regex_fault(const std::string& text) {
  RE2::Options quiet;
  quiet.set_log_errors(false);
  const RE2 compiled(text, quiet);
  return compiled.ok() ? "" : "is not a regular expression of RE2";
}

std::string method_fault(const std::string& text) {
  constexpr std::array<std::string_view, 5> methods{"GET", "POST", "PUT", "PATCH", "DELETE"};
  return std::find(methods.begin(), methods.end(), text) != methods.end() ? "" : "is not a method";
}

std::string scope_fault(const std::string& text) {
  return scope_bit(text) != 0 ? "" : "is not a scope";
}

}  // namespace

const TextRule any{"a text", any_fault};
const TextRule not_empty{"a text that is not empty, without control characters", line_fault};
const TextRule word{"a text without spaces", word_fault};
const TextRule name{"1 to 64 letters, digits, _ and -, the first a letter or digit", name_fault};
const TextRule api_key{"a key without spaces", api_key_fault};
const TextRule absolute_path{"the absolute path of a file", absolute_path_fault};
const TextRule socket_path{"an absolute path of at most 107 bytes", socket_path_fault};
const TextRule http_token{"a header name, cookie name or method of RFC 9110", token_fault};
const TextRule header_value{"a text without control characters", header_value_fault};
const TextRule host{"a host name or address", host_fault};
const TextRule url_path{"a path that begins with a slash, such as /bookmakers or /network/*", url_path_fault};
const TextRule http_url{"http://host[:port][/path] or https://…", http_url_fault};
const TextRule ws_url{"ws://host[:port][/path] or wss://…", ws_url_fault};
const TextRule http_target{"http://host[:port][/path] or https://…", target_fault};
const TextRule ws_target{"ws://host[:port][/path] or wss://…", ws_target_fault};
const TextRule proxy_url{"http://[user:password@]host[:port]", proxy_fault};
const TextRule amqp_url{"amqp://[user:password@]host[:port][/vhost] or amqps://…", amqp_fault};
const TextRule origin{"scheme://host[:port] without a slash at the end", origin_fault};
const TextRule amqp_name{"1 to 255 bytes without control characters", amqp_name_fault};
const TextRule amqp_pattern{"at most 255 bytes without control characters", pattern_fault};
const TextRule exchange_type{"topic, direct, fanout, headers or the x-… type of a plugin",
                             exchange_type_fault};
const TextRule envelope_path{"a dotted path such as channel or payload.orderStatus", envelope_fault};
const TextRule frame_path{"a dotted path such as data.channel", frame_fault};
const TextRule message_template{"a text with fields such as {source} or {payload.userRef|lower}",
                                message_template_fault};
const TextRule regex{"a regular expression (https://github.com/google/re2/wiki/Syntax)", regex_fault};
const TextRule method{"GET, POST, PUT, PATCH or DELETE", method_fault};
const TextRule scope{"one of events, read, scrape, trade, cancel, accounts, admin", scope_fault};

}  // namespace bridge55::config::rules
