#include "daemon/app.hpp"

#include "bridges/apis.hpp"
#include "daemon/app_impl.hpp"
#include "daemon/base/log.hpp"
#include "daemon/events/json.hpp"

#include <algorithm>
#include <csignal>
#include <malloc.h>
#include <stdexcept>
#include <sys/resource.h>

namespace bridge55 {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;

// A descriptor each for 10,000 connections and more: the usual soft limit of 1,024 is for programs that use
// select(2).
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// Large blocks are mapped and given back one by one: left to itself the allocator raises this bound with the
// first large block that is freed, and keeps what a burst of large events took.
void give_large_blocks_back() {
  ::mallopt(M_MMAP_THRESHOLD, 1 << 20);
}

}  // namespace

int Daemon::run() {
  open();
  notifier_.ready();
  log::info(
      "ready",
      {{"version", BRIDGE55_VERSION}, {"config", launch_.config_path}, {"journal", config_.journal.path}});
  for (const std::string& address : server_->addresses())
    log::info("listening", {{"address", address}});
  wait_for_signal();
  watch();
  tick();
  io_.run();
  if (exit_code_ == 0) journal_->close();  // what is waiting is committed and the stop marked as clean
  return exit_code_;
}

// In the order that data flows, so that every part finds what it hands to.
void Daemon::open() {
  metrics_
      .gauge("bridge55_build_info", "Always 1; the version is in the label.", {{"version", BRIDGE55_VERSION}})
      .set(1);
  metrics_.gauge("bridge55_config_last_reload_successful", "1 when the last load of the config was taken.")
      .set(1);

  metrics_.declare("bridge55_session_reconnects_total",
                   "Sessions that were opened again, by what ended the one before.", "counter");
  metrics_.declare("bridge55_sink_lag_events", "Events in the journal that the sink has not confirmed.",
                   "gauge");
  metrics_.declare("bridge55_sink_confirmed_total", "Events that the sink has confirmed.", "counter");
  metrics_.declare("bridge55_sink_unroutable_total", "Messages that no queue was bound for.", "counter");
  metrics_.declare("bridge55_relay_connections", "Relays that are open.", "gauge");

  // 1. The journal: what the last run left behind.
  journal_ = events::Journal::open(config_.journal, io_, metrics_, recovered_);
  for (const std::string& repair : recovered_.repairs)
    log::error("the journal was repaired", {{"what", repair}});

  // 2. The hub: numbers what arrives, above every id of the past.
  hub_ = std::make_unique<events::Hub>(*journal_, metrics_, recovered_);
  hub_->on_resume([this] {
    upstreams_->resume();
    standing_->resume();
  });
  handle_journal();

  // 3. The gateway: what the last run left open is looked up before any app can ask.
  journal_->set_trades_keep(config_.trades_keep);
  gateway_ = std::make_unique<gateway::Gateway>(
      gateway::Gateway::Setup{io_, *hub_, metrics_, bridges::make_api, config_.journal.path + ".sends"},
      config_, recovered_);
  gateway_->resume(recovered_);
  relays_ = std::make_unique<scraping::RelayHandler>(scraping::RelayHandler::Setup{
      io_, metrics_, [this](std::string_view name) { return scraping_upstream(name); }});
  standing_ = std::make_unique<scraping::standing::Standing>(scraping::standing::Standing::Setup{
      io_, *hub_, metrics_, [this](std::string_view name) { return gateway_->upstream(name); }});

  dropins_ = make_dropins(io_, [this]() -> Upstreams& { return *upstreams_; });
  dropins_->apply(config_.upstreams);

  // 4. The local door, and behind it the sinks, each where it stood.
  server_ = std::make_unique<local::Server>(io_, door_settings(config_), *hub_, metrics_, providers());
  server_->restore(recovered_.consumers);
  sinks_ = std::make_unique<Sinks>(io_, *hub_, metrics_, *server_);
  server_->start();
  sinks_->set_max_message(config_.http.max_body.count);
  sinks_->start(config_.sinks, config_.routes, recovered_.cursors);
  for (const std::string& repair : recovered_.repairs) {
    hub_->say("gap", "UNRECOVERED", R"({"reason":"journal","what":)" + json::quoted(repair) + '}');
  }

  // 5. The upstream sessions, last: from here on events arrive.
  Upstreams::Watch watch;
  watch.emergency = [this](std::string_view source, std::string_view payload) {
    gateway_->emergency_told(source, payload);
  };
  watch.ended = [this](std::string_view source) { gateway_->session_ended(source); };
  listen(watch, *dropins_);
  upstreams_ = std::make_unique<Upstreams>(io_, *hub_, metrics_, std::move(watch));
  const std::string opening_gap = recovered_.fresh ? "" : recovered_.clean_stop ? "restart" : "unclean_stop";
  upstreams_->apply(config_.upstreams, opening_gap);
  standing_->apply(config_, opening_gap);
}

void Daemon::handle_journal() {
  events::Journal::Handlers handlers;
  handlers.durable = [this](events::EventId id) {
    hub_->on_durable(id);
    if (upstreams_) upstreams_->durable(id);
  };
  handlers.writable = [this](bool writable, const std::string& why) {
    if (writable) {
      log::info("the journal can be written again");
    } else {
      log::error(
          "the journal cannot be written; events go on to live consumers, upstream is not acknowledged",
          {{"reason", why}});
    }
    hub_->on_writable(writable);
  };
  handlers.fatal = [this](const std::string& why) {
    log::error("the journal failed; nothing more could be kept, so the daemon ends", {{"reason", why}});
    exit_code_ = 69;
    io_.stop();
  };
  handlers.forced = [this](events::EventId through, const std::string& why) {
    log::error("retention deleted events that a consumer had not had yet",
               {{"through", through}, {"reason", why}});
    hub_->set_gone_through(through);
  };
  handlers.skipped = [this](events::EventId first, events::EventId last, std::uint64_t count) {
    log::error("events went to live consumers only, the disk was full",
               {{"first", first}, {"last", last}, {"count", count}});
    hub_->say("gap", "UNRECOVERED",
              R"({"reason":"disk full","first":")" + std::to_string(first) + R"(","last":")" +
                  std::to_string(last) + R"(","count":)" + std::to_string(count) + '}');
  };
  journal_->start(std::move(handlers));
}

local::Providers Daemon::providers() {
  local::Providers providers;
  providers.metrics = [this] { return metrics_.render(); };
  providers.status = [this](const local::App& app) {
    return status_json(snapshot(), app.may(config::Scope::admin));
  };
  providers.ready = [this](const std::vector<std::string>& require) {
    return readiness(snapshot(), require);
  };
  providers.reload = [this](const local::App& app) {
    return reload(app.name.empty() ? "a local app" : app.name);
  };
  providers.handlers = {relays_.get(), standing_.get(), dropins_.get(), gateway_.get()};
  providers.consumer_expired = [this](const events::ConsumerRecord& consumer) {
    hub_->say("control", "CONSUMER_EXPIRED",
              R"({"consumer":)" + json::quoted(consumer.name) + R"(,"cursor":")" +
                  std::to_string(consumer.cursor) + "\"}");
  };
  return providers;
}

gateway::UpstreamPtr Daemon::scraping_upstream(std::string_view name) const {
  for (const config::Upstream& upstream : config_.upstreams) {
    if (upstream.kind == config::UpstreamKind::scraping && (name.empty() || upstream.name == name))
      return gateway_->upstream(upstream.name);
  }
  return nullptr;
}

Snapshot Daemon::snapshot() const {
  Snapshot now;
  now.version = BRIDGE55_VERSION;
  now.config_hash = launch_.config_hash;
  now.uptime = std::chrono::duration_cast<std::chrono::seconds>(SteadyClock::now() - started_);
  if (upstreams_) now.sessions = upstreams_->status();
  if (upstreams_) now.gaps = upstreams_->open_gaps();
  now.relays = standing_->status();
  now.relay_gaps = standing_->open_gaps();
  if (sinks_) now.sinks = sinks_->status();
  if (server_) now.consumers = server_->consumers();
  now.journal = journal_->stats();
  now.draining = draining_;
  now.limits = gateway_->limits_json();
  now.paused = gateway_->paused_json();
  now.emergency = gateway_->emergency_json();
  return now;
}

// Housekeeping, once a second.
void Daemon::tick() {
  hub_->tick(wall_now());
  gateway_->tick();
  const auto sink = sinks_->lowest_cursor(), consumer = server_->lowest_cursor();
  journal_->hold_from(std::min(sink.value_or(UINT64_MAX), consumer.value_or(UINT64_MAX)));
  if (notifier_.active()) {
    if (std::string line = status_line(snapshot()); line != last_status_) {
      notifier_.status(line);
      last_status_ = std::move(line);
    }
  }
  second_.expires_after(1s);
  second_.async_wait([this](boost::system::error_code error) {
    if (!error) tick();
  });
}

void Daemon::watch() {
  const auto interval = systemd::watchdog_interval();
  if (!interval) return;
  notifier_.watchdog();
  watchdog_timer_.expires_after(*interval);
  watchdog_timer_.async_wait([this](boost::system::error_code error) {
    if (!error) watch();
  });
}

void Daemon::wait_for_signal() {
  signals_.async_wait([this](boost::system::error_code error, int signal) {
    if (error) return;
    if (signal == SIGHUP) {
      reload("SIGHUP");
      wait_for_signal();
    } else if (!draining_) {
      drain(signal == SIGTERM ? "SIGTERM" : "SIGINT");
      wait_for_signal();
    } else {
      log::warning("stopping at once, on a second signal");
      finish();
    }
  });
}

int run_daemon(Launch launch) {
  start_log(launch.config);
  raise_descriptor_limit();
  give_large_blocks_back();
  // A log rotator's mistake must not end a trading link; a peer that went away is an error of its own.
  for (const int ignored : {SIGUSR1, SIGUSR2, SIGPIPE})
    std::signal(ignored, SIG_IGN);
  int code = 70;
  try {
    Daemon daemon(std::move(launch));
    code = daemon.run();
  } catch (const events::JournalError& error) {
    log::error("cannot start", {{"reason", error.what()}});
    code = error.exit_code;
  } catch (const local::ListenError& error) {
    log::error("cannot start", {{"reason", error.what()}});
    code = error.exit_code;
  } catch (const std::exception& error) {
    log::error("the daemon failed on a bug of its own", {{"what", error.what()}});
  }
  log::flush();
  return code;
}

}  // namespace bridge55
