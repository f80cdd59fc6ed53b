// One upstream as the gateway sees it: settings, connections, limit, breakers, shared reads, figures. Held by
// every request that goes there, so that a reload never pulls it away from under one. I/O thread only.
#pragma once

#include "config/config.hpp"
#include "daemon/base/metrics.hpp"
#include "daemon/gateway/api.hpp"
#include "daemon/gateway/breaker.hpp"
#include "daemon/gateway/coalesce.hpp"
#include "daemon/gateway/gate.hpp"
#include "daemon/gateway/retry.hpp"
#include "daemon/gateway/switches.hpp"
#include "daemon/net/http_client.hpp"

#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace bridge55::gateway {

struct Flight;
class Errand;

Rank rank_of(Kind kind);
inline constexpr std::chrono::seconds kPlacementTime{15};  // contract, section 6, "Failures"

struct Upstream : std::enable_shared_from_this<Upstream> {
  struct Setup {
    boost::asio::io_context& io;
    metrics::Registry& metrics;
    std::shared_ptr<SentWindow> sent;
    const Pauses& pauses;
    MakeApi make_api;
    std::string ring = {};  // of the window file
  };
  Upstream(Setup setup, config::Upstream wanted);

  // A reload. Requests under way end on the connections they have.
  void apply(config::Upstream wanted);
  void close();
  void end_streams();
  void tick();  // once a second
  void heard_usage(std::string_view body);

  Breaker& breaker(Kind kind) { return breakers[static_cast<std::size_t>(kind)]; }
  // `class` and `status` of a request that is over; the client's name, where the config tells them apart.
  void count(Kind kind, unsigned status, std::string_view client);
  void queued(std::chrono::microseconds waited) { queue_seconds->record_micros(waited.count()); }
  std::string target(std::string_view below) const { return prefix + std::string(below); }
  // Why a placement may not leave now; looked at last, before its first byte.
  std::optional<local::Refusal> stopped(std::string_view app) const;

  boost::asio::io_context& io;
  metrics::Registry& metrics;
  const Pauses& pauses;
  config::Upstream settings;
  std::unique_ptr<Api> api;
  std::string prefix, host_header;  // of the REST base: path without a final slash, Host field
  std::unique_ptr<net::HttpPool> pool;
  std::vector<std::unique_ptr<net::HttpPool>> retiring;  // of settings before a reload, until idle
  Gate gate;
  std::array<Breaker, 6> breakers;
  Coalesce shared;
  std::map<Coalesce::Flight, std::shared_ptr<Flight>> flights;
  Emergency emergency;
  std::set<Errand*> streams;  // of events, which nothing else would end
  unsigned generation = 0;    // of address and key: what waited for an older one is not sent to a newer
  metrics::Histogram* queue_seconds;

 private:
  void ask_usage();

  bool used_ = false;  // since the vendor was last asked what is left
  SteadyTime usage_asked_{};
  std::unordered_map<std::string, metrics::Value*> counters_;
};
using UpstreamPtr = std::shared_ptr<Upstream>;

}  // namespace bridge55::gateway
