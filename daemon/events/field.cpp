// Dotted paths into the envelope, without building or parsing the envelope.
#include "daemon/events/filter.hpp"
#include "daemon/events/json.hpp"

#include <array>
#include <utility>

namespace bridge55::events {
namespace {

FieldValue plain(std::string_view text) {
  return {text, true, true};
}

FieldValue token(std::string_view value) {
  return {value, !value.empty(), false};
}

FieldValue inside(std::string_view value, std::string_view rest) {
  return value.empty() ? FieldValue{} : token(json::find(value, rest));
}

// The members that are text and have no JSON token of their own.
bool text_member(const Event& event, std::string_view name, std::string& scratch, FieldValue& found) {
  if (name == "channel") return found = plain(event.channel()), true;
  if (name == "event") return found = plain(event.name()), true;
  if (name == "source") return found = plain(event.source()), true;
  if (name == "key") return found = event.key().empty() ? FieldValue{} : plain(event.key()), true;
  if (name == "id") return scratch = std::to_string(event.id()), found = plain(scratch), true;
  if (name == "message_id") return scratch = event.message_id_hex(), found = plain(scratch), true;
  if (name == "received_at") return scratch = rfc3339(event.received_at()), found = plain(scratch), true;
  return false;
}

FieldValue upstream_member(const Facts& facts, std::string_view rest) {
  const std::array<std::pair<std::string_view, std::string_view>, 3> counters{
      {{"seq", facts.seq}, {"ts", facts.ts}, {"subscription", facts.subscription}}};
  for (const auto& [name, value] : counters) {
    if (rest == name) return token(value);
  }
  return {};
}

}  // namespace

std::string FieldValue::text() const {
  if (!present || (!plain && token == "null")) return {};
  return plain ? std::string(token) : json::text(token);
}

FieldValue field(const Event& event, std::string_view path, std::string& scratch) {
  const std::size_t dot = path.find('.');
  const std::string_view root = path.substr(0, dot);
  const bool whole = dot == std::string_view::npos;
  const std::string_view rest = whole ? std::string_view{} : path.substr(dot + 1);
  if (path.empty() || (!whole && rest.empty())) return {};
  if (root == "payload") return inside(event.payload(), rest);
  if (root == "old") return inside(event.facts().old, rest);
  if (root == "relay") return inside(event.facts().relay, rest);
  if (root == "upstream" && !whole) return upstream_member(event.facts(), rest);
  FieldValue found;
  if (whole && text_member(event, root, scratch, found)) return found;
  // What is left is rare (`recovered`, `encoding`, `upstream` as a whole) or nothing.
  return token(json::find(event.envelope(), path));
}

}  // namespace bridge55::events
