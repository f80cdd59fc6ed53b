#include "bridges/scraping/connect_message.hpp"

#include "bridges/scraping/fetched_page.hpp"
#include "daemon/events/json.hpp"
#include "daemon/local/text.hpp"

namespace bridge55::scraping {
namespace {

void add(std::string& out, std::string_view name, std::string_view json_value) {
  out.append(",\"").append(name).append("\":").append(json_value);
}

std::string object_of(const std::vector<std::pair<std::string, std::string>>& members) {
  std::string out = "{";
  for (const auto& [name, value] : members) {
    if (out.size() > 1) out += ',';
    out += json::quoted(name) + ':' + json::quoted(value);
  }
  return out + '}';
}

}  // namespace

std::string connect_message(const RelayAsk& ask, std::string_view api_key) {
  std::string out = R"({"apiKey":)" + json::quoted(api_key);
  add(out, "url", json::quoted(ask.url));
  if (!ask.headers.empty()) add(out, "headers", object_of(ask.headers));
  if (!ask.cookies.empty()) add(out, "cookies", object_of(ask.cookies));
  if (!ask.geo.empty()) add(out, "geo", json::quoted(ask.geo));
  if (!ask.agent.empty()) add(out, "agent", json::quoted(ask.agent));
  if (ask.idle.count() > 0) add(out, "idle_timeout", in_seconds(ask.idle));
  return out + '}';
}

std::variant<AppMessage, std::string> rewrite_connect_message(std::string_view message,
                                                              std::string_view api_key) {
  if (const std::string_view fault = json::validate_copy(message); !fault.empty())
    return "the connect message is not valid JSON: " + std::string(fault);
  AppMessage app;
  app.text = R"({"apiKey":)" + json::quoted(api_key);
  const bool object = json::members(message, [&](std::string_view name, std::string_view value) {
    if (json::same_name(name, "apiKey") || json::same_name(name, "key")) {
      if (json::is_string(value)) app.key = json::text(value);
      return true;
    }
    if (json::same_name(name, "url") && json::is_string(value)) app.url = json::text(value);
    app.text.append(",\"").append(name).append("\":").append(value);
    return true;
  });
  if (!object) return std::string("the connect message must be a JSON object");
  app.text += '}';
  return app;
}

std::optional<std::variant<Connected, RelayError>> read_relay_answer(std::string_view text) {
  if (!json::validate_copy(text).empty()) return {};
  const std::string type = json::text(json::find(text, "type"));
  if (type == "connected") return Connected{json::text(json::find(text, "node_id"))};
  if (type == "error") return RelayError{json::text(json::find(text, "message"))};
  return {};
}

bool speaks_of_limit(std::string_view words) {
  return local::lower(words).find("rate limit") != std::string::npos;
}

}  // namespace bridge55::scraping
