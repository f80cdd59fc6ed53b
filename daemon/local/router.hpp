// Which endpoint serves a path, with which scope: one table (contract, sections 5, 9 and 10). Pure.
#pragma once

#include "config/config.hpp"
#include "daemon/local/refusal.hpp"

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace bridge55::local {

class Handler;

enum class Endpoint {
  front_page,
  events,
  events_page,
  ack,
  consumer,
  alive,
  ready,
  metrics,
  status,
  reload,
  handler,  // another part of the daemon: local/handler.hpp
};

struct Route {
  std::string_view method;  // GET serves HEAD too
  std::string_view path;    // a final `*` takes one segment
  Endpoint endpoint;
  unsigned scopes;  // config::Scope bits, any of which opens it; 0: anybody who comes through the guard
};
const std::vector<Route>& routes();

struct Routed {
  Endpoint endpoint;
  unsigned scopes;
  std::string segment;  // what `*` stood for
  Handler* handler = nullptr;
};
// 404 with NOT_FOUND, or 405 with Allow.
std::variant<Routed, Refusal> route(std::string_view method, std::string_view path);

}  // namespace bridge55::local
