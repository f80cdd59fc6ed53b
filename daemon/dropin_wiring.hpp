// Joins the drop-in endpoints to the upstream sessions.
#pragma once

#include "daemon/dropin/dropins.hpp"
#include "daemon/upstreams.hpp"

#include <functional>
#include <memory>

namespace bridge55 {

// `upstreams` is asked when it is needed, because the sessions start last.
std::unique_ptr<dropin::DropIns> make_dropins(boost::asio::io_context& io,
                                              std::function<Upstreams&()> upstreams);
// Tells the endpoints what they want to hear of the sessions.
void listen(Upstreams::Watch& watch, dropin::DropIns& dropins);

}  // namespace bridge55
