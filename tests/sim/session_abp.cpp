// ABP's side of a session. Vendor docs: ABP WebSocket ("Connection flow", "Connection limits"), ABP
// Authentication; the heartbeat edition is the earlier one.
#include "tests/sim/session.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace bridge55::sim {

using nlohmann::json;

void Session::abp_message(std::string_view type, std::string_view text, TimePoint now) {
  auto& stats = vendor_.stats_of(api_);
  const bool heartbeats = vendor_.options.abp_keepalive == AbpKeepAlive::heartbeat;
  if (type == "ping") {
    ++stats.pings_in;
    if (heartbeats) last_alive_ = now;
    return control(R"({"type": "pong"})");
  }
  if (type == "pong") {
    ++stats.pongs_in;
    awaiting_pong_ = false;
    if (!heartbeats) last_alive_ = now;
    return;
  }
  if (type == "login") {
    if (subscribed_) return error("Already logged in");
    return abp_login(text, now);
  }
  if (!subscribed_) return error("Login required");
  if (type == "ack") {
    if (!reliable_) return error("Reliable delivery is not enabled");
    return abp_ack(text);
  }
  error("Unknown message type: " + std::string(type));
}

void Session::abp_login(std::string_view text, TimePoint now) {
  auto& faults = vendor_.faults_of(api_);
  if (faults.hang_login.strike(now)) return;
  if (faults.refuse_logins.strike(now))
    return refuse(faults.refuse_logins.message, faults.refuse_logins.code);
  const json message = json::parse(text);
  Login login;
  const auto key = message.find("apiKey");
  if (key == message.end() || !key->is_string()) return refuse("Invalid API key", 1008);
  login.key = key->get<std::string>();
  const auto wish = message.find("reliableDelivery");
  login.reliable = wish != message.end() && wish->is_boolean() && wish->get<bool>();
  const KeyEntry* entry = vendor_.find_key(api_, login.key);
  if (entry == nullptr) return refuse("Invalid API key", 1008);
  if (entry->key.state == Key::State::inactive) return refuse("API key is inactive", 1008);
  if (entry->key.state == Key::State::expired) return refuse("API key has expired", 1008);
  if (!read_channels(text, login.filter)) return refuse("channels must be a list of channel names", 1008);
  if (!take_slot(login)) return refuse("Connection limit exceeded", 1008);
  last_alive_ = now;
  const bool heartbeats = vendor_.options.abp_keepalive == AbpKeepAlive::heartbeat;
  next_beat_ = now + (heartbeats ? vendor_.options.times.heartbeat : vendor_.options.times.abp_ping);
  abp_login_ok();
  if (reliable_) redeliver();
  if (vendor_.on_login) vendor_.on_login(api_);
}

void Session::abp_login_ok() {
  const bool betslip = !vendor_.options.abp_earlier_events;
  std::string text = R"({"type": "login_ok", "clientName": )" + json(key_->key.client).dump();
  text += R"(, "channels": )" + channels_json();
  text += R"(, "subscriptionId": )" + std::to_string(subscription_);
  text += R"(, "access": {"clientFiltered": ["orders", "bets", "settlements", "accounts", "balance")";
  text += betslip ? R"(, "betslip"])" : "]";
  text += R"(, "global": ["fixtures", "currencies", "status", "emergency"]}, "reliableDelivery": )";
  text += reliable_ ? "true" : "false";
  text += R"(, "features": {"messageOrdering": true, "acknowledgments": )";
  text += reliable_ ? "true" : "false";
  text += R"(, "batchAck": )";
  text += reliable_ && vendor_.options.batch_ack ? "true" : "false";
  control(text + "}}");
}

/// The docs name acknowledgements but not their shape: `seq` is one message, or with batchAck all up to it;
/// `seqs` lists messages.
void Session::abp_ack(std::string_view text) {
  const json message = json::parse(text);
  const auto before = unacked_.size();
  const auto drop = [this](auto&& acked) { std::erase_if(unacked_, acked); };
  if (const auto seq = message.find("seq"); seq != message.end() && seq->is_number_unsigned()) {
    const auto last = seq->get<std::uint64_t>();
    if (vendor_.options.batch_ack) {
      drop([last](const Held& held) { return held.seq <= last; });
    } else {
      drop([last](const Held& held) { return held.seq == last; });
    }
  } else if (const auto list = message.find("seqs"); list != message.end() && list->is_array()) {
    drop(
        [&list](const Held& held) { return std::find(list->begin(), list->end(), held.seq) != list->end(); });
  } else {
    return error("Invalid ack");
  }
  vendor_.stats_of(api_).acked += before - unacked_.size();
  send_waiting();
}

void Session::tick_abp(TimePoint now) {
  const auto& times = vendor_.options.times;
  const bool heartbeats = vendor_.options.abp_keepalive == AbpKeepAlive::heartbeat;
  const bool silent =
      heartbeats ? now - last_alive_ >= times.abp_pong : awaiting_pong_ && now - pinged_ >= times.abp_pong;
  if (silent) {
    ++vendor_.stats_of(api_).pong_timeouts;
    closing_ = true;
    return link_.close(1008, heartbeats ? "Ping timeout" : "Pong timeout");
  }
  if (now < next_beat_) return;
  if (heartbeats) {
    next_beat_ = now + times.heartbeat;
    return control(R"({"type": "heartbeat", "ts": )" + std::to_string(wall_ms()) + "}");
  }
  next_beat_ = now + times.abp_ping;
  if (!awaiting_pong_) pinged_ = now;
  awaiting_pong_ = true;
  control(R"({"type": "ping"})");
}

}  // namespace bridge55::sim
