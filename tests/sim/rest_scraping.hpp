#pragma once
// The Scraping API's routes. Vendor docs: Scraping API Overview, Authentication, Error Handling, Quickstart.

#include "tests/sim/rest.hpp"

#include <boost/asio/awaitable.hpp>

namespace bridge55::sim {

/// Answers a request: faults, key, bucket, route. Both arguments outlive the coroutine.
boost::asio::awaitable<HttpResponse> answer_scraping(Vendor& vendor, const HttpRequest& request,
                                                     const FaultPlan& plan);

/// POST /browser and everything on /fetch, behind the key check.
boost::asio::awaitable<HttpResponse> relay_fetch(const Call& call);
boost::asio::awaitable<HttpResponse> relay_browser(const Call& call);

/// The agents that the control headers allow; the 400 where they are not well-formed.
std::optional<HttpResponse> read_filter(const std::string& geo, const std::string& agents,
                                        AgentFilter& filter);
/// The value of X-Geo under any of its names, empty if absent.
std::string geo_of(const HttpRequest& request);

/// The documented error: `{"detail": …}`.
HttpResponse scraping_error(unsigned status, const std::string& detail);

}  // namespace bridge55::sim
