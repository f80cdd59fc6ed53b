// The drop-in endpoints (contract, section 5): any number of unmodified vendor clients over the daemon's one
// session an upstream. Serves /{upstream}/ws and /{upstream}/ws/subscribe, for the upstreams of these kinds;
// hears of their sessions. I/O thread only.
#pragma once

#include "config/config.hpp"
#include "daemon/dropin/line.hpp"
#include "daemon/local/handler.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace boost::asio {
class io_context;
}

namespace bridge55::dropin {

class DropIns final : public local::Handler {
 public:
  struct Setup {
    boost::asio::io_context& io;  // outlives it
    // Null for kinds without a drop-in endpoint.
    std::function<std::unique_ptr<Dialect>(config::UpstreamKind)> dialect;
    // Makes an upstream's own subscription ask for other channels, which it fetches when it does; `done` is
    // called once, not from inside.
    using Channels = std::function<std::vector<std::string>()>;
    std::function<void(const std::string& source, Channels channels, std::function<void(Growth)> done)> grow;
  };
  explicit DropIns(Setup setup);
  ~DropIns() override;

  // Apps of an upstream that is gone, or another one under the same name, are closed with 1012.
  void apply(const std::vector<config::Upstream>& upstreams);
  void session_changed(std::string_view source, bool up);
  void login_answered(std::string_view source, std::string_view answer);
  void events_lost(std::string_view source);

  std::optional<std::variant<unsigned, local::Refusal>> find(const local::Head& head,
                                                             const local::Target& target) const override;
  net::awaitable<void> serve(local::Exchange& exchange) override;

 private:
  struct Served {
    config::Upstream settings;
    std::shared_ptr<Line> line;
  };
  std::shared_ptr<Line> line_at(std::string_view path) const;
  std::shared_ptr<Line> line_of(std::string_view source) const;
  void admit(std::shared_ptr<Line> line);

  Setup setup_;
  std::map<std::string, Served, std::less<>> served_;
};

}  // namespace bridge55::dropin
