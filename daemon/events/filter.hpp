// Which events a consumer or route wants: the lists and `where` conditions of the contract's sections 4
// and 5. Pure.
#pragma once

#include "config/config.hpp"
#include "daemon/events/event.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace bridge55::events {

// The raw JSON token at a dotted path into the envelope (`source`, `upstream.seq`, `payload.orderStatus`,
// `relay.routing_key`); what is a string in the envelope but has no token of its own (source, channel, event,
// key, id, …) comes as text with `plain` true. The token is a view into the event or into `scratch`.
struct FieldValue {
  std::string_view token;  // empty and !present: not there
  bool present = false;
  bool plain = false;  // token is text, not JSON
  std::string text()
      const;  // as a template shows it: strings unescaped, numbers as sent, null and absent empty
};
FieldValue field(const Event& event, std::string_view path, std::string& scratch);

class Filter {
 public:
  Filter() = default;
  // A compiled match, or what is wrong with it (a bad regular expression, say).
  static std::variant<Filter, std::string> compile(const config::Match& match);
  // One `where=field:op:value` of a query, or what is wrong and what was expected. `in` and `not_in` take
  // lists by comma.
  static std::variant<config::Condition, std::string> parse_where(std::string_view text);

  bool everything() const { return everything_; }
  // A `bridge`/`gap` event passes wherever the filter's sources take in the source it speaks of (section 3).
  bool matches(const Event& event) const;
  // The same without the rule for gaps, and the parts that routes need to apply that rule to a sink as a
  // whole.
  bool matches_plainly(const Event& event) const;
  bool takes_source(std::string_view source) const;  // no list of sources, or one that holds this one
  bool only_sources() const;                         // nothing but sources is asked for

 private:
  struct Compiled;
  std::shared_ptr<const Compiled> compiled_;  // shared by copies: a filter is a value
  bool everything_ = true;
};

}  // namespace bridge55::events
