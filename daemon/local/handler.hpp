// Serves paths that the door's own table does not hold, such as those below an upstream's name. The door has
// read and checked the request, and knows the app, before `serve` runs. Made before the server, outlives it.
// I/O thread only.
#pragma once

#include "daemon/local/http_head.hpp"
#include "daemon/local/query.hpp"
#include "daemon/local/refusal.hpp"
#include "daemon/net/stream.hpp"

#include <optional>
#include <variant>

namespace bridge55::local {

class Exchange;

class Handler {
 public:
  virtual ~Handler() = default;
  // The scopes any of which opens this request (0: anybody), or why it is refused; nothing: not a path of
  // this handler.
  virtual std::optional<std::variant<unsigned, Refusal>> find(const Head& head,
                                                              const Target& target) const = 0;
  virtual net::awaitable<void> serve(Exchange& exchange) = 0;
};

}  // namespace bridge55::local
