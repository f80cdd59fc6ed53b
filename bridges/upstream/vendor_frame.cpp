#include "bridges/upstream/vendor_frame.hpp"

#include "daemon/events/json.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace bridge55::upstream {

void Incoming::clear() {
  type = Type::other;
  facts = {};
  type_name = reason = subscription = channels = answer = {};
  message.clear();
  acknowledgments = batch_ack = false;
  require_ack = true;
}

namespace {

using Type = Incoming::Type;

// The top-level members that mean something to us, as raw tokens.
struct Members {
  std::string_view type, channel, event, payload, old, ts, seq, require_ack;
  std::string_view message, error, detail, code;
  std::string_view subscription, channels, features;
};

struct Name {
  std::string_view name;
  std::string_view Members::*token;
};

// The most frequent first.
constexpr Name kNames[] = {
    {"type", &Members::type},
    {"channel", &Members::channel},
    {"event", &Members::event},
    {"payload", &Members::payload},
    {"ts", &Members::ts},
    {"seq", &Members::seq},
    {"old", &Members::old},
    {"requireAck", &Members::require_ack},
    {"message", &Members::message},
    {"error", &Members::error},
    {"detail", &Members::detail},
    {"code", &Members::code},
    {"subscriptionId", &Members::subscription},
    {"subscription_id", &Members::subscription},
    {"channels", &Members::channels},
    {"features", &Members::features},
};

constexpr std::pair<std::string_view, Type> kTypes[] = {
    {"data", Type::data},         {"broadcast", Type::data},   {"ping", Type::ping},
    {"pong", Type::alive},        {"heartbeat", Type::alive},  {"login_ok", Type::ready},
    {"subscribed", Type::ready},  {"error", Type::error},      {"reconnect", Type::reconnect},
    {"login_error", Type::error}, {"auth_error", Type::error},
};

bool cut(std::string_view frame, Members& members) {
  return json::members(frame, [&](std::string_view key, std::string_view value) {
    for (const Name& known : kNames) {
      if (key == known.name) {
        members.*known.token = value;
        return true;
      }
    }
    if (key.find('\\') == key.npos) return true;
    for (const Name& known : kNames) {
      if (json::same_name(key, known.name)) members.*known.token = value;
    }
    return true;
  });
}

std::string_view decoded(std::string_view token, std::string& buffer) {
  if (!json::is_string(token)) return {};
  if (token.find('\\') == token.npos) return token.substr(1, token.size() - 2);
  buffer = json::text(token);
  return buffer;
}

bool is_null(std::string_view token) {
  return token.empty() || token == "null";
}

// `"text"`, or the `message` and `code` of an object (vendor drift: `detail` is a string or an object, or the
// text is under `error`).
void append_words(std::string& out, std::string_view token) {
  if (is_null(token)) return;
  if (!out.empty()) out += ": ";
  if (!token.starts_with('{')) {
    out += json::text(token);
    return;
  }
  const std::string_view message = json::find(token, "message"), code = json::find(token, "code");
  if (!message.empty()) out += json::text(message);
  if (!code.empty()) out += " (" + json::text(code) + ")";
}

void read_error(const Members& members, Incoming& into) {
  into.type = Type::error;
  append_words(into.message, members.message);
  append_words(into.message, members.error);
  append_words(into.message, members.detail);
  if (!is_null(members.code)) into.message += " (" + json::text(members.code) + ")";
  if (into.message.empty()) into.message = "error without a message";
}

void read_ready(const Members& members, Incoming& into) {
  if (!is_null(members.subscription)) into.subscription = members.subscription;
  into.channels = members.channels;
  if (!members.features.starts_with('{')) return;
  into.acknowledgments = json::find(members.features, "acknowledgments") == "true";
  into.batch_ack = json::find(members.features, "batchAck") == "true";
}

void read_data(std::string_view frame, const Members& members, std::span<const ChannelKey> keys,
               Incoming& into) {
  events::Facts& facts = into.facts;
  facts.channel = decoded(members.channel, into.channel_text);
  if (facts.channel.empty()) {
    into.type = Type::broken;
    into.reason = "data frame without a channel";
    return;
  }
  into.type = Type::data;
  facts.name = decoded(members.event, into.name_text);
  if (facts.name.empty()) facts.name = into.type_name.empty() ? "MESSAGE" : into.type_name;
  facts.payload = members.payload.empty() ? std::string_view("null") : members.payload;
  facts.old = members.old;
  facts.ts = members.ts;
  facts.seq = members.seq;
  facts.raw = frame;
  facts.key = key_of(keys, facts.channel, facts.payload, into.key_text);
  if (facts.key.empty() && !facts.old.empty())
    facts.key = key_of(keys, facts.channel, facts.old, into.key_text);
  into.require_ack = members.require_ack != "false";
}

}  // namespace

void read_vendor_frame(std::string_view frame, std::span<const ChannelKey> keys, Incoming& into) {
  into.clear();
  into.reason = json::validate(frame);
  Members members;
  if (into.reason.empty() && !cut(frame, members)) into.reason = "not an object";
  if (!into.reason.empty()) {
    into.type = Type::broken;
    return;
  }
  into.type_name = decoded(members.type, into.type_text);
  const auto known = std::ranges::find(kTypes, into.type_name, &std::pair<std::string_view, Type>::first);
  const bool has_event = !is_null(members.channel) && !members.payload.empty();
  if (known != std::end(kTypes)) {
    into.type = known->second;
  } else if (has_event) {
    into.type = Type::data;
  } else if (into.type_name.empty() && !(is_null(members.error) && is_null(members.detail))) {
    into.type = Type::error;
  }
  switch (into.type) {
    case Type::data:
      if (known != std::end(kTypes)) into.type_name = {};
      return read_data(frame, members, keys, into);
    case Type::error:
      return read_error(members, into);
    case Type::ready:
      into.answer = frame;
      return read_ready(members, into);
    case Type::reconnect:
      return append_words(into.message, json::find(frame, "reason"));
    default:
      return;
  }
}

std::string merged_object(std::vector<Member> members, std::string_view overrides) {
  std::vector<std::string> names;  // of what is added
  json::members(overrides, [&](std::string_view key, std::string_view value) {
    const auto same =
        std::ranges::find_if(members, [&](const Member& m) { return json::same_name(key, m.name); });
    if (same != members.end()) {
      same->value = value;
    } else {
      names.push_back("\"" + std::string(key) + "\":" + std::string(value));
    }
    return true;
  });
  std::string out = "{";
  const auto add = [&out](std::string_view text) {
    if (out.size() > 1) out += ',';
    out += text;
  };
  for (const Member& member : members) {
    if (member.value != "null") add(json::quoted(member.name) + ":" + member.value);
  }
  for (const std::string& added : names) {
    if (!added.ends_with(":null")) add(added);
  }
  return out + "}";
}

std::string channel_list(std::span<const std::string> channels) {
  std::string out = "[";
  for (const std::string& channel : channels) {
    if (out.size() > 1) out += ',';
    json::append_quoted(out, channel);
  }
  return out + "]";
}

}  // namespace bridge55::upstream
