// The one way in for the daemon: an upstream's event feed from its settings.
#pragma once

#include "bridges/source.hpp"
#include "config/config.hpp"
#include "daemon/base/metrics.hpp"

#include <memory>

namespace boost::asio {
class io_context;
}

namespace bridge55::bridges {

// `io`, `host` and `metrics` must outlive the source. `opening_gap`: why nobody knows what was
// missed before this start (`restart`, `unclean_stop`, `reload`); empty where nothing was. `slot` tells
// parallel sessions of an upstream apart. Throws
// std::invalid_argument for settings that the config's check does not pass.
std::unique_ptr<Source> make_source(boost::asio::io_context& io, const config::Upstream& settings,
                                    SourceHost& host, metrics::Registry& metrics,
                                    std::string opening_gap = {}, unsigned slot = 0);

}  // namespace bridge55::bridges
