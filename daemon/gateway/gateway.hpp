// Everything that an app asks of the vendor goes through here: `/{upstream}/…`, the trades and the switches
// that stop them (contract, section 6). Made before the server, outlives it. I/O thread only.
#pragma once

#include "config/config.hpp"
#include "daemon/events/hub.hpp"
#include "daemon/events/journal.hpp"
#include "daemon/gateway/desk.hpp"
#include "daemon/gateway/upstream.hpp"
#include "daemon/local/handler.hpp"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace bridge55::gateway {

class VendorLine;

class Gateway final : public local::Handler {
 public:
  struct Setup {
    boost::asio::io_context& io;
    events::Hub& hub;
    metrics::Registry& metrics;
    MakeApi make_api;
    std::string sent_window_path;  // the file that remembers the last window's sends
  };
  Gateway(Setup setup, const config::Config& config, const events::Recovered& recovered);
  ~Gateway() override;

  // Trades that the last run left open are looked up from here on.
  void resume(events::Recovered& recovered);
  // A reload: what did not change goes on undisturbed.
  void apply(const config::Config& config);
  void tick();  // once a second
  // Ends streams of events, so that the requests under way can come to their end.
  void drain();
  // Ends every request; what is open is taken up by the next start.
  void stop();

  // One upstream with a REST API, by name; null where there is none. For what goes there on other ways, under
  // the same limit.
  UpstreamPtr upstream(std::string_view name) const;

  // From the event sessions: the vendor's `emergency` channel, and the end of the session that told it.
  void emergency_told(std::string_view source, std::string_view payload);
  void session_ended(std::string_view source);

  // For /status, each a JSON value.
  std::string limits_json() const;
  std::string paused_json() const;
  std::string emergency_json() const;

  std::optional<std::variant<unsigned, local::Refusal>> find(const local::Head& head,
                                                             const local::Target& target) const override;
  net::awaitable<void> serve(local::Exchange& exchange) override;

 private:
  UpstreamPtr upstream_of(std::string_view path) const;
  net::awaitable<void> serve_story(local::Exchange& exchange);
  net::awaitable<void> serve_switch(local::Exchange& exchange, bool pauses);
  std::vector<Guard> guards_for(const Upstream& upstream, const local::Exchange& exchange) const;
  std::string pause(const PauseScope& scope, const std::string& by);
  std::string resume(const PauseScope& scope, bool overrule, const std::string& by);
  void store_emergency(const Upstream& upstream);
  void open_sent_window(const std::vector<config::Upstream>& upstreams);
  UpstreamPtr make(const config::Upstream& settings);

  Setup setup_;
  std::shared_ptr<SentWindow> sent_ = std::make_shared<SentWindow>();
  std::map<std::string, std::size_t> rings_;  // of the window file, with room for how many sends
  Pauses pauses_;
  std::map<std::string, config::Guard> client_guards_;
  std::map<std::string, std::string> restored_emergencies_;
  std::vector<UpstreamPtr> upstreams_;
  std::map<std::string, std::unique_ptr<VendorLine>> lines_;
  std::vector<std::unique_ptr<VendorLine>> old_lines_;  // of upstreams that a reload took away
  Desk desk_;
};

}  // namespace bridge55::gateway
