// Who is asking: the app behind a request or a stream, known before any handler runs (contract, section 9).
#pragma once

#include "config/config.hpp"

#include <string>

namespace bridge55::local {

struct App {
  std::string name;     // the client's name in the config; empty where no `clients:` section tells apps apart
  unsigned scopes = 0;  // config::Scope bits
  bool identified = false;  // by token or by the peer's user or group
  bool may(config::Scope scope) const { return (scopes & static_cast<unsigned>(scope)) != 0; }
};

}  // namespace bridge55::local
