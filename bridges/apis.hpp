// The REST API of each vendor, for the gateway.
#pragma once

#include "daemon/gateway/api.hpp"

namespace bridge55::bridges {

// Null for a kind without REST.
std::unique_ptr<gateway::Api> make_api(config::UpstreamKind kind);

}  // namespace bridge55::bridges
