// The target of a request, taken apart, and what the query of an event endpoint asks for (contract, section
// 5). Pure.
#pragma once

#include "config/config.hpp"
#include "daemon/base/clock.hpp"
#include "daemon/events/event.hpp"
#include "daemon/events/filter.hpp"
#include "daemon/local/refusal.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace bridge55::local {

using Params = std::vector<std::pair<std::string, std::string>>;  // decoded, in order

struct Target {
  std::string path;  // decoded; holds no encoded slash, no dot segment, no control character; below /via/
                     // as sent
  Params query;
};
std::variant<Target, Refusal> parse_target(std::string_view target);

// Where a stream or page begins.
struct Start {
  enum class Kind { unset, now, earliest, after } kind = Kind::unset;
  events::EventId id = 0;  // of `after`, exclusive
};
std::variant<Start, Refusal> parse_start(std::string_view text);

// Names are what apps put into URLs and log lines: letters, digits, `._:@~-`, at most 128.
bool valid_consumer_name(std::string_view name);

struct StreamQuery {
  events::Filter filter;
  Start start;
  std::string consumer;
  bool named = false;
};
// `last_event_id`: the header of that name; it wins over `after`, because a reconnecting EventSource repeats
// its URL.
std::variant<StreamQuery, Refusal> parse_stream_query(const Params& params, std::string_view last_event_id);

struct PageQuery {
  events::Filter filter;
  Start start;
  events::EventId before = 0;  // exclusive; 0: none
  std::size_t limit = 100;
  WallMicros from = 0, to = 0;  // inclusive; 0: none
};
std::variant<PageQuery, Refusal> parse_page_query(const Params& params);

// RFC 3339; digits below the microsecond are cut. A space may stand for the `+` that a query turned into one.
std::optional<WallMicros> parse_rfc3339(std::string_view text);

}  // namespace bridge55::local
