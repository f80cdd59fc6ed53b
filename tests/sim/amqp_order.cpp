#include "tests/sim/amqp_order.hpp"

#include "tests/sim/rest_scraping.hpp"

#include <nlohmann/json.hpp>

namespace bridge55::sim {

using json = nlohmann::ordered_json;

namespace {

constexpr std::size_t kShortString = 255;  // AMQP's own bound on names

HttpResponse wrong(const char* field, const std::string& what, const char* type) {
  return unprocessable(json::array({"body", field}).dump(), what, type);
}

std::optional<HttpResponse> read_text(const json& body, const char* field, std::string& out,
                                      bool nullable = false) {
  const auto found = body.find(field);
  if (found == body.end() || (nullable && found->is_null())) return std::nullopt;
  if (!found->is_string()) return wrong(field, "Input should be a valid string", "string_type");
  out = found->get<std::string>();
  if (out.size() > kShortString)
    return wrong(field, "String should have at most 255 characters", "string_too_long");
  return std::nullopt;
}

std::optional<HttpResponse> read_number(const json& body, const char* field, unsigned least, unsigned& out) {
  const auto found = body.find(field);
  if (found == body.end()) return std::nullopt;
  if (!found->is_number_integer()) return wrong(field, "Input should be a valid integer", "int_type");
  const auto value = found->get<std::int64_t>();
  if (value < least || value > 65535) return wrong(field, "Input is out of range", "value_error");
  out = static_cast<unsigned>(value);
  return std::nullopt;
}

}  // namespace

std::optional<HttpResponse> read_amqp_order(const std::string& body, AmqpOrder& order) {
  const json message = json::parse(body, nullptr, false);
  if (message.is_discarded()) return unprocessable(R"(["body", 0])", "JSON decode error", "json_invalid");
  if (!message.is_object())
    return unprocessable(R"(["body"])", "Input should be a valid dictionary", "dict_type");
  const std::pair<const char*, std::string*> texts[] = {{"host", &order.host},
                                                        {"virtual_host", &order.virtual_host},
                                                        {"username", &order.username},
                                                        {"password", &order.password},
                                                        {"exchange", &order.exchange},
                                                        {"routing_key", &order.routing_key},
                                                        {"queue_prefix", &order.queue_prefix}};
  for (const auto& [field, place] : texts) {
    if (auto refusal = read_text(message, field, *place)) return refusal;
  }
  if (order.host.empty()) return wrong("host", "Field required", "missing");
  if (order.queue_prefix.size() > 200) return wrong("queue_prefix", "Input is too long", "string_too_long");
  if (auto refusal = read_number(message, "port", 1, order.port)) return refusal;
  if (auto refusal = read_number(message, "heartbeat", 0, order.heartbeat)) return refusal;
  if (const auto ssl = message.find("ssl"); ssl != message.end()) {
    if (!ssl->is_boolean()) return wrong("ssl", "Input should be a valid boolean", "bool_type");
    order.ssl = ssl->get<bool>();
  }
  std::string geo, agent;
  if (auto refusal = read_text(message, "geo", geo, true)) return refusal;
  if (auto refusal = read_text(message, "agent", agent, true)) return refusal;
  return read_filter(geo, agent, order.filter);
}

}  // namespace bridge55::sim
