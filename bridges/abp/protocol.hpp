// ABP's event protocol (vendor docs, "ABP WebSocket - Real-Time Updates"). Pure.
#pragma once

#include "bridges/upstream/protocol.hpp"
#include "config/config.hpp"

#include <memory>

namespace bridge55::abp {

std::unique_ptr<upstream::Protocol> make_protocol(const config::Upstream& settings);

}  // namespace bridge55::abp
