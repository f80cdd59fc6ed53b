// A standing relay as /status shows it.
#pragma once

#include "bridges/source.hpp"
#include "config/config.hpp"
#include "daemon/base/clock.hpp"

#include <cstdint>
#include <string>

namespace bridge55::scraping::standing {

struct RelayStatus {
  std::string name, source;
  config::RelayKind kind = config::RelayKind::websocket;
  bridges::SessionState state = bridges::SessionState::connecting;
  std::string reason;            // of its last end, in words and without secrets; empty: there was none
  std::string node_id;           // of the agent at work, or the last one; empty: not told
  WallMicros since = 0;          // of the state
  WallMicros last_event_at = 0;  // 0: none yet
  std::uint64_t reconnects = 0, attached = 0, received = 0, sent = 0, quarantined = 0;
  std::uint64_t polls = 0, unchanged = 0, blocked = 0, failed = 0;  // kind fetch
};

// A gap that is open: DETECTED was said, its end was not.
struct RelayGap {
  std::string source, relay, reason;
  WallMicros since = 0;
};

std::string_view name_of(config::RelayKind kind);

}  // namespace bridge55::scraping::standing
