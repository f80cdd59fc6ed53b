#include "daemon/local/answer.hpp"

#include "daemon/events/json.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>

namespace bridge55::local {
namespace {

struct Phrase {
  unsigned status;
  std::string_view reason;
  std::string_view proxy_error;  // RFC 9209, 2.3
};
constexpr std::array<Phrase, 31> kPhrases = {{{101, "Switching Protocols", ""},
                                              {200, "OK", ""},
                                              {201, "Created", ""},
                                              {202, "Accepted", ""},
                                              {204, "No Content", ""},
                                              {206, "Partial Content", ""},
                                              {301, "Moved Permanently", ""},
                                              {302, "Found", ""},
                                              {303, "See Other", ""},
                                              {304, "Not Modified", ""},
                                              {307, "Temporary Redirect", ""},
                                              {308, "Permanent Redirect", ""},
                                              {400, "Bad Request", "http_request_error"},
                                              {401, "Unauthorized", "http_request_denied"},
                                              {403, "Forbidden", "http_request_denied"},
                                              {404, "Not Found", "http_request_error"},
                                              {405, "Method Not Allowed", "http_request_error"},
                                              {408, "Request Timeout", "http_request_error"},
                                              {409, "Conflict", "http_request_error"},
                                              {410, "Gone", "http_request_error"},
                                              {413, "Content Too Large", "http_request_error"},
                                              {415, "Unsupported Media Type", "http_request_error"},
                                              {417, "Expectation Failed", "http_request_error"},
                                              {421, "Misdirected Request", "http_request_denied"},
                                              {422, "Unprocessable Content", "http_request_error"},
                                              {426, "Upgrade Required", "http_request_error"},
                                              {429, "Too Many Requests", "http_request_denied"},
                                              {500, "Internal Server Error", "proxy_internal_error"},
                                              {502, "Bad Gateway", "http_protocol_error"},
                                              {503, "Service Unavailable", "connection_limit_reached"},
                                              {504, "Gateway Timeout", "http_response_timeout"}}};

const Phrase& phrase_of(unsigned status) {
  static constexpr Phrase kUnknown{0, "Status", "proxy_internal_error"};
  const auto it =
      std::find_if(kPhrases.begin(), kPhrases.end(), [&](const Phrase& p) { return p.status == status; });
  return it == kPhrases.end() ? kUnknown : *it;
}

// Where a code says more than its status.
constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kProxyErrors = {
    {{"RATE_LIMITED", "connection_limit_reached"},
     {"QUEUE_TIMEOUT", "connection_limit_reached"},
     {"UNREACHABLE", "destination_unavailable"},
     {"BREAKER_OPEN", "destination_unavailable"},
     {"EMERGENCY", "http_request_denied"},
     {"PAUSED", "http_request_denied"},
     {"JOURNAL_UNAVAILABLE", "proxy_internal_error"},
     {"DRAINING", "proxy_internal_error"}}};

std::string_view proxy_error(const Refusal& refusal) {
  if (refusal.code.starts_with("GUARD_")) return "http_request_denied";
  const auto it = std::find_if(kProxyErrors.begin(), kProxyErrors.end(),
                               [&](const auto& entry) { return entry.first == refusal.code; });
  return it == kProxyErrors.end() ? phrase_of(refusal.status).proxy_error : it->second;
}

void add(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

std::string common_head(const Answer& answer, const Wrapping& wrapping) {
  std::string out = "HTTP/1.1 " + std::to_string(answer.status) + ' ' +
                    std::string(phrase_of(answer.status).reason) + "\r\n";
  for (const auto& [name, value] : answer.headers)
    add(out, name, value);
  if (answer.status != 101 && !answer.content_type.empty()) add(out, "Content-Type", answer.content_type);
  if (answer.status != 101) {
    add(out, "X-Content-Type-Options", "nosniff");
    add(out, "Cache-Control", "no-store");
  }
  append_wrapping(out, wrapping);
  return out;
}

}  // namespace

void append_wrapping(std::string& out, const Wrapping& wrapping) {
  if (!wrapping.request_id.empty()) add(out, "X-Request-Id", wrapping.request_id);
  if (wrapping.cors_origin.empty()) return;
  add(out, "Access-Control-Allow-Origin", wrapping.cors_origin);
  add(out, "Access-Control-Expose-Headers",
      "X-Request-Id, Proxy-Status, Retry-After, Server-Timing, Cache-Status, X-Bridge-Sent, "
      "X-Bridge-Settled, X-Bridge-Attempts");
  add(out, "Vary", "Origin");
}

std::string_view reason_of(unsigned status) {
  return phrase_of(status).reason;
}

Answer answer_of(const Refusal& refusal) {
  Answer answer;
  answer.status = refusal.status;
  answer.headers = refusal.headers;
  answer.headers.emplace_back("Proxy-Status", "bridge55; error=" + std::string(proxy_error(refusal)));
  answer.headers.emplace_back("X-Bridge-Sent", refusal.sent);
  const auto has = [&](std::string_view name) {
    return std::any_of(refusal.headers.begin(), refusal.headers.end(),
                       [&](const auto& header) { return header.first == name; });
  };
  if (!has("X-Bridge-Attempts")) answer.headers.emplace_back("X-Bridge-Attempts", "0");
  if (!has("Server-Timing")) answer.headers.emplace_back("Server-Timing", "queue;dur=0, upstream;dur=0");
  answer.body = R"({"detail":{"message":)";
  json::append_quoted(answer.body, refusal.message);
  answer.body += R"(,"code":)";
  json::append_quoted(answer.body, refusal.code);
  for (const auto& [name, value] : refusal.detail) {
    answer.body += ',';
    json::append_quoted(answer.body, name);
    answer.body += ':';
    json::append_quoted(answer.body, value);
  }
  for (const auto& [name, value] : refusal.detail_json) {
    answer.body += ',';
    json::append_quoted(answer.body, name);
    answer.body += ':' + value;
  }
  answer.body += "}}\n";
  return answer;
}

std::string render(const Answer& answer, const Wrapping& wrapping) {
  std::string out = common_head(answer, wrapping);
  const bool bodiless = answer.status == 204;
  if (!bodiless) add(out, "Content-Length", std::to_string(answer.body.size()));
  add(out, "Connection", wrapping.keep_alive ? "keep-alive" : "close");
  out += "\r\n";
  if (!bodiless && !wrapping.head_only) out += answer.body;
  return out;
}

std::string render_stream_head(const Answer& answer, const Wrapping& wrapping) {
  std::string out = common_head(answer, wrapping);
  if (answer.status != 101) add(out, "Connection", "close");
  return out += "\r\n";
}

std::string request_id(std::string_view from_app) {
  const bool harmless =
      !from_app.empty() && from_app.size() <= 256 &&
      std::all_of(from_app.begin(), from_app.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
  if (harmless) return std::string(from_app);
  static std::mt19937_64 random{std::random_device{}()};
  static constexpr char kHex[] = "0123456789abcdef";
  std::string id(16, '0');
  std::uint64_t bits = random();
  for (char& c : id) {
    c = kHex[bits & 15];
    bits >>= 4;
  }
  return id;
}

Answer preflight_answer() {
  Answer answer{204, {}, {}, {}};
  answer.headers = {{"Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE"},
                    {"Access-Control-Allow-Headers",
                     "Authorization, X-API-Key, Content-Type, Cache-Control, Last-Event-ID, X-Request-Id, "
                     "X-Bridge-Timeout, X-Bridge-Max-Wait"},
                    {"Access-Control-Max-Age", "600"}};
  return answer;
}

}  // namespace bridge55::local
