#include "daemon/gateway/upstream.hpp"

#include "daemon/gateway/flight.hpp"
#include "daemon/net/endpoint.hpp"

#include <algorithm>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

namespace bridge55::gateway {
namespace {

constexpr std::size_t kIdleConnections = 64;
// At once to one upstream, but for what is never to wait: a thousand apps must not be a thousand TLS
// sessions. A page that is fetched for an app may take half a minute: those need more to use their limit.
constexpr std::size_t kConnections = 64, kFetching = 512;
constexpr std::size_t kLargestShared = 4u << 20;
constexpr std::chrono::seconds kUsageEvery{60};

Limiter::Settings limit_of(const config::Upstream& settings) {
  const bool scraping = settings.kind == config::UpstreamKind::scraping;
  return {settings.rate_limit, settings.cancel_reserve, scraping, !scraping};
}

Coalesce::Settings sharing_of(const config::Upstream& settings) {
  Coalesce::Settings sharing;
  sharing.share = settings.share;
  for (const auto& [path, lifetime] : settings.cache)
    sharing.cache.emplace(path, lifetime);
  sharing.max_answer = kLargestShared;
  return sharing;
}

std::unique_ptr<net::HttpPool> make_pool(boost::asio::io_context& io, const config::Upstream& settings) {
  net::HttpPool::Settings pool = net::HttpPool::settings(settings);
  pool.cap = settings.kind == config::UpstreamKind::scraping ? kFetching : kConnections;
  pool.max_idle = kIdleConnections;
  return std::make_unique<net::HttpPool>(io, std::move(pool));
}

bool same_connections(const config::Upstream& a, const config::Upstream& b) {
  return a.url == b.url && a.tls == b.tls && a.proxy == b.proxy && a.timeouts == b.timeouts;
}

std::string path_prefix(const std::string& url) {
  const auto endpoint = net::parse_endpoint(url);
  std::string path = endpoint ? endpoint->target : std::string();
  while (path.ends_with('/'))
    path.pop_back();
  return path;
}

}  // namespace

std::string_view name_of(Kind kind) {
  constexpr std::array<std::string_view, 6> kNames = {"read",      "cancel", "cancel_all",
                                                      "placement", "start",  "write"};
  return kNames[static_cast<std::size_t>(kind)];
}

Rank rank_of(Kind kind) {
  switch (kind) {
    case Kind::cancel:
    case Kind::cancel_all:
      return Rank::urgent;
    case Kind::placement:
      return Rank::placement;
    case Kind::start:
    case Kind::write:
      return Rank::write;
    case Kind::read:
      break;
  }
  return Rank::read;
}

Upstream::Upstream(Setup setup, config::Upstream wanted)
    : io(setup.io),
      metrics(setup.metrics),
      pauses(setup.pauses),
      settings(std::move(wanted)),
      api(setup.make_api(settings.kind)),
      prefix(path_prefix(settings.url)),
      pool(make_pool(io, settings)),
      gate(io, setup.ring, limit_of(settings), setup.sent),
      breakers{Breaker(settings.breaker), Breaker(settings.breaker), Breaker(settings.breaker),
               Breaker(settings.breaker), Breaker(settings.breaker), Breaker(settings.breaker)},
      shared(sharing_of(settings)),
      queue_seconds(&metrics.histogram("bridge55_gateway_queue_seconds",
                                       "How long a request waited for its turn under upstream's limit.",
                                       {{"upstream", settings.name}})) {
  host_header = pool->host_header();
}

void Upstream::apply(config::Upstream wanted) {
  if (wanted == settings) return;
  if (wanted.url != settings.url || wanted.api_key != settings.api_key ||
      wanted.auth_header != settings.auth_header)
    ++generation;
  if (!same_connections(wanted, settings)) {
    pool->retire_idle();
    retiring.push_back(std::move(pool));
    pool = make_pool(io, wanted);
    prefix = path_prefix(wanted.url);
    host_header = pool->host_header();
  }
  settings = std::move(wanted);
  gate.configure(limit_of(settings));
  shared.configure(sharing_of(settings));
  for (Breaker& one : breakers)
    one.configure(settings.breaker);
}

void Upstream::close() {
  pool->close();
  for (auto& old : retiring)
    old->close();
}

void Upstream::end_streams() {
  const auto all = streams;
  for (Errand* errand : all)
    errand->cancel();
}

void Upstream::tick() {
  std::erase_if(retiring, [](const auto& old) { return old->counts().busy == 0; });
  if (used_ && !api->usage_path().empty() && SteadyClock::now() - usage_asked_ > kUsageEvery) ask_usage();
}

// The config may say another limit than the key has.
void Upstream::ask_usage() {
  used_ = false;
  usage_asked_ = SteadyClock::now();
  FlightPlan plan;
  plan.wish.rank = Rank::own;
  plan.wish.target = std::string(api->usage_path());
  plan.wish.app = "bridge55";
  plan.wish.started = usage_asked_;
  plan.wish.deadline = usage_asked_ + settings.timeouts.total;
  plan.wish.max_wait = settings.timeouts.total;
  plan.wish.once = true;
  auto flight = std::make_shared<Flight>();
  boost::asio::co_spawn(io, perform(shared_from_this(), std::move(plan), flight),
                        [self = shared_from_this(), flight](std::exception_ptr) {
                          if (flight->answer && flight->answer->status == 200)
                            self->heard_usage(flight->answer->body);
                        });
}

void Upstream::heard_usage(std::string_view body) {
  usage_asked_ = SteadyClock::now();
  if (const auto usage = api->read_usage(body)) gate.usage(*usage);
}

void Upstream::count(Kind kind, unsigned status, std::string_view client) {
  used_ = true;
  std::string key(client);
  key.append("/").append(std::to_string(status)).append("/").append(name_of(kind));
  metrics::Value*& counter = counters_[key];
  if (!counter) {
    counter = &metrics.counter("bridge55_gateway_requests_total",
                               "Requests of apps through the gateway, by what they were answered.",
                               {{"upstream", settings.name},
                                {"class", std::string(name_of(kind))},
                                {"status", std::to_string(status)},
                                {"client", std::string(client)}});
  }
  counter->add();
}

std::optional<local::Refusal> Upstream::stopped(std::string_view app) const {
  if (const Pause* pause = pauses.stops(app, settings.name)) return paused(*pause);
  if (settings.block_on_emergency && emergency.blocks()) return gateway::emergency(settings.name, emergency);
  return {};
}

}  // namespace bridge55::gateway
