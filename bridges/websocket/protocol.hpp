// Any other WebSocket feed of JSON texts or binary frames: every frame is an event, and `fields:` says where
// its parts are. Pure.
#pragma once

#include "bridges/upstream/protocol.hpp"
#include "config/config.hpp"

#include <memory>

namespace bridge55::websocket {

std::unique_ptr<upstream::Protocol> make_protocol(const config::Upstream& settings);

}  // namespace bridge55::websocket
