#include "bridges/scraping/fetched_page.hpp"

#include "daemon/events/json.hpp"
#include "daemon/net/http_text.hpp"

#include <charconv>

namespace bridge55::scraping {
namespace {

void add_header(FetchedPage& page, const std::string& name, std::string_view token) {
  if (!json::is_string(token) && !json::is_number(token)) return;
  std::string value = json::text(token);
  if (net::is_token(name) && net::is_field_value(value)) page.headers.emplace_back(name, std::move(value));
}

}  // namespace

std::string fetch_body(const FetchAsk& ask) {
  std::string out = R"({"method":)" + json::quoted(ask.method) + R"(,"headers":{)";
  bool first = true;
  for (const auto& [name, value] : ask.headers) {
    if (!std::exchange(first, false)) out += ',';
    out += json::quoted(name) + ':' + json::quoted(value);
  }
  out += '}';
  if (!ask.body.empty()) out += R"(,"body":)" + json::quoted(ask.body);
  return out + '}';
}

std::variant<FetchedPage, std::string> read_fetched_page(std::string_view answer) {
  if (const std::string_view fault = json::validate_copy(answer); !fault.empty())
    return "the answer of /fetch is not JSON: " + std::string(fault);
  FetchedPage page;
  const std::string_view meta = json::find(answer, "meta");
  const std::string_view status = json::find(meta, "status");
  std::from_chars(status.data(), status.data() + status.size(), page.status);
  if (page.status < 200 || page.status > 999)
    return std::string("the answer of /fetch has no meta.status of a final answer");
  page.agent = json::text(json::find(meta, "agent.id"));
  page.final_url = json::text(json::find(meta, "final_url"));
  page.blocked = json::find(meta, "blocked") == "true";
  json::members(json::find(meta, "headers"), [&](std::string_view key, std::string_view value) {
    const std::string name = json::text("\"" + std::string(key) + "\"");
    const bool list = json::elements(value, [&](std::string_view one) {
      add_header(page, name, one);
      return true;
    });
    if (!list) add_header(page, name, value);
    return true;
  });
  const std::string_view raw = json::find(answer, "raw"), raw_json = json::find(answer, "raw_json");
  if (json::is_string(raw)) {
    page.body = json::text(raw);
  } else if (!raw_json.empty() && raw_json != "null") {
    page.body = raw_json;
  }
  return page;
}

}  // namespace bridge55::scraping
