#include "bridges/scraping/fetched_page.hpp"

#include "daemon/events/json.hpp"
#include "daemon/net/http_text.hpp"

#include <charconv>

namespace bridge55::scraping {
namespace {

bool is_object(std::string_view token) {
  return json::members(token, [](std::string_view, std::string_view) { return false; });
}

}  // namespace

std::string in_seconds(config::Duration time) {
  char digits[32];
  const double value = static_cast<double>(time.count()) / 1000;
  return {digits, std::to_chars(digits, digits + sizeof digits, value).ptr};
}

std::string fetch_body(const FetchAsk& ask) {
  std::string out = R"({"method":)" + json::quoted(ask.method) + R"(,"headers":{)";
  bool first = true;
  for (const auto& [name, value] : ask.headers) {
    if (!std::exchange(first, false)) out += ',';
    out += json::quoted(name) + ':' + json::quoted(value);
  }
  out += '}';
  if (!ask.body.empty()) out += R"(,"body":)" + json::quoted(ask.body);
  if (ask.timeout) out += R"(,"timeout":)" + in_seconds(*ask.timeout);
  if (ask.allow_redirects)
    out += std::string(R"(,"allow_redirects":)") + (*ask.allow_redirects ? "true" : "false");
  return out + '}';
}

std::string_view read_fetched_page(std::string_view answer, FetchedPage& into) {
  if (const std::string_view fault = json::validate_copy(answer); !fault.empty()) return fault;
  const std::string_view meta = json::find(answer, "meta");
  if (!is_object(meta)) return "it has no meta object";
  into.blocked = json::find(meta, "blocked") == "true";
  if (const auto node = json::find(meta, "agent.id"); json::is_string(node)) into.node_id = json::text(node);
  into.status = json::find(meta, "status");
  into.final_url = json::find(meta, "final_url");
  into.elapsed_ms = json::find(meta, "elapsed_ms");
  into.headers = json::find(meta, "headers");
  if (!json::is_number(into.status)) return "its meta has no status";
  const std::string_view raw = json::find(answer, "raw"), parsed = json::find(answer, "raw_json");
  if (json::is_string(raw)) {
    into.text = json::text(raw);
  } else if (!parsed.empty() && parsed != "null") {
    into.json = parsed;
  }
  return {};
}

unsigned FetchedPage::status_code() const {
  unsigned code = 0;
  std::from_chars(status.data(), status.data() + status.size(), code);
  return code;
}

std::vector<std::pair<std::string, std::string>> FetchedPage::fields() const {
  std::vector<std::pair<std::string, std::string>> all;
  json::members(headers, [&](std::string_view key, std::string_view value) {
    const std::string name = json::text('"' + std::string(key) + '"');
    const auto add = [&](std::string_view token) {
      if (!json::is_string(token) && !json::is_number(token)) return true;
      std::string plain = json::text(token);
      if (net::is_token(name) && net::is_field_value(plain)) all.emplace_back(name, std::move(plain));
      return true;
    };
    if (!json::elements(value, add)) add(value);
    return true;
  });
  return all;
}

}  // namespace bridge55::scraping
