// What stops placements by decision, not by failure: pauses that people set, and the vendor's emergency
// (contract, section 6). Pure; what survives a restart goes through `text` and `restore`.
#pragma once

#include "daemon/base/clock.hpp"
#include "daemon/local/refusal.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bridge55::gateway {

// Their names among the journal's switches; an emergency's is followed by its upstream.
inline constexpr std::string_view kPausesSwitch = "pauses", kEmergencySwitch = "emergency:";

// Which placements a pause stops: an empty member narrows nothing.
struct PauseScope {
  std::string app, upstream;
  friend auto operator<=>(const PauseScope&, const PauseScope&) = default;
};

struct Pause {
  PauseScope scope;
  std::string by;
  WallMicros since = 0;
};

class Pauses {
 public:
  void pause(Pause pause);
  // Ends every pause inside the scope: without members all of them. How many there were.
  std::size_t resume(const PauseScope& scope);
  const Pause* stops(std::string_view app, std::string_view upstream) const;
  std::vector<Pause> all() const;

  std::string text() const;             // JSON; empty: none
  bool restore(std::string_view text);  // false: it cannot be read

 private:
  std::map<PauseScope, Pause> all_;
};

// One upstream's emergency, as its channel told it last.
class Emergency {
 public:
  // An event of the channel. True: the value has changed. What says neither on nor off changes nothing.
  bool told(std::string_view payload, WallMicros at);
  void session_ended() { stale_ = true; }
  // Lets placements pass until the channel tells another value. False: there was nothing to overrule.
  bool overrule(std::string_view by);

  bool active() const { return active_; }
  bool blocks() const { return active_ && by_.empty(); }
  std::string status() const;  // JSON: active, stale, overruled_by, since, payload

  std::string text() const;  // empty: nothing was told
  // What cannot be read counts as an emergency: nobody can say that there was none.
  void restore(std::string_view text);

 private:
  bool active_ = false, stale_ = false;
  std::string payload_;  // as told
  std::string by_;       // who overruled it
  WallMicros since_ = 0;
};

local::Refusal paused(const Pause& pause);
local::Refusal emergency(std::string_view upstream, const Emergency& emergency);

}  // namespace bridge55::gateway
