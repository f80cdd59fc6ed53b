// What each endpoint answers: the handler behind every connection.
#pragma once

#include "daemon/local/exchange.hpp"
#include "daemon/local/server.hpp"

#include <string>
#include <vector>

namespace bridge55::local {

struct Context;

net::awaitable<void> serve(Context& context, Exchange& exchange);

// Pure: /readyz as JSON. `verbose` lists every check.
Answer readiness_answer(const std::vector<Check>& checks, bool verbose);

}  // namespace bridge55::local
