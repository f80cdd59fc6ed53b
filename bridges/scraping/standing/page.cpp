#include "bridges/scraping/standing/page.hpp"

#include "daemon/events/json.hpp"

#include <charconv>

#include <openssl/sha.h>

namespace bridge55::scraping::standing {
namespace {

constexpr std::string_view kNames[] = {"fresh", "unchanged", "blocked", "failed"};

bool same_header(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

std::string cookies_of(const config::Relay& relay) {
  std::string out;
  for (const auto& [name, value] : relay.headers) {
    if (same_header(name, "Cookie")) out = value.reveal();
  }
  for (const auto& [name, value] : relay.cookies)
    out += (out.empty() ? "" : "; ") + name + '=' + value.reveal();
  return out;
}

std::string headers_json(const config::Relay& relay) {
  std::string out = "{";
  const auto add = [&out](std::string_view name, std::string_view value) {
    if (out.size() > 1) out += ',';
    out += json::quoted(name) + ':' + json::quoted(value);
  };
  for (const auto& [name, value] : relay.headers) {
    if (!same_header(name, "Cookie")) add(name, value.reveal());
  }
  if (const std::string cookies = cookies_of(relay); !cookies.empty()) add("Cookie", cookies);
  return out + '}';
}

std::string seconds(config::Duration time) {
  char digits[32];
  const double value = static_cast<double>(time.count()) / 1000;
  return {digits, std::to_chars(digits, digits + sizeof digits, value).ptr};
}

bool is_object(std::string_view token) {
  return json::members(token, [](std::string_view, std::string_view) { return false; });
}

}  // namespace

PageAsk ask_for_page(const config::Relay& relay) {
  PageAsk ask;
  ask.body = R"({"method":)" + json::quoted(relay.method) + R"(,"headers":)" + headers_json(relay);
  if (!relay.body.empty()) ask.body += R"(,"body":)" + json::quoted(relay.body);
  ask.body += R"(,"timeout":)" + seconds(relay.timeout);
  ask.body += relay.allow_redirects ? R"(,"allow_redirects":true})" : R"(,"allow_redirects":false})";
  ask.headers = {{"X-Target-URL", relay.url}, {"Content-Type", "application/json"}};
  if (!relay.geo.empty()) ask.headers.emplace_back("X-Geo", relay.geo);
  if (!relay.agent.empty()) ask.headers.emplace_back("X-Agent", relay.agent);
  ask.repeatable = relay.method == "GET" || relay.method == "HEAD" || relay.method == "OPTIONS";
  return ask;
}

unsigned Page::status_code() const {
  unsigned code = 0;
  std::from_chars(status.data(), status.data() + status.size(), code);
  return code;
}

std::string_view read_page(std::string_view answer, Page& into) {
  if (const std::string_view fault = json::validate_copy(answer); !fault.empty()) return fault;
  const std::string_view meta = json::find(answer, "meta");
  if (!is_object(meta)) return "it has no meta object";
  into.blocked = json::find(meta, "blocked") == "true";
  into.node_id = json::text(json::find(meta, "agent.id"));
  into.status = json::find(meta, "status");
  into.final_url = json::find(meta, "final_url");
  into.elapsed_ms = json::find(meta, "elapsed_ms");
  if (!json::is_number(into.status)) return "its meta has no status";
  const std::string_view parsed = json::find(answer, "raw_json"), raw = json::find(answer, "raw");
  if (json::is_string(raw)) {
    into.text = json::text(raw);
  } else if (!parsed.empty() && parsed != "null") {
    into.json = parsed;
  }
  return {};
}

void append_page_relay(std::string& out, const Page& page) {
  out += R"({"node_id":)";
  json::append_quoted(out, page.node_id);
  const auto token = [&out](std::string_view name, std::string_view value) {
    if (!value.empty()) out.append(",\"").append(name).append("\":").append(value);
  };
  token("status", page.status);
  token("final_url", page.final_url);
  token("elapsed_ms", page.elapsed_ms);
  out += '}';
}

std::string_view name_of(Polled what) {
  return kNames[static_cast<std::size_t>(what)];
}

bool Changes::is_news(std::string_view body) {
  std::array<std::uint8_t, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<const unsigned char*>(body.data()), body.size(), digest.data());
  const bool news = always_ || last_ != digest;
  last_ = digest;
  return news;
}

}  // namespace bridge55::scraping::standing
