// Which sinks an event goes to, with which exchange, routing key and body: the contract's `routes:`. Pure.
#pragma once

#include "config/config.hpp"
#include "daemon/events/event.hpp"
#include "daemon/events/template_parts.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace bridge55::events {

// A compiled `"fills.{payload.orderCurrency}.{event|lower}"`.
class Template {
 public:
  static std::variant<Template, std::string> compile(std::string_view text);
  // For AMQP: a missing field and null render `_`; `.`, `*`, `#`, space and control characters inside a value
  // become `_`; cut at 255 bytes, never inside a UTF-8 sequence.
  std::string routing_key(const Event& event) const;

 private:
  std::vector<TemplatePart> parts_;
};

// `abp.orders.update`: the default routing key, the same sanitising.
std::string default_routing_key(const Event& event);

struct Target {
  std::size_t route = 0;  // position in the config's list; for "logged once a route"
  std::string exchange;   // empty: the sink's own
  std::string routing_key;
  config::BodyMode body = config::BodyMode::envelope;
};

// The routes as one sink sees them: each sink has its own cursor, so each asks for itself.
class SinkRoutes {
 public:
  // Errors cannot happen on a config that the loader passed; they come back as text for tests and `bridge55
  // route`.
  static std::variant<SinkRoutes, std::string> compile(
      const std::optional<std::vector<config::Route>>& routes, std::string_view sink);
  // Appends what this event becomes at the sink: nothing, one, or one for each route that names it until a
  // `stop: true` that matched. Gap events go to every sink that any route gives an event of that source, once
  // under their own key (`bridge.gap.detected`) beside what plainly matching routes with keys of their own
  // make of them.
  void targets(const Event& event, std::vector<Target>& out) const;

 private:
  struct Compiled;
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace bridge55::events
