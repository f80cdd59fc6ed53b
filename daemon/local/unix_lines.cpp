#include "daemon/local/unix_lines.hpp"

#include "daemon/events/filter.hpp"
#include "daemon/events/json.hpp"
#include "daemon/local/text.hpp"

namespace bridge55::local {
namespace {

std::optional<std::string> text_or_number(std::string_view token) {
  if (json::is_string(token) || json::is_number(token)) return json::text(token);
  return {};
}

// A string with commas, or an array of strings, as the query has lists; `whole`: a string is one item.
std::optional<std::vector<std::string>> string_list(std::string_view token, bool whole) {
  std::vector<std::string> list;
  if (const auto text = text_or_number(token)) {
    if (whole) return std::vector<std::string>{*text};
    for (const std::string_view part : split_list(*text))
      list.emplace_back(part);
    return list;
  }
  bool good = true;
  const bool array = json::elements(token, [&](std::string_view element) {
    const auto text = text_or_number(element);
    if (text) list.push_back(*text);
    return good = text.has_value();
  });
  if (!array || !good) return {};
  return list;
}

std::string take_where(std::string_view value, Command& command) {
  const auto texts = string_list(value, true);
  if (!texts) return "where: expected a text such as payload.userRef:eq:x, or an array of them";
  std::vector<config::Condition> conditions;
  for (const std::string& text : *texts) {
    auto condition = events::Filter::parse_where(text);
    if (const auto* fault = std::get_if<std::string>(&condition)) return "where: " + *fault;
    conditions.push_back(std::move(std::get<config::Condition>(condition)));
  }
  command.where = std::move(conditions);
  return {};
}

std::string take_consumer(std::string_view value, Command& command) {
  if (!json::is_string(value) || !valid_consumer_name(json::text(value))) {
    return "consumer: a name has 1 to 128 letters, digits or any of ._:@~-";
  }
  command.consumer = json::text(value);
  return {};
}

std::string take_after(std::string_view value, Command& command) {
  const auto text = text_or_number(value);
  auto start = parse_start(text.value_or(""));
  if (const auto* refusal = std::get_if<Refusal>(&start)) return refusal->message;
  command.start = std::get<Start>(start);
  return {};
}

std::string take_ack(std::string_view value, Command& command) {
  const auto text = text_or_number(value);
  const auto id = text ? parse_decimal(*text) : std::nullopt;
  if (!id) return "ack: expected an event id";
  command.ack = *id;
  return {};
}

std::string take_member(std::string_view name, std::string_view value, Command& command) {
  if (name == "consumer") return take_consumer(value, command);
  if (name == "after") return take_after(value, command);
  if (name == "ack") return take_ack(value, command);
  if (name == "where") return take_where(value, command);
  if (name == "snapshot") {
    return value == "false" ? ""
                            : "snapshot: snapshots are not available in this version; use {\"after\": …}";
  }
  std::optional<std::vector<std::string>>* list = name == "source"    ? &command.source
                                                  : name == "channel" ? &command.channel
                                                  : name == "event"   ? &command.event
                                                  : name == "key"     ? &command.key
                                                                      : nullptr;
  if (!list)
    return "unknown member `" + std::string(name) +
           "`; known are consumer, after, ack, source, channel, event, key, where";
  *list = string_list(value, false);
  return *list ? "" : std::string(name) + ": expected a text or an array of texts";
}

}  // namespace

void Command::apply_to(config::Match& match) const {
  if (source) match.source = *source;
  if (channel) match.channel = *channel;
  if (event) match.event = *event;
  if (key) match.key = *key;
  if (where) match.where = *where;
}

std::variant<Command, std::string> parse_command(std::string_view line) {
  if (const std::string_view fault = json::validate_copy(line); !fault.empty())
    return "not JSON: " + std::string(fault);
  Command command;
  std::string fault;
  bool any = false;
  const bool object = json::members(line, [&](std::string_view raw_name, std::string_view value) {
    any = true;
    std::string quoted_name = "\"" + std::string(raw_name) + "\"";
    fault = take_member(json::text(quoted_name), value, command);
    return fault.empty();
  });
  if (!object || !any)
    return std::string("expected an object such as {\"consumer\": \"risk\"} or {\"ack\": \"<id>\"}");
  if (!fault.empty()) return fault;
  return command;
}

std::string error_line(std::string_view message) {
  std::string out = R"({"error":)";
  json::append_quoted(out, message);
  return out += '}';
}

}  // namespace bridge55::local
