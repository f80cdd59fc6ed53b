// What the files of the relay handler share.
#pragma once

#include "bridges/scraping/relay_handler.hpp"
#include "daemon/local/exchange.hpp"

#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <variant>

#include <boost/asio/steady_timer.hpp>

namespace bridge55::scraping {

inline constexpr unsigned kScope = static_cast<unsigned>(config::Scope::scrape);
inline constexpr std::chrono::seconds kOpenWithin{35};  // agent and target: as long as a page, and a little
inline constexpr std::chrono::seconds kCloseWithin{3};
inline constexpr std::uint16_t kPolicy = 1008, kAway = 1001;
inline constexpr std::string_view kStopping = "the daemon is stopping";

// What is not a tunnel yet. Shared by the coroutines that serve, which may be destroyed after the handler.
struct RelayHandler::UnderWay {
  std::set<Dial*> dials;
  std::set<net::Stream*> taken;
  bool draining = false;
};

// A dial under way; ends where the daemon stops.
class RelayHandler::Opening {
 public:
  Opening(RelayHandler& handler, gateway::UpstreamPtr upstream, Dial::Ask ask);
  ~Opening();
  Opening(const Opening&) = delete;
  Opening& operator=(const Opening&) = delete;

  void cancel() { dial_.cancel(); }
  net::awaitable<std::variant<Dialed, NotDialed>> run();

 private:
  const std::shared_ptr<UnderWay> under_way_;
  Dial dial_;
};

// A socket that was taken over and is listened to; what waits on it ends where the daemon stops.
class RelayHandler::Taken {
 public:
  Taken(RelayHandler& handler, net::Stream& stream);
  ~Taken();
  Taken(const Taken&) = delete;
  Taken& operator=(const Taken&) = delete;
  bool draining() const { return under_way_->draining; }

 private:
  const std::shared_ptr<UnderWay> under_way_;
  net::Stream& stream_;
};

}  // namespace bridge55::scraping
