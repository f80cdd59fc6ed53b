#include "bridges/mm/dropin.hpp"

#include "bridges/mm/protocol.hpp"
#include "bridges/upstream/vendor_frame.hpp"
#include "daemon/events/json.hpp"

#include <algorithm>

namespace bridge55::mm {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kChannels[] = {"orders", "bets", "accounts", "scores", "emergency"};

// Vendor docs, MM WebSocket, "Connection limits" and "Keep alive".
constexpr dropin::Dialect::Words kWords{
    .path = "/ws/subscribe",
    .channels = kChannels,
    .sign_on = "subscribe",
    .data = "broadcast",
    .timed_out = "Subscribe timeout",
    .required = "Not subscribed",
    .twice = "Already subscribed",
    .beat = R"({"type":"heartbeat"})",
    .beat_every = 60s,
    .pong_within = 0s,
    .unsubscribes = true,
    .always_counts = false,
};

bool is_uuid(std::string_view text) {
  constexpr std::string_view kForm = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  return std::ranges::equal(text, kForm, [](char c, char form) {
    if (form == '-') return c == '-';
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  });
}

// Both editions' spellings; an app that shows neither gets this one's.
std::string numbered(std::string_view type, const dropin::SignOn& asked, std::uint64_t subscription) {
  std::string text = R"({"type":")" + std::string(type) + '"';
  const std::string number = std::to_string(subscription);
  if (asked.snake || !asked.camel) text += R"(,"subscription_id":)" + number;
  if (asked.camel) text += R"(,"subscriptionId":)" + number;
  return text;
}

class MmDropIn final : public dropin::Dialect {
 public:
  const Words& words() const override { return kWords; }

  void read_key(std::string_view message, dropin::SignOn& into) const override {
    const std::string_view snake = json::find(message, "api_key"), camel = json::find(message, "apiKey");
    into.snake = !snake.empty();
    into.camel = !camel.empty();
    const std::string_view key = !snake.empty() && snake != "null" ? snake : camel;
    into.has_key = !key.empty() && key != "null";
    if (json::is_string(key)) into.key = json::text(key);
  }

  // Vendor docs, MM WebSocket, "Error messages"; the later edition's say `apiKey`.
  std::string refusal(const dropin::SignOn& asked, dropin::Stranger why) const override {
    const std::string field = asked.camel && !asked.snake ? "apiKey" : "api_key";
    if (why == dropin::Stranger::forbidden) return "Invalid API key";
    if (!asked.has_key) return field + " required";
    return is_uuid(asked.key) ? "Invalid API key" : "Invalid " + field + " format";
  }

  std::string confirmation(const dropin::Confirmation& of) const override {
    return numbered("subscribed", of.asked, of.subscription) + R"(,"channels":)" +
           upstream::channel_list(of.channels) + "}";
  }

  // The docs show no answer; upstream's own has this shape.
  std::string unsubscribed(const dropin::SignOn& asked, std::uint64_t subscription) const override {
    return numbered("unsubscribed", asked, subscription) + "}";
  }

  std::optional<std::vector<std::string>> asks_for(const config::Upstream& settings) const override {
    return channels_of(settings);
  }
};

}  // namespace

std::unique_ptr<dropin::Dialect> make_dropin() {
  return std::make_unique<MmDropIn>();
}

}  // namespace bridge55::mm
