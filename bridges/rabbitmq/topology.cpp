#include "bridges/rabbitmq/topology.hpp"

#include "bridges/rabbitmq/publish_frames.hpp"
#include "bridges/rabbitmq/reply.hpp"

#include <amqp.h>
#include <amqp_framing.h>

namespace bridge55::rabbitmq {
namespace {

constexpr const char* kGapPattern = "bridge.gap.#";

std::optional<Trouble> declare_exchange(amqp_connection_state_t state, const config::Sink& sink) {
  const config::Exchange& exchange = sink.exchange;
  if (exchange.name.empty())
    return std::nullopt;  // the default exchange is always there and cannot be declared
  const bool passive = sink.declare == config::Declare::passive;
  amqp_exchange_declare(state, kChannel, as_bytes(exchange.name), as_bytes(exchange.type), passive,
                        exchange.durable, 0, 0, amqp_empty_table);
  return trouble_of(amqp_get_rpc_reply(state), "exchange " + exchange.name);
}

std::optional<Trouble> declare_queue(amqp_connection_state_t state, const config::Queue& queue,
                                     bool passive) {
  amqp_table_entry_t type{};
  type.key = amqp_cstring_bytes("x-queue-type");
  type.value.kind = AMQP_FIELD_KIND_UTF8;
  type.value.value.bytes = as_bytes(queue.type);
  const amqp_table_t arguments{1, &type};
  amqp_queue_declare(state, kChannel, as_bytes(queue.name), passive, 1, 0, 0,
                     passive ? amqp_empty_table : arguments);
  return trouble_of(amqp_get_rpc_reply(state), "queue " + queue.name);
}

std::optional<Trouble> bind_queue(amqp_connection_state_t state, const config::Queue& queue,
                                  const config::Exchange& exchange, std::string_view pattern) {
  amqp_queue_bind(state, kChannel, as_bytes(queue.name), as_bytes(exchange.name), as_bytes(pattern),
                  amqp_empty_table);
  return trouble_of(amqp_get_rpc_reply(state), "binding " + std::string(pattern) + " of queue " + queue.name);
}

std::optional<Trouble> bind_all(amqp_connection_state_t state, const config::Queue& queue,
                                const config::Exchange& exchange) {
  if (exchange.name.empty())
    return std::nullopt;  // the default exchange routes by queue name and takes no bindings
  for (const std::string& pattern : queue.bind) {
    if (auto trouble = bind_queue(state, queue, exchange, pattern)) return trouble;
  }
  return bind_queue(state, queue, exchange, kGapPattern);
}

}  // namespace

std::optional<Trouble> declare_topology(amqp_connection_state_t state, const config::Sink& sink) {
  if (sink.declare == config::Declare::none) return std::nullopt;
  if (auto trouble = declare_exchange(state, sink)) return trouble;
  const bool passive = sink.declare == config::Declare::passive;
  for (const config::Queue& queue : sink.queues) {
    if (auto trouble = declare_queue(state, queue, passive)) return trouble;
    if (passive) continue;
    if (auto trouble = bind_all(state, queue, sink.exchange)) return trouble;
  }
  // Not bound to gaps: whatever comes to it is a request.
  if (sink.requests) return declare_queue(state, {sink.requests->queue, "quorum", {}}, passive);
  return std::nullopt;
}

}  // namespace bridge55::rabbitmq
