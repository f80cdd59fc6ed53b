#pragma once
// The body of POST /amqp. Vendor docs: OpenAPI, AmqpConsumeBody. No sockets here.

#include "tests/sim/http.hpp"
#include "tests/sim/scraping.hpp"

#include <optional>
#include <string>

namespace bridge55::sim {

struct AmqpOrder {
  std::string host, virtual_host = "/", username, password, exchange, routing_key = "#",
                    queue_prefix = "scrape";
  unsigned port = 5672;
  bool ssl = false;
  unsigned heartbeat = 60;  ///< seconds, 0 = none
  AgentFilter filter;
  Agent agent;      ///< who does it
  std::string key;  ///< of the API
};

/// Reads the body; the 422 or 400 where it is not as documented.
std::optional<HttpResponse> read_amqp_order(const std::string& body, AmqpOrder& order);

}  // namespace bridge55::sim
