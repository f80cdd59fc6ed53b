#include "bridges/abp/protocol.hpp"

#include "bridges/upstream/vendor_frame.hpp"
#include "daemon/events/json.hpp"

#include <algorithm>

namespace bridge55::abp {
namespace {

using upstream::ChannelKey;

constexpr ChannelKey kKeys[] = {
    {"orders", {{{{"orderId"}}}}, 1},
    {"bets", {{{{"betId"}}}}, 1},
    {"settlements", {{{{"betId"}}}}, 1},
    {"accounts", {{{{"bookmaker"}}, {{"username"}, '/'}}}, 2},
    {"balance", {{{{"bookmaker"}}, {{"username"}, '/'}}}, 2},
    {"fixtures", {{{{"fixtureId"}}}}, 1},
    {"scores", {{{{"fixtureId"}}}}, 1},
    {"betslip",
     {{{{"fixtureId", "futureId"}},
       {{"outcomeId"}, ':'},
       {{"playerId"}, ':'},
       {{"participantId"}, ':', true}}},
     4},
    {"currencies", {}, 0},
    {"status", {}, 0},
    {"emergency", {}, 0},
};

class AbpProtocol final : public upstream::Protocol {
 public:
  explicit AbpProtocol(const config::Upstream& settings) : settings_(settings) {}

  std::string login(bool reliable_delivery) const override {
    std::vector<upstream::Member> members = {{"type", R"("login")"},
                                             {"apiKey", json::quoted(settings_.api_key.reveal())},
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
  std::vector<std::string> channels = settings.channels;
  if (!channels.empty() && std::ranges::find(channels, "emergency") == channels.end())
    channels.push_back("emergency");
  return channels;
}

std::unique_ptr<upstream::Protocol> make_protocol(const config::Upstream& settings) {
  return std::make_unique<AbpProtocol>(settings);
}

}  // namespace bridge55::abp
