// Exchange, queues and bindings as the sink's `declare` says. Blocks in librabbitmq for the connection's RPC
// timeout at most.
#pragma once

#include "bridges/rabbitmq/trouble.hpp"
#include "config/config.hpp"

#include <optional>

struct amqp_connection_state_t_;

namespace bridge55::rabbitmq {

// Idempotent, so it is done after every reconnect. Every queue of `active` is bound to `bridge.gap.#` too,
// whatever its own bindings: a consumer must learn of what it missed. `passive` only looks whether exchange
// and queues are there.
std::optional<Trouble> declare_topology(amqp_connection_state_t_* connection, const config::Sink& sink);

}  // namespace bridge55::rabbitmq
