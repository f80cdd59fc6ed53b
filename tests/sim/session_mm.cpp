// MM's side of a session. Vendor docs: MM WebSocket and Real-time Subscription; the later edition writes
// `apiKey` and `subscriptionId`, and its error texts do too.
#include "tests/sim/session.hpp"

#include <regex>

#include <nlohmann/json.hpp>

namespace bridge55::sim {

using nlohmann::json;

namespace {

bool is_uuid(const std::string& text) {
  static const std::regex form("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}");
  return std::regex_match(text, form);
}

}  // namespace

void Session::mm_message(std::string_view type, std::string_view text, TimePoint now) {
  if (type == "ping") {
    ++vendor_.stats_of(api_).pings_in;
    return control(R"({"type": "pong"})");
  }
  if (type == "pong") {
    ++vendor_.stats_of(api_).pongs_in;
    return;
  }
  if (type == "subscribe") {
    if (subscribed_) return error("Already subscribed");
    return mm_subscribe(text, now);
  }
  if (type == "unsubscribe") {
    if (!subscribed_) return error("Not subscribed");
    return mm_unsubscribe();
  }
  error("Unknown message type: " + std::string(type));
}

void Session::mm_subscribe(std::string_view text, TimePoint now) {
  auto& faults = vendor_.faults_of(api_);
  if (faults.hang_login.strike(now)) return;
  if (faults.refuse_logins.strike(now))
    return refuse(faults.refuse_logins.message, faults.refuse_logins.code);
  const json message = json::parse(text);
  const auto edition = vendor_.options.mm_edition;
  Login login;
  login.camel = edition == MmEdition::camel || (edition == MmEdition::both && message.contains("apiKey"));
  const std::string field = login.camel ? "apiKey" : "api_key";
  const auto key = message.find(field);
  if (key == message.end() || key->is_null()) return refuse(field + " required", 1008);
  login.key = key->is_string() ? key->get<std::string>() : "";
  if (!is_uuid(login.key)) return refuse("Invalid " + field + " format", 1008);
  const KeyEntry* entry = vendor_.find_key(api_, login.key);
  if (entry == nullptr || entry->key.state != Key::State::active) return refuse("Invalid API key", 1008);
  if (!read_channels(text, login.filter)) return refuse("channels must be a list of channel names", 1008);
  if (!take_slot(login)) return refuse("Connection limit exceeded", 1008);
  next_beat_ = now + vendor_.options.times.heartbeat;
  control(R"({"type": "subscribed", ")" + std::string(camel_ ? "subscriptionId" : "subscription_id") +
          "\": " + std::to_string(subscription_) + R"(, "channels": )" + channels_json() + "}");
  if (vendor_.on_login) vendor_.on_login(api_);
}

/// The docs show no answer and do not say that the socket closes: the subscription ends, its slot is free,
/// the client may subscribe again.
void Session::mm_unsubscribe() {
  const auto id = subscription_;
  release();
  control(R"({"type": "unsubscribed", ")" + std::string(camel_ ? "subscriptionId" : "subscription_id") +
          "\": " + std::to_string(id) + "}");
}

}  // namespace bridge55::sim
