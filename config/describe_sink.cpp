#include "config/describe.hpp"
#include "config/scalars.hpp"

#include <array>

namespace bridge55::config {
namespace {

constexpr std::array<std::pair<std::string_view, SinkKind>, 2> kinds{
    {{"rabbitmq", SinkKind::rabbitmq}, {"unix", SinkKind::unix_socket}}};
constexpr std::array<std::pair<std::string_view, Declare>, 3> declares{
    {{"active", Declare::active}, {"passive", Declare::passive}, {"none", Declare::none}}};
constexpr std::array<std::string_view, 3> queue_types{"quorum", "classic", "stream"};

constexpr std::string_view default_broker = "amqp://guest:guest@127.0.0.1:5672/%2F";
constexpr std::string_view default_socket = "/run/bridge55/events.sock";

void describe_exchange(Visitor& v, Exchange& exchange) {
  v.scalar({"name", "The exchange that events go to."}, text(exchange.name, rules::amqp_name));
  v.scalar({"type", "topic, direct, fanout, headers or a plugin's x-… type."},
           text(exchange.type, rules::exchange_type));
  v.scalar({"durable", "Whether it survives the broker's restart."}, boolean(exchange.durable));
}

void describe_queue(Visitor& v, Queue& queue) {
  v.scalar({"name", "The queue.", Need::always}, text(queue.name, rules::amqp_name));
  v.scalar({"type", "quorum is the one whose confirm means on disk."}, one_of(queue.type, queue_types));
  v.on_read([&](const auto& given) {
    if (!given("bind")) queue.bind = {"#"};
  });
  v.scalars({"bind", "Patterns of routing keys; default: #, everything. bridge.gap.# is always bound too."},
            one_or_more_texts(queue.bind, rules::amqp_pattern));
}

void describe_requests(Visitor& v, AmqpRequests& requests) {
  v.on_read([&](const auto&) { requests.queue = "bridge55.requests"; });
  v.scalar({"queue", "Where requests arrive. Default: bridge55.requests."},
           text(requests.queue, rules::amqp_name));
  v.scalars({"allow", "What they may do."}, one_or_more_texts(requests.allow, rules::scope));
  v.scalar({"keep", "How long a stored reply answers a redelivery."},
           duration(requests.keep, {1ms, std::chrono::hours(24 * 365)}));
}

void describe_rabbitmq(Visitor& v, Sink& sink) {
  const bool applies = sink.kind == SinkKind::rabbitmq;
  const auto key = [applies](std::string_view name, std::string_view help) {
    return Key{.name = name, .help = help, .applies = applies, .applies_to = "kind: rabbitmq"};
  };
  v.scalars(key("url", "The broker, or a list that is tried in turn. Default: the local one as guest."),
            secret_urls(sink.urls, rules::amqp_url));
  v.section(key("tls", "How an amqps:// broker is verified."), [&](Visitor& t) { describe(t, sink.tls); });
  v.scalar(key("declare",
               "active declares exchange and queues, passive only checks them, none leaves them alone."),
           choice<Declare>(sink.declare, declares));
  v.section(key("exchange", "Where events are published."),
            [&](Visitor& e) { describe_exchange(e, sink.exchange); });
  v.scalar(key("confirm_timeout",
               "Without a confirm for so long the connection is rebuilt and the batch sent again."),
           duration(sink.confirm_timeout, {1ms, 1h}));
  v.sections(key("queues", "Declared and bound at start, so that apps just consume."),
             list_of<Queue>(sink.queues, describe_queue));
  const Optional requests{[&sink] { sink.requests.emplace(); },
                          [&sink] { return sink.requests.has_value(); }};
  v.optional_section(key("requests", "The gateway over AMQP."), requests,
                     [&](Visitor& r) { describe_requests(r, *sink.requests); });
}

void describe_unix(Visitor& v, Sink& sink) {
  const bool applies = sink.kind == SinkKind::unix_socket;
  const auto key = [applies](std::string_view name, std::string_view help) {
    return Key{.name = name, .help = help, .applies = applies, .applies_to = "kind: unix"};
  };
  v.scalar(key("path", "The socket. Default: /run/bridge55/events.sock."),
           text_or_none(sink.path, rules::socket_path));
  v.scalar(key("mode", "File mode of the socket."), file_mode(sink.mode));
  v.scalar(key("group", "Group that owns the socket; default: the process's."),
           text_or_none(sink.group, rules::word));
}

}  // namespace

void describe(Visitor& v, Sink& sink) {
  v.scalar({.name = "kind", .help = "What it is.", .need = Need::always, .decides = true},
           choice<SinkKind>(sink.kind, kinds));
  v.on_read([&](const auto&) {
    if (sink.kind == SinkKind::rabbitmq) sink.urls = {Secret(std::string(default_broker))};
    if (sink.kind == SinkKind::unix_socket) sink.path = default_socket;
  });
  describe_rabbitmq(v, sink);
  describe_unix(v, sink);
}

}  // namespace bridge55::config
