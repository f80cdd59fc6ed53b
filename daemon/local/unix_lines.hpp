// What an app may say on a stream: lines on a UNIX feed, text frames on a WebSocket (contract, section 5).
// Pure.
//
//     {"consumer": "risk", "after": "earliest", "source": "abp", "channel": ["orders", "bets"], "where":
//     "payload.userRef:eq:x"}
//     {"ack": "1771183909789001"}
#pragma once

#include "config/config.hpp"
#include "daemon/events/event.hpp"
#include "daemon/local/query.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace bridge55::local {

// One line, understood. A filter member that is there replaces that member of the stream's filter; an empty
// one clears it.
struct Command {
  std::optional<std::string> consumer;
  Start start;  // unset: no `after`
  std::optional<events::EventId> ack;
  std::optional<std::vector<std::string>> source, channel, event, key;
  std::optional<std::vector<config::Condition>> where;

  bool changes_filter() const { return source || channel || event || key || where; }
  bool repositions() const { return consumer || start.kind != Start::Kind::unset; }
  void apply_to(config::Match& match) const;
};

// The command, or what is wrong with the line in words.
std::variant<Command, std::string> parse_command(std::string_view line);

// `{"error": "…"}` without a line end.
std::string error_line(std::string_view message);

}  // namespace bridge55::local
