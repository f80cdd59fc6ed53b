// ABP's REST API as the gateway sees it (vendor docs: ABP API Overview, "Endpoints at a glance").
#pragma once

#include "daemon/gateway/api.hpp"

namespace bridge55::abp {

std::unique_ptr<gateway::Api> make_api();

}  // namespace bridge55::abp
