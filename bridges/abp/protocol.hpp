// ABP's event protocol (vendor docs, "ABP WebSocket - Real-Time Updates"). Pure.
#pragma once

#include "bridges/upstream/protocol.hpp"
#include "config/config.hpp"

#include <memory>
#include <string>
#include <vector>

namespace bridge55::abp {

std::unique_ptr<upstream::Protocol> make_protocol(const config::Upstream& settings);

// What the login asks for; empty: everything. In any other list `emergency` is always wanted: it stops
// placements.
std::vector<std::string> channels_of(const config::Upstream& settings);

}  // namespace bridge55::abp
