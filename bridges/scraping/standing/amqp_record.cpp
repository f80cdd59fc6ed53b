#include "bridges/scraping/standing/amqp_record.hpp"

#include "bridges/scraping/connect_message.hpp"
#include "daemon/events/json.hpp"

#include <charconv>

namespace bridge55::scraping::standing {
namespace {

constexpr std::size_t kMaxWords = 300;

}  // namespace

std::string amqp_request(const config::Relay& relay) {
  std::string out = R"({"host":)" + json::quoted(relay.host) + R"(,"port":)" + std::to_string(relay.port);
  const auto text = [&out](std::string_view name, std::string_view value) {
    out.append(",\"").append(name).append("\":").append(json::quoted(value));
  };
  text("virtual_host", relay.virtual_host);
  text("username", relay.username);
  text("password", relay.password.reveal());
  text("exchange", relay.exchange);
  text("routing_key", relay.routing_key);
  text("queue_prefix", relay.queue_prefix);
  out.append(relay.ssl ? R"(,"ssl":true)" : R"(,"ssl":false)");
  out.append(R"(,"heartbeat":)").append(std::to_string(relay.heartbeat));
  if (!relay.geo.empty()) text("geo", relay.geo);
  if (!relay.agent.empty()) text("agent", relay.agent);
  return out + '}';
}

std::string_view read_amqp_message(std::string_view data, AmqpMessage& into) {
  if (const std::string_view fault = json::validate_copy(data); !fault.empty()) return fault;
  into = {};
  const bool object = json::members(data, [&](std::string_view name, std::string_view value) {
    if (json::same_name(name, "body")) {
      into.body = value;
    } else if (json::same_name(name, "routing_key")) {
      into.routing_key = value;
    } else if (json::same_name(name, "exchange")) {
      into.exchange = value;
    } else if (json::same_name(name, "content_type")) {
      into.content_type = value;
    } else if (json::same_name(name, "delivery_tag")) {
      into.delivery_tag = value;
    }
    return true;
  });
  if (!object) return "it is no JSON object";
  return into.body.empty() ? "it has no body" : "";
}

void append_amqp_relay(std::string& out, std::string_view node, const AmqpMessage& message) {
  out += R"({"node_id":)";
  json::append_quoted(out, node);
  const auto token = [&out](std::string_view name, std::string_view value) {
    if (!value.empty()) out.append(",\"").append(name).append("\":").append(value);
  };
  token("routing_key", message.routing_key);
  token("exchange", message.exchange);
  token("content_type", message.content_type);
  token("delivery_tag", message.delivery_tag);
  out += '}';
}

std::string read_amqp_connected(std::string_view data) {
  return json::validate_copy(data).empty() ? json::text(json::find(data, "node_id")) : std::string{};
}

End read_amqp_error(std::string_view data) {
  End end{Cause::agent, "the scraping network ended the stream", 0, {}};
  if (!json::validate_copy(data).empty()) return end;
  const std::string_view message = json::find(data, "message"), code = json::find(data, "code");
  const std::string words =
      json::is_string(message) ? json::text(message).substr(0, kMaxWords) : std::string{};
  if (!words.empty()) end.reason += ": " + words;
  std::uint16_t number = 0;
  if (std::from_chars(code.data(), code.data() + code.size(), number).ec == std::errc{})
    end.close_code = number;
  if (speaks_of_limit(words)) end.cause = Cause::limited;
  if (speaks_of_key(words) || speaks_of_access(words)) end.cause = Cause::refused;
  return end;
}

}  // namespace bridge55::scraping::standing
