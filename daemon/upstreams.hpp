// The upstream event sessions of a config: starts, stops and replaces them, and is their host. I/O thread
// only.
#pragma once

#include "bridges/source.hpp"
#include "bridges/upstream/growing_source.hpp"
#include "config/config.hpp"
#include "daemon/events/hub.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace boost::asio {
class io_context;
}

namespace bridge55 {

class Upstreams {
 public:
  struct Gap {  // one that is open: DETECTED was said, its end was not
    std::string source, reason;
    WallMicros since = 0;
  };

  // What the gateway wants to hear of the sessions.
  struct Watch {
    std::function<void(std::string_view source, std::string_view payload)> emergency;
    std::function<void(std::string_view source)> ended;
    // What the drop-in endpoints want to hear: whether a session came up or went down, its login's answer,
    // and that a gap ended UNRECOVERED.
    std::function<void(std::string_view source, bool up)> session;
    std::function<void(std::string_view source, std::string_view answer)> login_answered;
    std::function<void(std::string_view source)> events_lost;
  };
  Upstreams(boost::asio::io_context& io, events::Hub& hub, metrics::Registry& metrics, Watch watch);
  ~Upstreams();

  // Starts what is new, replaces what changed, stops what is gone; sessions whose settings did not change are
  // not touched. `opening_gap`: new sessions begin with a gap for this reason, because nobody knows what was
  // missed before (empty: nothing was).
  void apply(const std::vector<config::Upstream>& wanted, const std::string& opening_gap = {});
  // Makes an upstream's subscription ask for other channels, without losing an event; `channels` is called
  // when it does, `done` from the loop.
  void grow(std::string_view source, upstream::GrowingSource::Channels channels,
            std::function<void(upstream::Grown)> done);
  void durable(events::EventId id);
  void resume();
  void stop(std::function<void()> stopped);
  std::vector<bridges::SessionStatus> status() const;
  std::vector<Gap> open_gaps() const;

 private:
  struct Entry;
  bool serves(const Entry& entry) const;
  void remove(std::unique_ptr<Entry> entry, std::function<void()> removed);

  boost::asio::io_context& io_;
  events::Hub& hub_;
  metrics::Registry& metrics_;
  Watch watch_;
  std::vector<std::unique_ptr<Entry>> entries_;
  std::map<std::string, Gap> gaps_;
};

}  // namespace bridge55
