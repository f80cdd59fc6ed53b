#include "daemon/gateway/gateway.hpp"

#include "daemon/base/log.hpp"
#include "daemon/events/json.hpp"
#include "daemon/gateway/passage.hpp"
#include "daemon/gateway/trade_records.hpp"
#include "daemon/gateway/vendor_line.hpp"
#include "daemon/local/exchange.hpp"

#include <algorithm>

#include <boost/asio/io_context.hpp>
#include <openssl/sha.h>

namespace bridge55::gateway {
namespace {

using config::Scope;
using local::Refusal;

constexpr std::string_view kTrades = "/trades/";
constexpr std::size_t kLeastRemembered = 1024;

constexpr unsigned bits(Scope scope) {
  return static_cast<unsigned>(scope);
}

std::variant<unsigned, Refusal> only(std::string_view method, std::string_view allowed, unsigned scopes) {
  if (method == allowed || (method == "HEAD" && allowed == "GET")) return scopes;
  const std::string allow = allowed == "GET" ? "GET, HEAD" : std::string(allowed);
  return Refusal{
      405, "BAD_REQUEST", "this method is not served here; allowed: " + allow, {{"Allow", allow}}, {}};
}

bool has_rest(const config::Upstream& upstream) {
  return upstream.kind != config::UpstreamKind::websocket && !upstream.url.empty();
}

}  // namespace

Gateway::Gateway(Setup setup, const config::Config& config, const events::Recovered& recovered)
    : setup_(std::move(setup)),
      desk_(setup_.io, std::make_shared<TradeRecords>(setup_.hub.journal())->records(),
            [&hub = setup_.hub](std::string_view event, std::string_view payload) {
              hub.say("trade", event, payload);
            }) {
  for (const auto& [name, value] : recovered.switches) {
    // A pause that cannot be read is a pause all the same.
    if (name == kPausesSwitch && !pauses_.restore(value))
      pauses_.pause({{}, "a damaged journal", wall_now()});
    if (name.starts_with(kEmergencySwitch))
      restored_emergencies_[name.substr(kEmergencySwitch.size())] = value;
  }
  for (const Pause& one : pauses_.all()) {
    log::warning("placements are still paused",
                 {{"app", one.scope.app}, {"upstream", one.scope.upstream}, {"by", one.by}});
  }
  desk_.restore(recovered.trade_memory, recovered.last_trade);
  apply(config);
}

Gateway::~Gateway() = default;

void Gateway::resume(events::Recovered& recovered) {
  if (!recovered.open_trades.empty())
    log::warning("placements of the last run whose fate is unknown are looked up",
                 {{"count", recovered.open_trades.size()}});
  desk_.resume(std::move(recovered.open_trades));
}

// By address and key, which is what the vendor counts by: a name may change.
std::string ring_of(const config::Upstream& upstream) {
  const std::string counted = upstream.url + "\n" + upstream.api_key.reveal();
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(counted.data()), counted.size(), digest);
  static constexpr char kHex[] = "0123456789abcdef";
  std::string name;
  for (std::size_t i = 0; i < 8; ++i) {
    name += kHex[digest[i] >> 4];
    name += kHex[digest[i] & 15];
  }
  return name;
}

// The ring of an upstream has to be there before its gate asks what was sent. Those that are gone are kept:
// they may come back within their window.
void Gateway::open_sent_window(const std::vector<config::Upstream>& upstreams) {
  for (const config::Upstream& upstream : upstreams) {
    if (!has_rest(upstream)) continue;
    const config::RateLimit& rate = upstream.rate_limit;
    rings_[ring_of(upstream)] = std::max<std::size_t>({rate.requests, rate.burst, kLeastRemembered}) * 2;
  }
  std::vector<SentWindow::Ring> rings;
  for (const auto& [name, capacity] : rings_)
    rings.push_back({name, capacity});
  const auto error = sent_->open(setup_.sent_window_path, rings, wall_now());
  if (error) {
    log::error("what was sent in the last window will not be remembered over a restart",
               {{"file", setup_.sent_window_path}, {"reason", error.message()}});
  }
}

UpstreamPtr Gateway::make(const config::Upstream& settings) {
  auto upstream = std::make_shared<Upstream>(
      Upstream::Setup{setup_.io, setup_.metrics, sent_, pauses_, setup_.make_api, ring_of(settings)},
      settings);
  const auto told = restored_emergencies_.find(settings.name);
  if (told != restored_emergencies_.end()) upstream->emergency.restore(told->second);
  setup_.metrics.computed("bridge55_gateway_limit_used_ratio", "How much of upstream's limit is in use.",
                          {{"upstream", settings.name}}, [weak = std::weak_ptr(upstream)] {
                            const auto one = weak.lock();
                            return one ? one->gate.figures(Rank::read).used_ratio : 0.0;
                          });
  return upstream;
}

void Gateway::apply(const config::Config& config) {
  std::vector<UpstreamPtr> before;
  before.swap(upstreams_);
  std::vector<const config::Upstream*> fresh;
  for (const config::Upstream& wanted : config.upstreams) {
    if (!has_rest(wanted)) continue;
    const auto same = std::find_if(before.begin(), before.end(), [&](const UpstreamPtr& one) {
      return one && one->settings.name == wanted.name && one->settings.kind == wanted.kind;
    });
    if (same == before.end()) {
      fresh.push_back(&wanted);
      continue;
    }
    (*same)->apply(wanted);
    upstreams_.push_back(std::move(*same));
  }
  for (const UpstreamPtr& gone : before) {
    if (!gone) continue;
    const std::string& name = gone->settings.name;
    desk_.detach(name);
    const auto line = lines_.find(name);
    if (line != lines_.end()) {
      line->second->close();
      old_lines_.push_back(std::move(line->second));
      lines_.erase(line);
    }
    restored_emergencies_[name] = gone->emergency.text();  // it may come back
    gone->close();
    setup_.metrics.drop("upstream", name);
  }
  if (!fresh.empty()) open_sent_window(config.upstreams);
  for (const config::Upstream* one : fresh) {
    UpstreamPtr upstream = make(*one);
    upstreams_.push_back(upstream);
    if (const Dialect* dialect = upstream->api->dialect()) {
      auto line = std::make_unique<VendorLine>(upstream);
      desk_.attach(one->name, *line, *dialect);
      lines_[one->name] = std::move(line);
    }
  }
  client_guards_.clear();
  if (config.clients) {
    for (const config::Client& client : *config.clients)
      client_guards_[client.name] = client.guard;
  }
}

void Gateway::tick() {
  for (const UpstreamPtr& upstream : upstreams_)
    upstream->tick();
  std::erase_if(old_lines_, [](const auto& line) { return line->idle(); });
}

void Gateway::drain() {
  for (const UpstreamPtr& upstream : upstreams_)
    upstream->end_streams();
}

void Gateway::stop() {
  desk_.stop();
  for (auto& [name, line] : lines_)
    line->close();
  for (const UpstreamPtr& upstream : upstreams_)
    upstream->close();
}

UpstreamPtr Gateway::upstream_of(std::string_view path) const {
  return upstream(path.substr(1, path.find('/', 1) - 1));
}

UpstreamPtr Gateway::upstream(std::string_view name) const {
  const auto it = std::find_if(upstreams_.begin(), upstreams_.end(),
                               [&](const UpstreamPtr& one) { return one->settings.name == name; });
  return it == upstreams_.end() ? nullptr : *it;
}

std::optional<std::variant<unsigned, Refusal>> Gateway::find(const local::Head& head,
                                                             const local::Target& target) const {
  const std::string& path = target.path;
  if (path.starts_with(kTrades)) {
    return only(head.method, "GET", bits(Scope::trade) | bits(Scope::read) | bits(Scope::admin));
  }
  if (path == "/admin/pause" || path == "/admin/resume") return only(head.method, "POST", bits(Scope::admin));
  const UpstreamPtr upstream = upstream_of(path);
  if (!upstream) return {};
  if (head.get("sec-fetch-mode") == "navigate") {
    return Refusal{403, "FORBIDDEN", "a browser does not open pages of an upstream here", {}, {}};
  }
  const Below below = below_of(head, target);
  return upstream->api->classify(head.method, below.classified).scopes;
}

net::awaitable<void> Gateway::serve(local::Exchange& exchange) {
  const std::string& path = exchange.target.path;
  if (path.starts_with(kTrades)) {
    co_await serve_story(exchange);
    co_return;
  }
  if (path == "/admin/pause" || path == "/admin/resume") {
    co_await serve_switch(exchange, path == "/admin/pause");
    co_return;
  }
  const UpstreamPtr upstream = upstream_of(path);
  if (!upstream) {  // a reload came between
    const Refusal gone{404, "NOT_FOUND", "there is no such upstream", {}, {}};
    co_await exchange.refuse(gone);
    co_return;
  }
  Below below = below_of(exchange.head, exchange.target);
  const Verdict verdict = upstream->api->classify(exchange.head.method, below.classified);
  Passage passage(upstream, exchange, std::move(below), verdict);
  if (verdict.kind == Kind::placement) {
    std::vector<Guard> guards = guards_for(*upstream, exchange);
    co_await passage.trade(desk_, std::move(guards));
  } else {
    co_await passage.run();
  }
}

std::vector<Guard> Gateway::guards_for(const Upstream& upstream, const local::Exchange& exchange) const {
  std::vector<Guard> guards = {{"upstream " + upstream.settings.name, upstream.settings.guard}};
  const auto own = client_guards_.find(exchange.app.name);
  if (exchange.app.identified && own != client_guards_.end())
    guards.push_back({"app " + own->first, own->second});
  return guards;
}

void Gateway::emergency_told(std::string_view source, std::string_view payload) {
  for (const UpstreamPtr& upstream : upstreams_) {
    if (upstream->settings.name != source) continue;
    const bool before = upstream->emergency.blocks();
    if (!upstream->emergency.told(payload, wall_now())) return;
    store_emergency(*upstream);
    if (before == upstream->emergency.blocks()) return;
    log::warning(
        before ? "the vendor's emergency is over" : "the vendor says emergency; placements are stopped",
        {{"upstream", source}});
    setup_.hub.say("control", "EMERGENCY", upstream->emergency.status(), source);
  }
}

void Gateway::session_ended(std::string_view source) {
  for (const UpstreamPtr& upstream : upstreams_) {
    if (upstream->settings.name == source) upstream->emergency.session_ended();
  }
}

void Gateway::store_emergency(const Upstream& upstream) {
  setup_.hub.journal().store_switch(std::string(kEmergencySwitch) + upstream.settings.name,
                                    upstream.emergency.text(), [] {});
}

std::string Gateway::limits_json() const {
  std::string out = "[";
  for (const UpstreamPtr& upstream : upstreams_) {
    const Limiter::Figures figures = upstream->gate.figures(Rank::read);
    const net::HttpPool::Counts counts = upstream->pool->counts();
    if (out.size() > 1) out += ',';
    char ratio[32];
    std::snprintf(ratio, sizeof ratio, "%.4f", figures.used_ratio);
    out += R"({"upstream":)" + json::quoted(upstream->settings.name) + R"(,"limit":)" +
           std::to_string(figures.limit) + R"(,"remaining":)" + std::to_string(figures.remaining) +
           R"(,"used_ratio":)" + ratio + R"(,"waiting":)" + std::to_string(figures.waiting) +
           R"(,"connections":)" + std::to_string(counts.busy + counts.idle) + R"(,"breakers":{)";
    bool first = true;
    for (const Kind kind : {Kind::read, Kind::placement, Kind::start, Kind::write}) {
      const Breaker::State state = upstream->breaker(kind).state(SteadyClock::now());
      out += std::string(first ? "" : ",") + '"' + std::string(name_of(kind)) + "\":\"" +
             (state == Breaker::State::closed ? "closed"
              : state == Breaker::State::open ? "open"
                                              : "half_open") +
             '"';
      first = false;
    }
    out += "}}";
  }
  return out + ']';
}

std::string Gateway::paused_json() const {
  const std::string text = pauses_.text();
  return text.empty() ? "[]" : text;
}

std::string Gateway::emergency_json() const {
  std::string out = "{";
  for (const UpstreamPtr& upstream : upstreams_) {
    if (upstream->emergency.text().empty()) continue;
    out += (out.size() > 1 ? "," : "") + json::quoted(upstream->settings.name) + ':' +
           upstream->emergency.status();
  }
  return out + '}';
}

}  // namespace bridge55::gateway
