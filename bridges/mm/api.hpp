// MM's REST API as the gateway sees it (vendor docs: MM API Overview; drift.md for /api/v1/trading).
#pragma once

#include "daemon/gateway/api.hpp"

namespace bridge55::mm {

std::unique_ptr<gateway::Api> make_api();

}  // namespace bridge55::mm
