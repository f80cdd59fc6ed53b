#include "daemon/local/doors.hpp"

#include "daemon/base/log.hpp"

#include <algorithm>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include <boost/asio/io_context.hpp>

namespace bridge55::local {
namespace {

constexpr std::size_t kToldOfLimit = 64;  // connections over the limit that are told so; more are closed

std::shared_ptr<net::TlsContext> tls_of(const config::Listen& settings) {
  if (settings.cert_file.empty()) return nullptr;
  try {
    return net::TlsContext::server(settings.cert_file, settings.key_file);
  } catch (const std::exception& error) {
    const std::string where = settings.host + ':' + std::to_string(settings.port);
    throw ListenError(78, "cannot listen on " + where + ": " + error.what());
  }
}

bool same_address(const config::Listen& a, const config::Listen& b) {
  return a.unix_path == b.unix_path && a.host == b.host && a.port == b.port;
}

void tell_and_close(int descriptor, std::string_view why) {
  const std::string line = error_line(why) + "\n";
  (void)!::send(descriptor, line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  ::close(descriptor);
}

// A socket that stays may have got another mode or group.
void protect(const config::Listen& address) {
  const auto group = address.group.empty() ? std::nullopt : NameService::system().group(address.group);
  if (group && ::lchown(address.unix_path.c_str(), static_cast<uid_t>(-1), *group) != 0) {
    log::warning("the group of a socket cannot be changed",
                 {{"path", address.unix_path}, {"group", address.group}});
  }
  if (::chmod(address.unix_path.c_str(), address.mode) != 0) {
    log::warning("the mode of a socket cannot be changed", {{"path", address.unix_path}});
  }
}

}  // namespace

void Doors::inherit(const std::vector<int>& descriptors) {
  for (const int descriptor : descriptors)
    inherited_.push_back(BoundSocket::inherited(descriptor));
}

void Doors::close_unclaimed() {
  for (const BoundSocket& socket : std::exchange(inherited_, {})) {
    log::warning("a socket of the service manager belongs to no listener of the config and is closed",
                 {{"address", socket.text()}});
  }
}

std::optional<BoundSocket> Doors::claim(const config::Listen& address) {
  const auto it = std::find_if(inherited_.begin(), inherited_.end(),
                               [&](const BoundSocket& socket) { return socket.serves(address); });
  if (it == inherited_.end()) return {};
  BoundSocket found = std::move(*it);
  inherited_.erase(it);
  return found;
}

Listener::Handlers Doors::handlers(std::function<void(int)> accepted) {
  return {std::move(accepted), [this] { return context_->connections.close_an_idle_one(); }};
}

std::unique_ptr<Doors::Api> Doors::open(const config::Listen& wanted) {
  auto api = std::make_unique<Api>();
  api->settings = wanted;
  api->tls = tls_of(wanted);
  std::optional<BoundSocket> socket = claim(wanted);
  if (!socket) {
    socket = wanted.is_unix() ? BoundSocket::unix_path(wanted.unix_path, wanted.mode, wanted.group)
                              : BoundSocket::tcp(wanted);
  }
  const Door door{wanted.is_unix(), api->tls != nullptr, socket->host(), socket->port()};
  api->door = std::make_shared<Door>(door);
  api->listener = std::make_unique<Listener>(context_->io, std::move(*socket),
                                             handlers([this, at = api.get()](int d) { accept(*at, d); }));
  return api;
}

void Doors::listen(const std::vector<config::Listen>& wanted) {
  struct Planned {
    std::unique_ptr<Api> opened;  // or
    std::size_t kept = 0;         // the position of one that stays
    std::shared_ptr<net::TlsContext> tls;
  };
  std::vector<Planned> plan;
  std::vector<bool> stays(apis_.size());
  for (const config::Listen& address : wanted) {
    std::size_t at = 0;
    while (at < apis_.size() && (stays[at] || !same_address(apis_[at]->settings, address)))
      ++at;
    if (at == apis_.size()) {
      plan.push_back({open(address), 0, nullptr});
    } else {
      stays[at] = true;
      plan.push_back({nullptr, at, tls_of(address)});  // a renewed certificate is read again
    }
  }
  std::vector<std::unique_ptr<Api>> next;
  for (std::size_t i = 0; i < plan.size(); ++i) {
    if (plan[i].opened) {
      next.push_back(std::move(plan[i].opened));
      continue;
    }
    std::unique_ptr<Api> api = std::move(apis_[plan[i].kept]);
    const config::Listen before = std::exchange(api->settings, wanted[i]);
    api->tls = std::move(plan[i].tls);
    const Door door{wanted[i].is_unix(), api->tls != nullptr, api->door->address, api->door->port};
    api->door = std::make_shared<Door>(door);
    if (before.mode != wanted[i].mode || before.group != wanted[i].group) protect(wanted[i]);
    next.push_back(std::move(api));
  }
  apis_ = std::move(next);
}

std::vector<std::string> Doors::addresses() const {
  std::vector<std::string> texts;
  for (const auto& api : apis_)
    texts.push_back(api->listener->socket().text());
  return texts;
}

void Doors::add_feed(const config::Sink& sink, std::optional<events::SinkRoutes> routes) {
  auto feed = std::make_unique<SinkFeed>();
  feed->settings = sink;
  feed->routes = std::make_shared<FeedRoutes>(FeedRoutes{sink.name, std::move(routes)});
  config::Listen address;
  address.unix_path = sink.path;
  std::optional<BoundSocket> socket = claim(address);
  if (!socket) socket = BoundSocket::unix_path(sink.path, sink.mode, sink.group);
  feed->listener = std::make_unique<Listener>(
      context_->io, std::move(*socket), handlers([this, at = feed.get()](int d) { accept_feed(*at, d); }));
  feeds_.push_back(std::move(feed));
}

void Doors::set_routes(const std::string& name, const std::optional<events::SinkRoutes>& routes) {
  for (const auto& feed : feeds_) {
    if (feed->settings.name == name) feed->routes->routes = routes;
  }
}

void Doors::remove_feed(const std::string& name) {
  for (Feed* feed : context_->feeds.all()) {
    if (feed->routes() && feed->routes()->sink == name)
      feed->close(1000, "this feed is no longer configured");
  }
  std::erase_if(feeds_, [&](const auto& feed) { return feed->settings.name == name; });
}

void Doors::close() {
  apis_.clear();
  feeds_.clear();
}

// Whether a newcomer is over the limit; an idle connection makes room for it.
bool Doors::over_limit() {
  return connection_count(*context_) >= context_->http.max_connections &&
         !context_->connections.close_an_idle_one();
}

void Doors::accept(const Api& api, int descriptor) {
  const bool over = over_limit();
  if (over && connection_count(*context_) >= context_->http.max_connections + kToldOfLimit) {
    ::close(descriptor);
    return;
  }
  Connection::Setup setup{net::Stream(context_->io, descriptor), peer_of(descriptor, api.settings.is_unix()),
                          api.door, api.tls, over};
  std::make_shared<Connection>(context_, std::move(setup))->start();
}

void Doors::accept_feed(const SinkFeed& feed, int descriptor) {
  if (over_limit())
    return tell_and_close(descriptor, "the connection limit (http.max_connections) is reached");
  const Peer peer = peer_of(descriptor, true);
  const auto identified = context_->clients.identify(peer);
  if (const auto* refusal = std::get_if<Refusal>(&identified))
    return tell_and_close(descriptor, refusal->message);
  const App& app = std::get<App>(identified);
  constexpr unsigned kEvents = static_cast<unsigned>(config::Scope::events);
  if (const auto refusal = context_->clients.require(app, kEvents, peer))
    return tell_and_close(descriptor, refusal->message);
  Feed::Setup setup{
      net::Stream(context_->io, descriptor), FeedKind::lines, app, {}, {}, {}, feed.routes, false};
  std::make_shared<Feed>(context_, std::move(setup))->start();
}

}  // namespace bridge55::local
