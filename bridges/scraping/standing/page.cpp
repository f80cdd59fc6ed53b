#include "bridges/scraping/standing/page.hpp"

#include "daemon/events/json.hpp"
#include "daemon/net/http_text.hpp"

#include <openssl/sha.h>

namespace bridge55::scraping::standing {
namespace {

constexpr std::string_view kNames[] = {"fresh", "unchanged", "blocked", "failed"};

std::string cookies_of(const config::Relay& relay) {
  std::string out;
  for (const auto& [name, value] : relay.headers) {
    if (net::same_name(name, "Cookie")) out = value.reveal();
  }
  for (const auto& [name, value] : relay.cookies)
    out += (out.empty() ? "" : "; ") + name + '=' + value.reveal();
  return out;
}

}  // namespace

PageAsk ask_for_page(const config::Relay& relay) {
  PageAsk ask;
  FetchAsk fetch{relay.method, {}, relay.body, relay.timeout, relay.allow_redirects};
  for (const auto& [name, value] : relay.headers) {
    if (!net::same_name(name, "Cookie")) fetch.headers.emplace_back(name, value.reveal());
  }
  if (std::string cookies = cookies_of(relay); !cookies.empty())
    fetch.headers.emplace_back("Cookie", std::move(cookies));
  ask.body = fetch_body(fetch);
  ask.headers = {{"X-Target-URL", relay.url}, {"Content-Type", "application/json"}};
  if (!relay.geo.empty()) ask.headers.emplace_back("X-Geo", relay.geo);
  if (!relay.agent.empty()) ask.headers.emplace_back("X-Agent", relay.agent);
  ask.repeatable = relay.method == "GET" || relay.method == "HEAD" || relay.method == "OPTIONS";
  return ask;
}

void append_page_relay(std::string& out, const FetchedPage& page) {
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
