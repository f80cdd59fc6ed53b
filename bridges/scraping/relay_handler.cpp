#include "bridges/scraping/relay_handler.hpp"

#include "bridges/scraping/relay_impl.hpp"
#include "bridges/scraping/via_fetch.hpp"
#include "daemon/base/log.hpp"
#include "daemon/base/metrics.hpp"

#include <utility>

#include <boost/asio/io_context.hpp>

namespace bridge55::scraping {

using local::Refusal;

RelayHandler::Opening::Opening(RelayHandler& handler, gateway::UpstreamPtr upstream, Dial::Ask ask)
    : under_way_(handler.under_way_), dial_(std::move(upstream), std::move(ask)) {
  under_way_->dials.insert(&dial_);
  if (under_way_->draining) dial_.cancel();
}

RelayHandler::Opening::~Opening() {
  under_way_->dials.erase(&dial_);
}

net::awaitable<std::variant<Dialed, NotDialed>> RelayHandler::Opening::run() {
  return dial_.run();
}

RelayHandler::Taken::Taken(RelayHandler& handler, net::Stream& stream)
    : under_way_(handler.under_way_), stream_(stream) {
  under_way_->taken.insert(&stream_);
}

RelayHandler::Taken::~Taken() {
  under_way_->taken.erase(&stream_);
}

struct RelayHandler::Open {
  void revoke() const {
    tunnel->close(kPolicy, "this app may no longer relay", SteadyClock::now() + kCloseWithin);
  }
  std::shared_ptr<local::Tunnel> tunnel;
};

RelayHandler::RelayHandler(Setup setup)
    : setup_(std::move(setup)), under_way_(std::make_shared<UnderWay>()) {}
RelayHandler::~RelayHandler() = default;

gateway::UpstreamPtr RelayHandler::vendor_socket(std::string_view path) const {
  constexpr std::string_view kSocket = "/ws";
  if (!path.ends_with(kSocket) || path.size() <= kSocket.size() + 1) return nullptr;
  const std::string_view name = path.substr(1, path.size() - kSocket.size() - 1);
  return name.find('/') == std::string_view::npos ? setup_.upstream(name) : nullptr;
}

std::optional<std::variant<unsigned, Refusal>> RelayHandler::find(const local::Head& head,
                                                                  const local::Target& target) const {
  const bool get = head.method == "GET" || head.method == "HEAD";
  // Apps may sign in with the connect message: who asks is found out while it is served.
  if (get && vendor_socket(target.path)) return 0u;
  if (!head.target.starts_with(kVia)) return {};
  if (!via_target(head.target))
    return sandboxed({404,
                      "NOT_FOUND",
                      "expected /via/ and a whole URL behind it, such as /via/https://example.com/page",
                      {},
                      {}});
  if (head.get("sec-fetch-mode") == "navigate")
    return sandboxed({403, "FORBIDDEN", "a browser does not open pages of a target here", {}, {}});
  return 0u;
}

net::awaitable<void> RelayHandler::serve(local::Exchange& exchange) {
  const gateway::UpstreamPtr vendor = vendor_socket(exchange.target.path);
  if (vendor) {
    co_await serve_vendor(exchange, vendor);
  } else {
    co_await serve_via(exchange);
  }
}

void RelayHandler::join(local::Tunnel::Setup setup, std::string label) {
  auto open = std::make_shared<Open>();
  metrics::Value& count =
      setup_.metrics.gauge("bridge55_relay_connections", "Relays that are open.", {{"relay", label}});
  count.add(1);
  setup.ended = [this, weak = std::weak_ptr(open), label, &count](const local::TunnelEnd& end) {
    count.add(-1);
    log::debug(
        "a relay ended",
        {{"relay", label}, {"why", end.why}, {"app_bytes", end.app_bytes}, {"far_bytes", end.far_bytes}});
    if (const auto self = weak.lock()) open_.erase(self);
  };
  const bool revoked = setup.seat->is_revoked();  // while it was dialed
  setup.seat->on_revoked([weak = std::weak_ptr(open)] {
    if (const auto self = weak.lock()) self->revoke();
  });
  open->tunnel = std::make_shared<local::Tunnel>(setup_.io, std::move(setup));
  open_.insert(open);
  open->tunnel->start();
  if (revoked) open->revoke();
  if (under_way_->draining) open->tunnel->close(kAway, kStopping, SteadyClock::now() + kCloseWithin);
}

void RelayHandler::drain(SteadyTime deadline) {
  under_way_->draining = true;
  for (Dial* dial : std::set(under_way_->dials))
    dial->cancel();
  for (net::Stream* stream : std::set(under_way_->taken))
    stream->cancel();
  const auto all = open_;
  for (const auto& open : all)
    open->tunnel->close(kAway, kStopping, deadline);
}

void RelayHandler::stop() {
  drain(SteadyClock::now());
  const auto all = std::exchange(open_, {});
  for (const auto& open : all)
    open->tunnel->stop();
}

}  // namespace bridge55::scraping
