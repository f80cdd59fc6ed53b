// Which protocol a kind of upstream speaks.
#pragma once

#include "bridges/upstream/protocol.hpp"
#include "config/config.hpp"

#include <memory>

namespace bridge55::upstream {

// `settings` must outlive it. Throws std::invalid_argument for a kind without an event socket.
std::unique_ptr<Protocol> make_protocol(const config::Upstream& settings);

}  // namespace bridge55::upstream
