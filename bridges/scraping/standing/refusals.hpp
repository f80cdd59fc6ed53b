// What the gateway's own refusals and the vendor's answers mean for a relay that asks over HTTP. Pure.
#pragma once

#include "bridges/scraping/standing/ends.hpp"
#include "daemon/local/refusal.hpp"
#include "daemon/net/http_response.hpp"

#include <chrono>

namespace bridge55::scraping::standing {

End end_of_refusal(const local::Refusal& refusal);
// Retry-After of an answer; 0: none.
std::chrono::milliseconds asked_delay(const net::ResponseHead& head);

}  // namespace bridge55::scraping::standing
