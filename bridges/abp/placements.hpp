// How ABP's placements and their answers look (vendor docs: Quickstart, "Step 3: Place an order", "Step 4:
// Track your order"; API reference, "Place betting orders", "Get orders").
#pragma once

#include "daemon/gateway/placement.hpp"

namespace bridge55::abp {

// Stateless; lives as long as the process.
const gateway::Dialect& placements();

}  // namespace bridge55::abp
