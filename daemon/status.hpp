// The daemon's state as JSON for /status, and as checks for /readyz (contract, section 10). Pure: gathers
// what it is given.
#pragma once

#include "bridges/scraping/standing/relay_status.hpp"
#include "bridges/source.hpp"
#include "daemon/events/sink_pump.hpp"
#include "daemon/local/server.hpp"
#include "daemon/upstreams.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace bridge55 {

struct Snapshot {
  std::string version, config_hash;
  std::chrono::seconds uptime{0};
  std::vector<bridges::SessionStatus> sessions;
  std::vector<events::SinkPump::Status> sinks;
  std::vector<local::ConsumerStatus> consumers;
  std::vector<Upstreams::Gap> gaps;
  std::vector<scraping::standing::RelayStatus> relays;
  std::vector<scraping::standing::RelayGap> relay_gaps;
  events::JournalStats journal;
  bool draining = false;
  std::string limits = "[]", paused = "[]", emergency = "{}";  // JSON, of the gateway
};

// `name_consumers`: the asker may see whose consumers they are (scope admin).
std::string status_json(const Snapshot& now, bool name_consumers);

// Listeners, journal and draining decide; sessions and sinks, and relays by name, only where `require` names
// them (or `all`).
std::vector<local::Check> readiness(const Snapshot& now, const std::vector<std::string>& require);

// One line for `systemctl status`.
std::string status_line(const Snapshot& now);

}  // namespace bridge55
