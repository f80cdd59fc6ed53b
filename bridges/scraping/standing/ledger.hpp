// What is told and counted of one standing relay: its events under every name that asks for it, its state,
// its figures. Beside it stands the job that does the talking. I/O thread only.
#pragma once

#include "bridges/scraping/standing/life.hpp"
#include "bridges/scraping/standing/page.hpp"
#include "config/config.hpp"
#include "daemon/base/metrics.hpp"
#include "daemon/events/hub.hpp"

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace bridge55::scraping::standing {

// Ends the `relay` object of an event whose text was empty.
inline constexpr std::string_view kEmptyMark = ",\"empty\":true}";

// The connections of one name, shared with the metric that shows them and with the sockets that are attached.
struct Open {
  bool up = false;
  std::size_t attached = 0;
};

// A name of the config, and what it counts.
struct Named {
  std::string name;
  std::shared_ptr<Open> open;
};

struct Figures {
  std::uint64_t received = 0, sent = 0;  // frames, messages or pages; frames that apps and we sent into it
  std::uint64_t quarantined = 0;
  std::uint64_t polls = 0, unchanged = 0, blocked = 0, failed = 0;  // kind fetch
  WallMicros last_event_at = 0;
};

// What cannot be an event.
struct Unfit {
  std::string_view reason, bytes;
  bool is_text = false;  // valid UTF-8
  std::uint64_t size = 0;
};

class Ledger final : private Voice {
 public:
  struct Parts {
    events::Hub& hub;  // both must outlive it
    metrics::Registry& metrics;
    config::Relay relay;  // its name is that of no one: see `set_names`
    config::Retry retry;
    std::vector<std::string> secrets;  // that must not show in words of the far side
    std::string opening_gap;
  };
  explicit Ledger(Parts parts);

  // Who asks for the relay. One that is gone hears that it is DOWN for `gone_for`; a new one what the state
  // is.
  void set_names(std::vector<Named> names, std::string_view gone_for);
  // Of those that ask for it, these alone go on doing so.
  void keep_names(const std::vector<Named>& names, std::string_view gone_for);
  // Nothing is told or counted from now on.
  void fall_silent();

  void trying();
  void came_up(std::string_view node);
  config::Duration ended(End end);
  void stopped();
  void paused();
  void resumed();

  // Source, channel and event are filled in here.
  void publish(events::Facts facts);
  void quarantine(const Unfit& unfit);
  void polled(Polled what);
  void sent() { ++figures_.sent; }
  void heard() { heard_at_ = wall_now(); }
  void flush();
  bool must_pause() const;
  void warn_once(std::string_view topic, std::string_view about);

  const config::Relay& relay() const { return relay_; }
  const std::vector<Named>& names() const { return names_; }
  const Life& life() const { return life_; }
  const Figures& figures() const { return figures_; }
  bool is_up() const { return life_.state() == bridges::SessionState::up; }

 private:
  void say(std::string_view channel, std::string_view event, std::string_view members) override;
  void say_to(const Named& named, std::string_view channel, std::string_view event, std::string_view members);
  void show_up();
  std::string masked(std::string text) const;

  events::Hub& hub_;
  metrics::Registry& metrics_;
  const config::Relay relay_;
  const std::vector<std::string> secrets_;
  std::vector<Named> names_;
  Life life_;
  Figures figures_;
  WallMicros heard_at_ = 0;
  bool silent_ = false;
  std::set<std::string> warned_;
};

}  // namespace bridge55::scraping::standing
