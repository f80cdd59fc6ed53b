// The Scraping API's HTTP endpoints as the gateway sees them (vendor docs: Scraping API Overview).
#pragma once

#include "daemon/gateway/api.hpp"

namespace bridge55::scraping {

std::unique_ptr<gateway::Api> make_api();

}  // namespace bridge55::scraping
