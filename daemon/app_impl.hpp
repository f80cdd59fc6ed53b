// The inside of the daemon, shared by app.cpp (start, housekeeping, what others ask of it) and app_changes.cpp
// (reload and drain); included by these alone.
#pragma once

#include "daemon/app.hpp"
#include "bridges/scraping/relay_handler.hpp"
#include "bridges/scraping/standing/standing.hpp"
#include "daemon/base/metrics.hpp"
#include "daemon/base/sd_notify.hpp"
#include "daemon/dropin_wiring.hpp"
#include "daemon/events/hub.hpp"
#include "daemon/events/journal.hpp"
#include "daemon/gateway/gateway.hpp"
#include "daemon/local/server.hpp"
#include "daemon/sinks.hpp"
#include "daemon/status.hpp"
#include "daemon/upstreams.hpp"

#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

namespace bridge55 {

namespace asio = boost::asio;

void start_log(const config::Config& config);
local::Settings door_settings(const config::Config& config);

class Daemon {
 public:
  explicit Daemon(Launch launch) : launch_(std::move(launch)), config_(launch_.config) {}

  int run();

 private:
  void open();
  void handle_journal();
  local::Providers providers();
  gateway::UpstreamPtr scraping_upstream(std::string_view name) const;
  void tick();
  void watch();
  void wait_for_signal();
  local::Outcome reload(const std::string& who);
  void drain(const char* why);
  void sources_stopped();
  void finish();
  Snapshot snapshot() const;

  Launch launch_;
  config::Config config_;
  // Outlives the coroutines, which end with the loop and count themselves out.
  metrics::Registry metrics_;
  asio::io_context io_{1};  // one thread: no locks inside
  asio::signal_set signals_{io_, SIGTERM, SIGINT, SIGHUP};
  asio::steady_timer second_{io_}, deadline_{io_}, watchdog_timer_{io_};
  systemd::Notifier notifier_ = systemd::Notifier::from_environment();
  const SteadyTime started_ = SteadyClock::now();
  events::Recovered recovered_;
  std::unique_ptr<events::Journal> journal_;
  std::unique_ptr<events::Hub> hub_;
  std::unique_ptr<gateway::Gateway> gateway_;
  std::unique_ptr<scraping::RelayHandler> relays_;
  std::unique_ptr<scraping::standing::Standing> standing_;
  std::unique_ptr<dropin::DropIns> dropins_;
  std::unique_ptr<local::Server> server_;
  std::unique_ptr<Sinks> sinks_;
  std::unique_ptr<Upstreams> upstreams_;
  std::string last_status_;
  bool draining_ = false;
  int exit_code_ = 0;
};

}  // namespace bridge55
