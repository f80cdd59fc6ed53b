// The sockets that apps connect to: the config's listeners and the UNIX feeds. Opens, keeps and replaces
// them, and turns away whom there is no room for. I/O thread only; ends every socket when it is destroyed.
#pragma once

#include "daemon/local/context.hpp"
#include "daemon/local/feed.hpp"
#include "daemon/local/listener.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bridge55::local {

class Doors {
 public:
  explicit Doors(std::shared_ptr<Context> context) : context_(std::move(context)) {}

  // Descriptors of the service manager: each is taken by the listener or feed that has its address.
  void inherit(const std::vector<int>& descriptors);
  void close_unclaimed();

  // Makes the listeners what is wanted. Those that stay keep their socket, with the new mode, group and
  // certificate. Throws ListenError, and then nothing has changed.
  void listen(const std::vector<config::Listen>& wanted);
  std::vector<std::string> addresses() const;

  void add_feed(const config::Sink& sink, std::optional<events::SinkRoutes> routes);  // throws ListenError
  void set_routes(const std::string& name, const std::optional<events::SinkRoutes>& routes);
  void remove_feed(const std::string& name);
  void close();

 private:
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

  std::unique_ptr<Api> open(const config::Listen& wanted);
  std::optional<BoundSocket> claim(const config::Listen& address);
  Listener::Handlers handlers(std::function<void(int)> accepted);
  bool over_limit();
  void accept(const Api& api, int descriptor);
  void accept_feed(const SinkFeed& feed, int descriptor);

  std::shared_ptr<Context> context_;
  std::vector<BoundSocket> inherited_;
  std::vector<std::unique_ptr<Api>> apis_;
  std::vector<std::unique_ptr<SinkFeed>> feeds_;
};

}  // namespace bridge55::local
