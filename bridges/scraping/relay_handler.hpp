// The relays that apps open: `/{upstream}/ws`, the vendor's own protocol with our key put in, and
// `/via/ws(s)://…`, which knows nothing of it (contract, section 5). Both end as tunnels. Also
// `/via/http(s)`. Made before the server, outlives it; I/O thread only.
#pragma once

#include "bridges/scraping/dial.hpp"
#include "bridges/scraping/relay_target.hpp"
#include "daemon/local/exchange.hpp"
#include "daemon/local/handler.hpp"
#include "daemon/local/tunnel.hpp"

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>

namespace bridge55::metrics {
class Registry;
class Value;
}  // namespace bridge55::metrics

namespace bridge55::scraping {

class RelayHandler final : public local::Handler {
 public:
  struct Setup {
    boost::asio::io_context& io;
    metrics::Registry& metrics;
    // A scraping upstream by name; by the empty name the first one. Null where there is none.
    std::function<gateway::UpstreamPtr(std::string_view name)> upstream;
  };
  explicit RelayHandler(Setup setup);
  ~RelayHandler() override;

  std::optional<std::variant<unsigned, local::Refusal>> find(const local::Head& head,
                                                             const local::Target& target) const override;
  net::awaitable<void> serve(local::Exchange& exchange) override;

  // No new ones; those that stand get a 1001 between two frames, and are cut at the deadline.
  void drain(SteadyTime deadline);
  void stop();  // at once

 private:
  struct UnderWay;
  class Opening;
  class Taken;
  struct Open;
  net::awaitable<void> serve_vendor(local::Exchange& exchange, gateway::UpstreamPtr upstream);
  net::awaitable<std::optional<NotDialed>> relay(local::Exchange& exchange, local::Exchange::Taken& taken,
                                                 gateway::UpstreamPtr upstream, AppMessage message,
                                                 const ws::FrameReader& frames);
  net::awaitable<void> serve_via(local::Exchange& exchange);
  net::awaitable<void> serve_via_socket(local::Exchange& exchange, gateway::UpstreamPtr upstream,
                                        std::string url);
  std::optional<local::Refusal> sign_in(local::Exchange& exchange) const;
  gateway::UpstreamPtr vendor_socket(std::string_view path) const;
  void join(local::Tunnel::Setup setup, std::string label);

  Setup setup_;
  // Shared with the coroutines that serve, which may be destroyed after this.
  const std::shared_ptr<UnderWay> under_way_;
  std::set<std::shared_ptr<Open>> open_;
};

}  // namespace bridge55::scraping
