// What changes while the daemon runs: a reload, and its end.
#include "daemon/app_impl.hpp"

#include "config/loader.hpp"
#include "daemon/base/crash_point.hpp"
#include "daemon/base/log.hpp"
#include "daemon/events/json.hpp"

#include <utility>

namespace bridge55 {
namespace {

using namespace std::chrono_literals;

constexpr auto kDrain = 10s;  // contract, section 8: SIGTERM

log::Level level_of(const std::string& name) {
  for (const auto& [text, level] : {std::pair{"trace", log::Level::trace},
                                    {"debug", log::Level::debug},
                                    {"warning", log::Level::warning},
                                    {"error", log::Level::error}}) {
    if (name == text) return level;
  }
  return log::Level::info;
}

}  // namespace

void start_log(const config::Config& config) {
  for (const std::string& secret : config::secrets(config))
    log::hide(secret);
  log::start(level_of(config.log.level),
             config.log.format == config::LogFormat::json ? log::Format::json : log::Format::text);
}

local::Settings door_settings(const config::Config& config) {
  local::Settings settings;
  settings.listen = config.listen;
  settings.http = config.http;
  settings.clients = config.clients;
  settings.consumers_expire = config.consumers_expire;
  for (const systemd::ListenFd& socket : systemd::take_listen_fds())
    settings.inherited.push_back(socket.fd);
  return settings;
}

// A bad file changes nothing. Only what differs is touched, part by part.
local::Outcome Daemon::reload(const std::string& who) {
  if (draining_) return {false, "the daemon is stopping"};
  notifier_.reloading();
  auto loaded = config::load_file(launch_.config_path, config::Environment::of_process());
  std::string trouble;
  for (const config::Error& error : loaded.errors)
    trouble += (trouble.empty() ? "" : "\n") + error.text();
  if (trouble.empty() && loaded.config.journal.path != config_.journal.path) {
    trouble = "journal.path cannot change while running; restart the daemon to move the journal";
  }
  if (trouble.empty()) {
    try {
      server_->apply(door_settings(loaded.config));
    } catch (const local::ListenError& error) {
      trouble = error.what();
    }
  }
  auto& gauge = metrics_.gauge("bridge55_config_last_reload_successful",
                               "1 when the last load of the config was taken.");
  gauge.set(trouble.empty() ? 1 : 0);
  const std::string by = R"({"by":)" + json::quoted(who);
  if (!trouble.empty()) {
    log::error("the changed config was refused, the old one stays in force",
               {{"by", who}, {"errors", trouble}});
    hub_->say("control", "REJECTED", by + R"(,"errors":)" + json::quoted(trouble) + '}');
    notifier_.ready();
    return {false, trouble};
  }
  crash_point("reload.loaded");
  start_log(loaded.config);
  config_ = std::move(loaded.config);
  launch_.config_hash = loaded.canonical_hash;
  journal_->set_retention(config_.journal);
  journal_->set_trades_keep(config_.trades_keep);
  gateway_->apply(config_);
  sinks_->set_max_message(config_.http.max_body.count);
  try {
    sinks_->apply(config_.sinks, config_.routes);
  } catch (const local::ListenError& error) {  // a UNIX sink's path: the others are in force
    trouble = error.what();
    log::error("a sink of the changed config cannot be opened", {{"by", who}, {"reason", trouble}});
    gauge.set(0);
  }
  crash_point("reload.sinks");
  dropins_->apply(config_.upstreams);
  upstreams_->apply(config_.upstreams);
  standing_->apply(config_);
  crash_point("reload.applied");
  log::info("the changed config is in force", {{"by", who}, {"config_hash", launch_.config_hash}});
  hub_->say("control", "RELOADED", by + R"(,"config_hash":")" + launch_.config_hash + "\"}");
  notifier_.ready();
  return {trouble.empty(), trouble};
}

// Contract, section 8: stop accepting, finish what is in flight, flush the sinks, close the sessions, exit 0.
// The sessions go first, so that what they brought can still reach the sinks and the streams.
void Daemon::drain(const char* why) {
  draining_ = true;
  log::info("stopping", {{"on", why}});
  notifier_.stopping();
  deadline_.expires_after(kDrain + 1s);
  deadline_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    log::warning("stopping without waiting any longer; what is not delivered is in the journal");
    finish();
  });
  crash_point("drain.begin");
  sinks_->pause_requests();
  server_->stop_accepting();  // first: no placement may come in while nobody hears an emergency
  gateway_->drain();
  relays_->drain(SteadyClock::now() + kDrain - 1s);
  const auto left = std::make_shared<int>(2);
  const auto stopped = [this, left] {
    if (--*left == 0) sources_stopped();
  };
  standing_->stop(stopped);
  upstreams_->stop(stopped);
}

void Daemon::sources_stopped() {
  crash_point("drain.upstreams_stopped");
  const auto go_on = [this] {
    server_->drain(kDrain, [this] {
      relays_->stop();
      gateway_->stop();
      sinks_->stop(kDrain, [this] {
        // What trades came to is stored behind their events: these have to be on disk first.
        if (!journal_->stats().writable) return finish();
        journal_->barrier([this] { finish(); });
      });
    });
  };
  if (journal_->stats().writable) {
    journal_->barrier(go_on);
  } else {
    go_on();  // a full disk would let nobody through
  }
}

void Daemon::finish() {
  io_.stop();
}

}  // namespace bridge55
