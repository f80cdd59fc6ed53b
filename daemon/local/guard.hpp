// A browser on this machine is not an app (contract, section 9): which requests are refused for where they
// come from, before anything else happens. Pure.
#pragma once

#include "config/config.hpp"
#include "daemon/local/http_head.hpp"
#include "daemon/local/query.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace bridge55::local {

// The listener that a request came through.
struct Door {
  bool unix_socket = false, tls = false;
  std::string address;     // TCP: the address it is bound to, as text
  std::uint16_t port = 0;  // TCP: resolved
};

struct Admission {
  std::optional<Refusal> refusal;  // 400, 403 or 421
  std::string cors_origin;  // the Origin to name in Access-Control-Allow-Origin; empty: no CORS header at all
};
Admission admit(const Head& head, const Door& door, const config::Http& settings);

// A secret in a URL ends up in histories and logs: refused, whatever its value.
std::optional<Refusal> refuse_secrets_in_url(const Params& query);

// Whether text is `localhost` or a loopback address, IPv6 in brackets or not, as strictly as inet_pton reads
// it.
bool is_loopback_name(std::string_view host);

}  // namespace bridge55::local
