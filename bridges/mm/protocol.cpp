#include "bridges/mm/protocol.hpp"

#include "bridges/upstream/vendor_frame.hpp"
#include "daemon/events/json.hpp"

#include <algorithm>

namespace bridge55::mm {
namespace {

using upstream::ChannelKey;

// The docs show orders both with `orderId` and with `id`.
constexpr ChannelKey kKeys[] = {
    {"orders", {{{{"orderId", "id"}}}}, 1},
    {"bets", {{{{"betId", "id"}}}}, 1},
    {"settlements", {{{{"betId", "id"}}}}, 1},
    {"accounts", {{{{"exchange", "bookmaker"}}, {{"username"}, '/'}}}, 2},
    {"balance", {{{{"exchange", "bookmaker"}}, {{"username"}, '/'}}}, 2},
    {"scores", {{{{"fixtureId"}}}}, 1},
    {"fixtures", {{{{"fixtureId"}}}}, 1},
    {"emergency", {}, 0},
};

// Nowhere do the docs say that an empty list means all, as they do for ABP.
const std::vector<std::string> kAllChannels = {"orders", "bets", "accounts", "scores", "emergency"};

class MmProtocol final : public upstream::Protocol {
 public:
  explicit MmProtocol(const config::Upstream& settings) : settings_(settings) {}

  std::string login(bool reliable_delivery) const override {
    const std::string key = json::quoted(settings_.api_key.reveal());
    // `api_key` in this edition, `apiKey` in the later one; `login: {apiKey: null}` takes one away.
    std::vector<upstream::Member> members = {{"type", R"("subscribe")"},
                                             {"api_key", key},
                                             {"apiKey", key},
                                             {"channels", upstream::channel_list(channels_of(settings_))}};
    if (reliable_delivery) members.push_back({"reliableDelivery", "true"});
    return upstream::merged_object(std::move(members), settings_.login);
  }
  bool login_is_answered() const override { return true; }
  std::string_view ping() const override { return R"({"type":"ping"})"; }
  std::string_view pong() const override { return R"({"type":"pong"})"; }
  void read(std::string_view frame, upstream::Incoming& into) const override {
    upstream::read_vendor_frame(frame, kKeys, into);
  }
  bool takes_binary() const override { return false; }

 private:
  const config::Upstream& settings_;
};

}  // namespace

std::vector<std::string> channels_of(const config::Upstream& settings) {
  std::vector<std::string> channels = settings.channels.empty() ? kAllChannels : settings.channels;
  if (std::ranges::find(channels, "emergency") == channels.end()) channels.push_back("emergency");
  return channels;
}

std::unique_ptr<upstream::Protocol> make_protocol(const config::Upstream& settings) {
  return std::make_unique<MmProtocol>(settings);
}

}  // namespace bridge55::mm
