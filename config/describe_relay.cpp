#include "config/describe.hpp"
#include "config/scalars.hpp"

#include <array>

namespace bridge55::config {
namespace {

constexpr std::array<std::pair<std::string_view, RelayKind>, 3> kinds{
    {{"websocket", RelayKind::websocket}, {"amqp", RelayKind::amqp}, {"fetch", RelayKind::fetch}}};
constexpr std::array<std::pair<std::string_view, bool>, 2> emits{{{"on_change", false}, {"always", true}}};

constexpr std::string_view websocket = "kind: websocket";
constexpr std::string_view amqp = "kind: amqp";
constexpr std::string_view fetch = "kind: fetch";
constexpr std::string_view page = "kind: websocket or kind: fetch";

void describe_target(Visitor& v, Relay& relay) {
  const bool applies = relay.kind != RelayKind::amqp;
  v.scalar({.name = "url",
            .help = "The target.",
            .need = applies ? Need::here : Need::none,
            .applies = applies,
            .applies_to = page},
           url(relay.url, relay.kind == RelayKind::fetch ? rules::http_target : rules::ws_target));
  const auto value = [](Secret& field) { return secret(field, rules::header_value); };
  v.dictionary({.name = "headers", .help = "Sent to the target.", .applies = applies, .applies_to = page},
               dictionary_of<Secret>(relay.headers, "a header name", rules::http_token, value));
  v.dictionary({.name = "cookies", .help = "Sent to the target.", .applies = applies, .applies_to = page},
               dictionary_of<Secret>(relay.cookies, "a cookie name", rules::http_token, value));
}

void describe_websocket(Visitor& v, Relay& relay) {
  const bool applies = relay.kind == RelayKind::websocket;
  v.scalar({.name = "idle_timeout",
            .help = "Silence of the target that ends the relay; 0s: none.",
            .applies = applies,
            .applies_to = websocket},
           duration(relay.idle_timeout, {0s, 24h}));
  v.scalars({.name = "on_connect",
             .help = "Frames to send once connected.",
             .applies = applies,
             .applies_to = websocket},
            masked_texts(relay.on_connect, rules::any));
  v.sections({.name = "reply",
              .help = "Answers to frames that match as a whole.",
              .applies = applies,
              .applies_to = websocket},
             list_of<RelayReply>(relay.reply, [](Visitor& r, RelayReply& reply) {
               r.scalar({"when", "The frame.", Need::always}, text(reply.when, rules::any));
               r.scalar({"send", "The answer.", Need::always}, text(reply.send, rules::any));
             }));
}

void describe_amqp(Visitor& v, Relay& relay) {
  const bool applies = relay.kind == RelayKind::amqp;
  const auto key = [applies](std::string_view name, std::string_view help, Need need = Need::none) {
    return Key{.name = name,
               .help = help,
               .need = applies ? need : Need::none,
               .applies = applies,
               .applies_to = amqp};
  };
  v.scalar(key("host", "The broker.", Need::here), text_or_none(relay.host, rules::host));
  v.scalar(key("ssl", "AMQPS."), boolean(relay.ssl));
  v.on_read([&](const auto&) {
    if (relay.ssl) relay.port = 5671;
  });
  v.scalar(key("port", "Default: 5672, with ssl 5671."), integer(relay.port, {1, 65535}));
  v.scalar(key("virtual_host", "The broker's."), text(relay.virtual_host, rules::not_empty));
  v.scalar(key("username", "At the broker."), text(relay.username, rules::header_value));
  v.scalar(key("password", "At the broker."), secret(relay.password, rules::any));
  v.scalar(key("exchange", "To bind to."), text(relay.exchange, rules::amqp_pattern));
  v.scalar(key("routing_key", "Pattern; # is everything."), text(relay.routing_key, rules::amqp_pattern));
  v.scalar(key("queue_prefix", "Of the temporary queue's name."), text(relay.queue_prefix, rules::amqp_name));
  v.scalar(key("heartbeat", "Seconds; 0: none."), integer(relay.heartbeat, {0, 3600}));
}

void describe_fetch(Visitor& v, Relay& relay) {
  const bool applies = relay.kind == RelayKind::fetch;
  const auto key = [applies](std::string_view name, std::string_view help) {
    return Key{.name = name, .help = help, .applies = applies, .applies_to = fetch};
  };
  v.scalar(key("every", "The poll's period."), duration(relay.every, {10ms, std::chrono::hours(168)}));
  v.scalar(key("emit", "An event when the body changed, or always."), choice<bool>(relay.emit_always, emits));
  v.scalar(key("method", "Of the request."), text(relay.method, rules::method));
  v.scalar(key("body", "Of the request."), masked_text(relay.body, rules::any));
  v.scalar(key("timeout", "Of the target."), duration(relay.timeout, {1ms, 10min}));
  v.scalar(key("allow_redirects", "Whether the target's redirects are followed."),
           boolean(relay.allow_redirects));
}

}  // namespace

void describe(Visitor& v, Relay& relay) {
  v.scalar({.name = "kind", .help = "What is relayed.", .need = Need::always, .decides = true},
           choice<RelayKind>(relay.kind, kinds));
  v.scalar({"upstream", "The scraping upstream that runs it. Default: the only one."},
           text_or_none(relay.upstream, rules::name));
  describe_target(v, relay);
  v.scalar({"geo", "Countries of the agent, such as US,DE."}, text_or_none(relay.geo, rules::word));
  v.scalar({"agent", "Agents by name, such as de1,at5."}, text_or_none(relay.agent, rules::word));
  describe_websocket(v, relay);
  describe_amqp(v, relay);
  describe_fetch(v, relay);
}

}  // namespace bridge55::config
