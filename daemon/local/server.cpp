#include "daemon/local/server.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "daemon/base/log.hpp"
#include "daemon/base/metrics.hpp"
#include "daemon/local/bind.hpp"
#include "daemon/local/context.hpp"
#include "daemon/local/feed.hpp"
#include "daemon/local/listener.hpp"

namespace bridge55::local {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using namespace std::chrono_literals;

constexpr auto kMaintenance = 30s;
constexpr auto kDrainLook = 10ms;
constexpr std::size_t kToldOfLimit = 64;  // connections over the limit that are told so; further ones are closed

std::shared_ptr<net::TlsContext> tls_of(const config::Listen& settings) {
  if (settings.cert_file.empty()) return nullptr;
  try {
    return net::TlsContext::server(settings.cert_file, settings.key_file);
  } catch (const std::exception& error) {
    throw ListenError(78, "cannot listen on " + settings.host + ':' + std::to_string(settings.port) + ": " + error.what());
  }
}

bool same_address(const config::Listen& a, const config::Listen& b) {
  return a.unix_path == b.unix_path && a.host == b.host && a.port == b.port;
}

// One door of the config.
struct Api {
  config::Listen settings;
  std::unique_ptr<Listener> listener;
  std::shared_ptr<Door> door;
  std::shared_ptr<net::TlsContext> tls;
};

struct SinkFeed {
  config::Sink settings;
  std::unique_ptr<Listener> listener;
  std::shared_ptr<FeedRoutes> routes;
};

void tell_and_close(int descriptor, std::string_view why) {
  const std::string line = error_line(why) + "\n";
  (void)!::send(descriptor, line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  ::close(descriptor);
}

}  // namespace

Context::Context(asio::io_context& loop, events::Hub& events, metrics::Registry& metrics, Consumers::Effects effects)
    : io(loop), hub(events), clients(std::nullopt, NameService::system()), consumers(std::move(effects)), feeds(loop, metrics) {}

std::uint64_t lag_events(events::EventId position, events::Hub& hub) {
  const events::Tail& tail = hub.tail();
  std::uint64_t at = 0;
  if (tail.find_after(position, at)) return tail.end() - at;
  const events::JournalStats stats = hub.journal().stats();
  const std::uint64_t held = tail.end() - tail.begin();
  const std::uint64_t before_tail = stats.events > held ? stats.events - held : 0;
  if (stats.oldest_id == 0 || position <= stats.oldest_id) return held + before_tail;
  const events::EventId tail_begin = tail.evicted_through();
  if (position >= tail_begin || tail_begin <= stats.oldest_id) return held;
  // Ids are times: between the oldest and the tail they are taken to be spread evenly.
  const double share = static_cast<double>(tail_begin - position) / static_cast<double>(tail_begin - stats.oldest_id);
  return held + static_cast<std::uint64_t>(share * static_cast<double>(before_tail));
}

struct Server::Impl {
  Impl(asio::io_context& loop, Settings wanted, events::Hub& hub, metrics::Registry& metrics, Providers providers)
      : io(loop), settings(std::move(wanted)), maintenance(loop), drain_timer(loop) {
    Consumers::Effects effects;
    effects.store = [&hub](const events::ConsumerRecord& record) { hub.journal().store_consumer(record); };
    effects.drop = [&hub](const std::string& name) { hub.journal().drop_consumer(name); };
    effects.moved = [moved = providers.cursors_moved] {
      if (moved) moved();
    };
    context = std::make_shared<Context>(loop, hub, metrics, std::move(effects));
    context->providers = std::move(providers);
    take_over(settings);
  }

  void take_over(const Settings& from) {
    context->http = from.http;
    context->clients = Clients(from.clients, NameService::system());
    for (const std::string& name : context->clients.unresolved()) {
      log::warning("a client of the config does not exist on this machine and matches nobody", {{"client", name}});
    }
  }

  // A socket that systemd holds for this address, or a new one.
  template <class Make>
  BoundSocket socket_for(const config::Listen& address, Make make) {
    for (auto it = inherited.begin(); it != inherited.end(); ++it) {
      if (!it->serves(address)) continue;
      BoundSocket found = std::move(*it);
      inherited.erase(it);
      return found;
    }
    return make();
  }

  Listener::Handlers handlers(std::function<void(int)> accepted) {
    return {std::move(accepted), [this] { return context->connections.close_an_idle_one(); }};
  }

  std::unique_ptr<Api> open(const config::Listen& wanted) {
    auto api = std::make_unique<Api>();
    api->settings = wanted;
    api->tls = tls_of(wanted);
    BoundSocket socket = socket_for(wanted, [&] {
      return wanted.is_unix() ? BoundSocket::unix_path(wanted.unix_path, wanted.mode, wanted.group) : BoundSocket::tcp(wanted);
    });
    api->door = std::make_shared<Door>(Door{wanted.is_unix(), api->tls != nullptr, socket.host(), socket.port()});
    api->listener = std::make_unique<Listener>(io, std::move(socket), handlers([this, at = api.get()](int d) { accept(*at, d); }));
    return api;
  }

  // Whether a newcomer is over the limit; an idle connection makes room for it.
  bool over_limit() {
    return connection_count(*context) >= context->http.max_connections && !context->connections.close_an_idle_one();
  }

  void accept(const Api& api, int descriptor) {
    const bool over = over_limit();
    if (over && connection_count(*context) >= context->http.max_connections + kToldOfLimit) {
      ::close(descriptor);
      return;
    }
    Connection::Setup setup{net::Stream(io, descriptor), peer_of(descriptor, api.settings.is_unix()), api.door, api.tls, over};
    std::make_shared<Connection>(context, std::move(setup))->start();
  }

  void accept_feed(const SinkFeed& feed, int descriptor) {
    if (over_limit()) return tell_and_close(descriptor, "the connection limit (http.max_connections) is reached");
    const Peer peer = peer_of(descriptor, true);
    const auto identified = context->clients.identify(peer);
    if (const auto* refusal = std::get_if<Refusal>(&identified)) return tell_and_close(descriptor, refusal->message);
    const App& app = std::get<App>(identified);
    if (const auto refusal = context->clients.require(app, config::Scope::events, peer)) {
      return tell_and_close(descriptor, refusal->message);
    }
    Feed::Setup setup{net::Stream(io, descriptor), FeedKind::lines, app, {}, {}, {}, feed.routes};
    std::make_shared<Feed>(context, std::move(setup))->start();
  }

  // New doors first: if one cannot be opened, nothing has changed.
  void listen(const std::vector<config::Listen>& wanted) {
    std::vector<std::pair<Api*, std::shared_ptr<net::TlsContext>>> kept;
    std::vector<std::unique_ptr<Api>> opened;
    std::vector<Api*> order;
    for (const config::Listen& address : wanted) {
      const auto it = std::find_if(apis.begin(), apis.end(), [&](const auto& api) {
        return same_address(api->settings, address) && std::find(order.begin(), order.end(), api.get()) == order.end();
      });
      if (it != apis.end()) {
        kept.emplace_back(it->get(), tls_of(address));  // a renewed certificate is read again
        order.push_back(it->get());
      } else {
        opened.push_back(open(address));
        order.push_back(opened.back().get());
      }
    }
    for (auto& [api, tls] : kept) {
      const config::Listen& address = wanted[static_cast<std::size_t>(std::find(order.begin(), order.end(), api) - order.begin())];
      api->tls = tls;
      api->door = std::make_shared<Door>(Door{address.is_unix(), tls != nullptr, api->door->address, api->door->port});
      if (address.is_unix() && (address.mode != api->settings.mode || address.group != api->settings.group)) protect(address);
      api->settings = address;
    }
    std::vector<std::unique_ptr<Api>> next;
    for (Api* api : order) {
      auto& from = std::any_of(opened.begin(), opened.end(), [&](const auto& o) { return o.get() == api; }) ? opened : apis;
      next.push_back(std::move(*std::find_if(from.begin(), from.end(), [&](const auto& o) { return o.get() == api; })));
    }
    apis = std::move(next);
  }

  static void protect(const config::Listen& address) {
    const auto group = address.group.empty() ? std::nullopt : NameService::system().group(address.group);
    if (group && ::lchown(address.unix_path.c_str(), static_cast<uid_t>(-1), *group) != 0) {
      log::warning("the group of a socket cannot be changed", {{"path", address.unix_path}, {"group", address.group}});
    }
    if (::chmod(address.unix_path.c_str(), address.mode) != 0) {
      log::warning("the mode of a socket cannot be changed", {{"path", address.unix_path}});
    }
  }

  // Streams of apps that may no longer have them.
  void revoke() {
    if (!context->clients.configured()) return;
    for (Feed* feed : context->feeds.all()) {
      const App& app = feed->app();
      const App now{app.name, app.identified ? context->clients.scopes_of(app.name).value_or(0) : 0, true};
      if (!now.may(config::Scope::events)) feed->close(1008, "this app may no longer read events");
    }
  }

  void maintain() {
    for (const auto& record : context->consumers.expire(now(), settings.consumers_expire)) {
      log::warning("a durable consumer was dropped because nobody used it", {{"consumer", record.name}, {"owner", record.owner}});
      if (context->providers.consumer_expired) context->providers.consumer_expired(record);
    }
    maintenance.expires_after(kMaintenance);
    maintenance.async_wait([this](error_code error) {
      if (!error) maintain();
    });
  }

  SinkFeed* find_feed(const std::string& name) {
    const auto it = std::find_if(sinks.begin(), sinks.end(), [&](const auto& s) { return s->settings.name == name; });
    return it == sinks.end() ? nullptr : it->get();
  }

  void look_drained(SteadyTime deadline, std::function<void()> drained) {
    if (connection_count(*context) == 0 || SteadyClock::now() >= deadline) {
      stop();
      drained();
      return;
    }
    drain_timer.expires_after(kDrainLook);
    drain_timer.async_wait([this, deadline, then = std::move(drained)](error_code error) mutable {
      if (!error) look_drained(deadline, std::move(then));
    });
  }

  void stop() {
    apis.clear();
    sinks.clear();
    maintenance.cancel();
    context->connections.close_all();
    const std::vector<Feed*> all = context->feeds.all();
    for (Feed* feed : all) feed->stop();
  }

  asio::io_context& io;
  Settings settings;
  std::shared_ptr<Context> context;
  std::vector<BoundSocket> inherited;
  std::vector<std::unique_ptr<Api>> apis;
  std::vector<std::unique_ptr<SinkFeed>> sinks;
  asio::steady_timer maintenance, drain_timer;
};

Server::Server(asio::io_context& io, Settings settings, events::Hub& hub, metrics::Registry& metrics, Providers providers)
    : impl_(std::make_unique<Impl>(io, std::move(settings), hub, metrics, std::move(providers))) {}

Server::~Server() { impl_->stop(); }

void Server::restore(const std::vector<events::ConsumerRecord>& consumers) { impl_->context->consumers.restore(consumers, now()); }

void Server::start() {
  for (const int descriptor : std::exchange(impl_->settings.inherited, {})) {
    impl_->inherited.push_back(BoundSocket::inherited(descriptor));
  }
  impl_->listen(impl_->settings.listen);
  impl_->maintain();
}

std::vector<std::string> Server::addresses() const {
  std::vector<std::string> texts;
  for (const auto& api : impl_->apis) texts.push_back(api->listener->socket().text());
  return texts;
}

void Server::add_feed(const config::Sink& sink, std::optional<events::SinkRoutes> routes) {
  auto feed = std::make_unique<SinkFeed>();
  feed->settings = sink;
  feed->routes = std::make_shared<FeedRoutes>(FeedRoutes{sink.name, std::move(routes)});
  config::Listen address;
  address.unix_path = sink.path;
  BoundSocket socket =
      impl_->socket_for(address, [&] { return BoundSocket::unix_path(sink.path, sink.mode, sink.group); });
  feed->listener = std::make_unique<Listener>(
      impl_->io, std::move(socket), impl_->handlers([impl = impl_.get(), at = feed.get()](int d) { impl->accept_feed(*at, d); }));
  impl_->sinks.push_back(std::move(feed));
}

void Server::set_feed_routes(const std::string& name, std::optional<events::SinkRoutes> routes) {
  if (SinkFeed* feed = impl_->find_feed(name)) feed->routes->routes = std::move(routes);
}

void Server::remove_feed(const std::string& name) {
  for (Feed* feed : impl_->context->feeds.all()) {
    if (feed->routes() && feed->routes()->sink == name) feed->close(1000, "this feed is no longer configured");
  }
  std::erase_if(impl_->sinks, [&](const auto& sink) { return sink->settings.name == name; });
}

void Server::apply(Settings settings) {
  impl_->listen(settings.listen);
  impl_->settings = std::move(settings);
  impl_->take_over(impl_->settings);
  impl_->revoke();
}

void Server::drain(std::chrono::milliseconds deadline, std::function<void()> drained) {
  Context& context = *impl_->context;
  context.draining = true;
  impl_->apis.clear();
  impl_->sinks.clear();
  context.connections.close_idle();
  for (Feed* feed : context.feeds.all()) feed->close(1001, "the daemon is stopping");
  impl_->look_drained(SteadyClock::now() + deadline, std::move(drained));
}

void Server::stop() { impl_->stop(); }

std::vector<ConsumerStatus> Server::consumers() const {
  Context& context = *impl_->context;
  std::vector<ConsumerStatus> list;
  for (const Feed* feed : context.feeds.all()) {
    std::string endpoint(endpoint_name(feed->kind()));
    if (feed->routes()) endpoint += ':' + feed->routes()->sink;
    const Consumers::Entry* entry = feed->consumer();
    const events::EventId cursor = entry ? entry->record.cursor : feed->position();
    list.push_back({entry ? entry->record.name : "", feed->app().name, std::move(endpoint), cursor, lag_events(cursor, context.hub)});
  }
  for (const auto& [name, entry] : context.consumers.entries()) {
    if (entry.holder) continue;
    list.push_back({name, entry.record.owner, {}, entry.record.cursor, lag_events(entry.record.cursor, context.hub)});
  }
  return list;
}

std::size_t Server::feed_consumers(const std::string& name) const {
  const auto& all = impl_->context->feeds.all();
  return static_cast<std::size_t>(
      std::count_if(all.begin(), all.end(), [&](const Feed* feed) { return feed->routes() && feed->routes()->sink == name; }));
}

std::optional<events::EventId> Server::lowest_cursor() const { return impl_->context->consumers.lowest(); }

std::size_t Server::connections() const { return connection_count(*impl_->context); }

}  // namespace bridge55::local
