#include "daemon/sinks.hpp"

#include "bridges/rabbitmq/make_rabbitmq.hpp"
#include "config/scopes.hpp"
#include "daemon/base/countdown.hpp"
#include "daemon/base/log.hpp"
#include "daemon/base/metrics.hpp"
#include "daemon/events/json.hpp"
#include "daemon/local/inner.hpp"
#include "daemon/local/server.hpp"

#include <algorithm>
#include <stdexcept>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace bridge55 {
namespace {

events::SinkRoutes routes_of(const Sinks::Routes& routes, const std::string& sink) {
  auto compiled = events::SinkRoutes::compile(routes, sink);
  if (auto* error = std::get_if<std::string>(&compiled))
    throw std::logic_error("the loader let a bad route pass: " + *error);
  return std::get<events::SinkRoutes>(std::move(compiled));
}

std::optional<events::SinkRoutes> feed_routes(const Sinks::Routes& routes, const std::string& sink) {
  if (!routes) return std::nullopt;
  return routes_of(routes, sink);
}

}  // namespace

Sinks::Sinks(boost::asio::io_context& io, events::Hub& hub, metrics::Registry& metrics, local::Server& server)
    : io_(io), hub_(hub), metrics_(metrics), server_(server), desk_(io, hub.journal()) {}
Sinks::~Sinks() = default;

void Sinks::start(const std::vector<config::Sink>& wanted, const Routes& routes,
                  const std::map<std::string, events::EventId>& cursors) {
  for (const config::Sink& sink : wanted) {
    const auto known = cursors.find(sink.name);
    add(sink, routes, known == cursors.end() ? hub_.last_id() : known->second);
  }
  settings_ = wanted;
}

void Sinks::add(const config::Sink& settings, const Routes& routes, events::EventId after) {
  if (settings.kind == config::SinkKind::unix_socket) {
    server_.add_feed(settings, feed_routes(routes, settings.name));
    feeds_[settings.name] = wall_now();
    metrics_.gauge("bridge55_sink_up", "1 while the sink takes events.", {{"sink", settings.name}}).set(1);
    hub_.say("sink", "UP", R"({"sink":)" + json::quoted(settings.name) + R"(,"reason":""})", settings.name);
    return;
  }
  auto pump = std::make_unique<events::SinkPump>(hub_, metrics_, settings.name,
                                                 bridges::make_rabbitmq(io_, settings, metrics_),
                                                 routes_of(routes, settings.name));
  hub_.journal().store_cursor(settings.name,
                              after);  // from here on the sink has a place, also before its first confirm
  pump->start(after);
  pumps_[settings.name] = std::move(pump);
  if (settings.requests) add_requests(settings);
}

void Sinks::add_requests(const config::Sink& settings) {
  unsigned scopes = 0;
  for (const std::string& name : settings.requests->allow)
    scopes |= config::scope_bit(name);
  const auto inner =
      std::make_shared<const local::Inner>(server_.inner({"amqp:" + settings.name, scopes, true}));
  rabbitmq::InnerDoor door;
  door.scopes = [inner](std::string_view method, std::string_view path) {
    return inner->scopes(method, path);
  };
  door.ask = [inner](local::InnerRequest request, std::function<void(local::InnerAnswer)> then) {
    inner->ask(std::move(request), std::move(then));
  };
  auto requests = std::make_unique<rabbitmq::Requests>(
      rabbitmq::Requests::Setup{io_, metrics_, desk_, std::move(door), max_message_}, settings);
  requests->start();
  requests_[settings.name] = std::move(requests);
}

void Sinks::remove(const config::Sink& settings) {
  if (settings.kind == config::SinkKind::unix_socket) {
    server_.remove_feed(settings.name);
    feeds_.erase(settings.name);
    metrics_.drop("sink", settings.name);
    return;
  }
  const auto found = pumps_.find(settings.name);
  if (found == pumps_.end()) return;
  cursors_[settings.name] = found->second->confirmed_id();
  auto old = std::make_shared<std::unique_ptr<events::SinkPump>>(std::move(found->second));
  pumps_.erase(found);
  requests_.erase(settings.name);
  metrics_.drop("sink", settings.name);
  (*old)->stop(std::chrono::milliseconds(0),
               [this, old] { boost::asio::post(io_, [old] { old->reset(); }); });
}

void Sinks::apply(const std::vector<config::Sink>& wanted, const Routes& routes) {
  const std::vector<config::Sink> before = settings_;
  for (const config::Sink& sink : before) {
    if (std::find(wanted.begin(), wanted.end(), sink) == wanted.end()) remove(sink);
  }
  for (const config::Sink& sink : wanted) {
    // What a sink that is down has already been offered may be the very thing that keeps it down (an exchange
    // that does not exist): it begins again behind its last confirm, under the new routes.
    const auto stuck = pumps_.find(sink.name);
    const bool begin_again =
        stuck != pumps_.end() && stuck->second->status().state == bridges::SinkState::down;
    if (begin_again) remove(sink);
    if (begin_again || std::find(before.begin(), before.end(), sink) == before.end()) {
      const auto known = cursors_.find(sink.name);
      add(sink, routes, known == cursors_.end() ? hub_.last_id() : known->second);
    } else if (const auto pump = pumps_.find(sink.name); pump != pumps_.end()) {
      pump->second->set_routes(routes_of(routes, sink.name));
    } else {
      server_.set_feed_routes(sink.name, feed_routes(routes, sink.name));
    }
  }
  for (const config::Sink& sink : before) {
    const bool kept =
        std::any_of(wanted.begin(), wanted.end(), [&](const auto& w) { return w.name == sink.name; });
    if (kept) continue;
    hub_.journal().drop_cursor(sink.name);
    cursors_.erase(sink.name);
  }
  settings_ = wanted;
}

void Sinks::pause_requests() {
  for (auto& [name, requests] : requests_)
    requests->pause();
}

void Sinks::stop(std::chrono::milliseconds deadline, std::function<void()> stopped) {
  const auto one_done = countdown(pumps_.size() + requests_.size() + 1, std::move(stopped));
  for (auto& [name, pump] : pumps_)
    pump->stop(deadline, one_done);
  for (auto& [name, requests] : requests_)
    requests->stop(deadline, one_done);
  one_done();
}

std::vector<events::SinkPump::Status> Sinks::status() const {
  std::vector<events::SinkPump::Status> all;
  for (const config::Sink& sink : settings_) {
    if (const auto pump = pumps_.find(sink.name); pump != pumps_.end()) {
      all.push_back(pump->second->status());
    } else if (const auto feed = feeds_.find(sink.name); feed != feeds_.end()) {
      events::SinkPump::Status status;
      status.name = sink.name;
      status.state = bridges::SinkState::up;
      status.since = feed->second;
      status.confirmed_id = hub_.last_id();
      all.push_back(status);
    }
  }
  return all;
}

std::optional<events::EventId> Sinks::lowest_cursor() const {
  std::optional<events::EventId> lowest;
  for (const auto& [name, pump] : pumps_)
    lowest = std::min(lowest.value_or(pump->confirmed_id()), pump->confirmed_id());
  return lowest;
}

}  // namespace bridge55
