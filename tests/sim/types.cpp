#include "tests/sim/types.hpp"

namespace bridge55::sim {
namespace {

constexpr std::array<Channel, 10> kAbp{{{"orders", false},
                                        {"bets", false},
                                        {"settlements", false},
                                        {"accounts", false},
                                        {"balance", false},
                                        {"betslip", false},
                                        {"fixtures", true},
                                        {"currencies", true},
                                        {"status", true},
                                        {"emergency", true}}};
constexpr std::array<Channel, 5> kMm{
    {{"orders", false}, {"bets", false}, {"accounts", false}, {"scores", true}, {"emergency", true}}};

template <class Duration>
std::int64_t wall() {
  return std::chrono::duration_cast<Duration>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

std::string_view name_of(Api api) {
  return api == Api::abp ? "abp" : api == Api::mm ? "mm" : "scraping";
}

std::span<const Channel> channels_of(Api api) {
  if (api == Api::abp) return kAbp;
  if (api == Api::mm) return kMm;
  return {};
}

unsigned channel_number(Api api, std::string_view name) {
  const auto channels = channels_of(api);
  for (unsigned i = 0; i < channels.size(); ++i) {
    if (channels[i].name == name) return i;
  }
  return kUnknownChannel;
}

std::int64_t wall_ms() {
  return wall<std::chrono::milliseconds>();
}
std::int64_t wall_ns() {
  return wall<std::chrono::nanoseconds>();
}

std::int64_t clock_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now().time_since_epoch()).count();
}

}  // namespace bridge55::sim
