#include "daemon/dropin/message.hpp"

#include "daemon/events/json.hpp"
#include "daemon/local/query.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace bridge55::dropin {
namespace {

using Type = Message::Type;

constexpr std::size_t kMostChannels = 64, kLongestChannel = 128;

Message trouble(Type type, std::string text) {
  Message message;
  message.type = type;
  message.trouble = std::move(text);
  return message;
}

std::optional<std::uint64_t> counter(std::string_view token) {
  if (json::is_string(token)) token = token.substr(1, token.size() - 2);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), value);
  if (error != std::errc{} || end != token.data() + token.size()) return {};
  return value;
}

// False where it is no list of names.
bool read_channels(std::string_view token, SignOn& into) {
  if (token.empty() || token == "null") return true;
  bool fine = true;
  const bool list = json::elements(token, [&](std::string_view element) {
    fine = json::is_string(element) && into.channels.size() < kMostChannels;
    if (!fine) return false;
    std::string name = json::text(element);
    fine = !name.empty() && name.size() <= kLongestChannel;
    if (std::ranges::find(into.channels, name) == into.channels.end())
      into.channels.push_back(std::move(name));
    return fine;
  });
  into.all_channels = into.channels.empty();
  return list && fine;
}

Message read_sign_on(std::string_view text, const Dialect& dialect) {
  Message message;
  message.type = Type::sign_on;
  SignOn& asked = message.sign_on;
  dialect.read_key(text, asked);
  asked.reliable = json::find(text, "reliableDelivery") == "true";
  if (!read_channels(json::find(text, "channels"), asked))
    message.trouble = "channels must be a list of channel names";
  const std::string_view consumer = json::find(text, "consumer");
  if (!consumer.empty() && consumer != "null") {
    asked.consumer = json::is_string(consumer) ? json::text(consumer) : "";
    if (!local::valid_consumer_name(asked.consumer))
      message.trouble = "consumer must be a name of letters, digits and ._:@~-, at most 128";
  }
  return message;
}

Message read_ack(std::string_view text) {
  Message message;
  message.type = Type::ack;
  const std::string_view seq = json::find(text, "seq"), list = json::find(text, "seqs");
  bool fine = true;
  const auto add = [&](std::string_view token) {
    const auto value = counter(token);
    fine = fine && value;
    if (value) message.seqs.push_back(*value);
    return fine;
  };
  if (!seq.empty()) {
    add(seq);
  } else {
    message.cumulative = false;
    fine = json::elements(list, add) && fine;
  }
  return fine ? message : trouble(Type::broken, "Invalid ack");
}

}  // namespace

Message read_message(std::string_view text, const Dialect& dialect) {
  if (!json::validate_copy(text).empty()) return trouble(Type::broken, "Invalid JSON");
  const bool object = json::members(text, [](std::string_view, std::string_view) { return false; });
  const std::string_view token = object ? json::find(text, "type") : std::string_view{};
  if (!json::is_string(token)) return trouble(Type::broken, "Missing message type");
  const std::string type = json::text(token);
  if (type == dialect.words().sign_on) return read_sign_on(text, dialect);
  if (type == "ack") return read_ack(text);
  Message message;
  if (type == "ping") {
    message.type = Type::ping;
  } else if (type == "pong") {
    message.type = Type::pong;
  } else if (type == "unsubscribe" && dialect.words().unsubscribes) {
    message.type = Type::unsubscribe;
  } else {
    return trouble(Type::unknown, "Unknown message type: " + type.substr(0, 100));
  }
  return message;
}

std::string error_text(std::string_view message) {
  return R"({"type":"error","message":)" + json::quoted(message) + "}";
}

Granted read_granted(std::string_view login_answer) {
  Granted granted;
  granted.client_name = json::find(login_answer, "clientName");
  granted.access = json::find(login_answer, "access");
  granted.tells_channels = json::elements(json::find(login_answer, "channels"), [&](std::string_view name) {
    if (json::is_string(name)) granted.channels.push_back(json::text(name));
    return true;
  });
  return granted;
}

std::string data_head(std::string_view type, std::string_view channel, std::string_view event) {
  std::string head = R"({"type":")" + std::string(type) + R"(","channel":)";
  json::append_quoted(head, channel);
  head += R"(,"event":)";
  json::append_quoted(head, event);
  return head += R"(,"payload":)";
}

}  // namespace bridge55::dropin
