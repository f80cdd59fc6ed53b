// MM's event protocol (vendor docs, "MM WebSocket - Real-Time Updates"), this edition and the later one.
// Pure.
#pragma once

#include "bridges/upstream/protocol.hpp"
#include "config/config.hpp"

#include <memory>
#include <string>
#include <vector>

namespace bridge55::mm {

std::unique_ptr<upstream::Protocol> make_protocol(const config::Upstream& settings);

// What the subscribe message asks for: `emergency` always, because it stops placements.
std::vector<std::string> channels_of(const config::Upstream& settings);

}  // namespace bridge55::mm
