#include "daemon/local/server.hpp"

#include "daemon/base/log.hpp"
#include "daemon/local/context.hpp"
#include "daemon/local/doors.hpp"
#include "daemon/local/feed.hpp"
#include "daemon/local/inner.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace bridge55::local {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using namespace std::chrono_literals;

constexpr auto kMaintenance = 30s;
constexpr auto kDrainLook = 10ms;

Consumers::Effects effects_of(events::Hub& hub, const Providers& providers) {
  Consumers::Effects effects;
  effects.store = [&hub](const events::ConsumerRecord& record) { hub.journal().store_consumer(record); };
  effects.drop = [&hub](const std::string& name) { hub.journal().drop_consumer(name); };
  effects.moved = [moved = providers.cursors_moved] {
    if (moved) moved();
  };
  return effects;
}

}  // namespace

struct Server::Impl {
  Impl(asio::io_context& loop, Settings wanted, events::Hub& hub, metrics::Registry& metrics,
       Providers providers)
      : settings(std::move(wanted)),
        context(std::make_shared<Context>(loop, hub, metrics, effects_of(hub, providers))),
        doors(context),
        maintenance(loop),
        drain_timer(loop) {
    context->providers = std::move(providers);
    take_over();
  }

  void take_over() {
    context->http = settings.http;
    context->clients = Clients(settings.clients, NameService::system());
    for (const std::string& name : context->clients.unresolved()) {
      log::warning("a client of the config does not exist on this machine and matches nobody",
                   {{"client", name}});
    }
  }

  // Streams of apps that may no longer have them.
  void revoke() {
    if (!context->clients.configured()) return;
    for (Feed* feed : context->feeds.all()) {
      const App& app = feed->app();
      const App now{app.name, app.identified ? context->clients.scopes_of(app.name).value_or(0) : 0, true};
      if (feed->scopes() != 0 && (now.scopes & feed->scopes()) == 0)
        feed->close(1008, "this app may no longer have this stream");
    }
    const std::vector<Seat*> seats = context->seats.all();  // one that is told may leave
    for (Seat* seat : seats) {
      const App& app = seat->app();
      const unsigned scopes = app.identified ? context->clients.scopes_of(app.name).value_or(0) : 0;
      if (seat->scopes() != 0 && (scopes & seat->scopes()) == 0) seat->revoke();
    }
  }

  void maintain() {
    for (const auto& record : context->consumers.expire(now(), settings.consumers_expire)) {
      log::warning("a durable consumer was dropped because nobody used it",
                   {{"consumer", record.name}, {"owner", record.owner}});
      if (context->providers.consumer_expired) context->providers.consumer_expired(record);
    }
    maintenance.expires_after(kMaintenance);
    maintenance.async_wait([this](error_code error) {
      if (error) return;
      doors.close_unclaimed();  // feeds are added after the start; what nobody has claimed by now nobody will
      maintain();
    });
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
    doors.close();
    maintenance.cancel();
    context->connections.close_all();
    for (Feed* feed : std::vector<Feed*>(context->feeds.all()))
      feed->stop();
  }

  Settings settings;
  std::shared_ptr<Context> context;
  Doors doors;
  asio::steady_timer maintenance, drain_timer;
};

Server::Server(asio::io_context& io, Settings settings, events::Hub& hub, metrics::Registry& metrics,
               Providers providers)
    : impl_(std::make_unique<Impl>(io, std::move(settings), hub, metrics, std::move(providers))) {}

Server::~Server() {
  impl_->stop();
}

void Server::restore(const std::vector<events::ConsumerRecord>& consumers) {
  impl_->context->consumers.restore(consumers, now());
}

void Server::start() {
  impl_->doors.inherit(std::exchange(impl_->settings.inherited, {}));
  impl_->doors.listen(impl_->settings.listen);
  impl_->maintain();
}

Inner Server::inner(App app) {
  return {impl_->context, std::move(app)};
}

std::vector<std::string> Server::addresses() const {
  return impl_->doors.addresses();
}

void Server::add_feed(const config::Sink& sink, std::optional<events::SinkRoutes> routes) {
  impl_->doors.add_feed(sink, std::move(routes));
}

void Server::set_feed_routes(const std::string& name, const std::optional<events::SinkRoutes>& routes) {
  impl_->doors.set_routes(name, routes);
}

void Server::remove_feed(const std::string& name) {
  impl_->doors.remove_feed(name);
}

void Server::apply(Settings settings) {
  impl_->doors.listen(settings.listen);
  impl_->settings = std::move(settings);
  impl_->take_over();
  impl_->revoke();
}

void Server::stop_accepting() {
  impl_->context->draining = true;
  impl_->doors.close();
}

void Server::drain(std::chrono::milliseconds deadline, std::function<void()> drained) {
  Context& context = *impl_->context;
  stop_accepting();
  context.connections.close_idle();
  for (Feed* feed : context.feeds.all())
    feed->close(1001, "the daemon is stopping");
  impl_->look_drained(SteadyClock::now() + deadline, std::move(drained));
}

void Server::stop() {
  impl_->stop();
}

std::vector<ConsumerStatus> Server::consumers() const {
  Context& context = *impl_->context;
  std::vector<ConsumerStatus> list;
  for (const Feed* feed : context.feeds.all()) {
    std::string endpoint(endpoint_name(feed->kind()));
    if (!feed->endpoint().empty()) endpoint.append(":").append(feed->endpoint());
    if (feed->routes()) endpoint += ':' + feed->routes()->sink;
    const Consumers::Entry* entry = feed->consumer();
    const events::EventId cursor = entry ? entry->record.cursor : feed->position();
    list.push_back({entry ? entry->record.name : "", feed->app().name, std::move(endpoint), cursor,
                    lag_events(cursor, context.hub)});
  }
  for (const auto& [name, entry] : context.consumers.entries()) {
    if (entry.holder) continue;
    list.push_back(
        {name, entry.record.owner, {}, entry.record.cursor, lag_events(entry.record.cursor, context.hub)});
  }
  return list;
}

std::size_t Server::feed_consumers(const std::string& name) const {
  const auto& all = impl_->context->feeds.all();
  return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const Feed* feed) {
    return feed->routes() && feed->routes()->sink == name;
  }));
}

std::optional<events::EventId> Server::lowest_cursor() const {
  return impl_->context->consumers.lowest();
}

std::size_t Server::connections() const {
  return connection_count(*impl_->context);
}

}  // namespace bridge55::local
