#pragma once
// An agent's HTTP request to a target: http and https (certificates are not looked at), redirects, one
// deadline.

#include "tests/sim/http.hpp"

#include <boost/asio/awaitable.hpp>

namespace bridge55::sim {

struct Target {
  bool tls = false;
  std::string host, port, path;
};

/// The parts of an absolute http or https URL; nothing if it is none.
std::optional<Target> parse_target(const std::string& url);
/// Resolves a Location against the URL it came from.
std::string resolve_url(const std::string& base, const std::string& location);

struct FetchRequest {
  std::string method = "GET", url, body;
  Fields headers;
  milliseconds timeout{30'000};
  bool redirects = true;
};

struct FetchResult {
  unsigned error = 0;  ///< 0, or 502 or 504 as the docs say
  std::string reason;  ///< of the error
  unsigned status = 0;
  std::string body, final_url;
  Fields headers;  ///< names in lower case
  milliseconds elapsed{0};
};

boost::asio::awaitable<FetchResult> fetch(FetchRequest request);

}  // namespace bridge55::sim
