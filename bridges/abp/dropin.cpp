#include "bridges/abp/dropin.hpp"

#include "bridges/abp/protocol.hpp"
#include "bridges/upstream/vendor_frame.hpp"
#include "daemon/events/json.hpp"

namespace bridge55::abp {
namespace {

using namespace std::chrono_literals;

// Where upstream did not say: vendor docs, ABP WebSocket, "Login confirmation".
constexpr std::string_view kAccess =
    R"({"clientFiltered":["orders","bets","settlements","accounts","balance","betslip"],)"
    R"("global":["fixtures","currencies","status","emergency"]})";

constexpr std::string_view kChannels[] = {"orders",  "bets",     "settlements", "accounts", "balance",
                                          "betslip", "fixtures", "currencies",  "status",   "emergency"};

// Vendor docs, ABP WebSocket, "Connection limits".
constexpr dropin::Dialect::Words kWords{
    .path = "/ws",
    .channels = kChannels,
    .sign_on = "login",
    .data = "data",
    .timed_out = "Login timeout",
    .required = "Login required",
    .twice = "Already logged in",
    .beat = R"({"type":"ping"})",
    .beat_every = 30s,
    .pong_within = 120s,
    .unsubscribes = false,
    .always_counts = true,
};

class AbpDropIn final : public dropin::Dialect {
 public:
  const Words& words() const override { return kWords; }

  void read_key(std::string_view message, dropin::SignOn& into) const override {
    const std::string_view key = json::find(message, "apiKey");
    into.has_key = !key.empty() && key != "null";
    if (json::is_string(key)) into.key = json::text(key);
  }

  // Vendor docs, ABP Authentication, "Error responses".
  std::string refusal(const dropin::SignOn&, dropin::Stranger why) const override {
    return why == dropin::Stranger::forbidden ? "API key is inactive" : "Invalid API key";
  }

  std::string confirmation(const dropin::Confirmation& of) const override {
    const auto said = [](bool value) { return value ? "true" : "false"; };
    std::string text = R"({"type":"login_ok","clientName":)";
    text += of.granted.client_name.empty() ? R"("")" : of.granted.client_name;
    text += R"(,"channels":)" + upstream::channel_list(of.channels);
    text += R"(,"subscriptionId":)" + std::to_string(of.subscription);
    text += R"(,"access":)";
    text += of.granted.access.empty() ? std::string(kAccess) : of.granted.access;
    text += std::string(R"(,"reliableDelivery":)") + said(of.asked.reliable);
    text += R"(,"features":{"messageOrdering":true,"acknowledgments":)";
    text += said(of.asked.acknowledges());
    text += R"(,"batchAck":)";
    text += said(of.asked.acknowledges());
    return text + "}}";
  }

  std::string unsubscribed(const dropin::SignOn&, std::uint64_t) const override { return {}; }

  std::optional<std::vector<std::string>> asks_for(const config::Upstream& settings) const override {
    if (settings.channels.empty()) return {};
    return channels_of(settings);
  }
};

}  // namespace

std::unique_ptr<dropin::Dialect> make_dropin() {
  return std::make_unique<AbpDropIn>();
}

}  // namespace bridge55::abp
