// Where an upstream is and through which proxy it is reached. Pure: the environment is a parameter.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace bridge55::net {

struct Endpoint {
  bool tls = false;
  std::string host;  // without brackets
  std::uint16_t port = 0;
  std::string target;       // path and query
  std::string host_header;  // with brackets, and with the port where it is not the scheme's own
};

// ws, wss, http and https; nothing where the text is no such URL.
std::optional<Endpoint> parse_endpoint(std::string_view url);

struct Proxy {
  std::string host;
  std::uint16_t port = 0;
  std::string basic_credentials;  // base64 of user:password; empty: none
};
struct ProxyChoice {
  std::optional<Proxy> proxy;
  std::string trouble;  // a proxy is asked for and cannot be used; without its credentials
};

using Environment = std::function<std::string(const char* name)>;  // empty: not set

// The configured proxy, else HTTPS_PROXY less NO_PROXY for a TLS endpoint (either letter case, as curl reads
// them).
ProxyChoice choose_proxy(const Endpoint& endpoint, std::string_view configured,
                         const Environment& environment);

}  // namespace bridge55::net
