// `/via/http(s)://…`: any HTTP client's request, fetched through the scraping network, answered as the target
// answered (contract, section 5, "Relays"). Lives in the connection's coroutine. I/O thread only.
#pragma once

#include "bridges/scraping/relay_target.hpp"
#include "daemon/gateway/upstream.hpp"
#include "daemon/local/exchange.hpp"
#include "daemon/local/refusal.hpp"

#include <string>

namespace bridge55::scraping {

struct Via {
  gateway::UpstreamPtr upstream;
  std::string url;
  SignsIn signs_in;
};
net::awaitable<void> serve_via_fetch(local::Exchange& exchange, Via via);

// What every answer below /via carries: nothing of a target ever runs in the daemon's own origin.
std::vector<std::pair<std::string, std::string>> sandbox_headers();
local::Refusal sandboxed(local::Refusal refusal);

}  // namespace bridge55::scraping
