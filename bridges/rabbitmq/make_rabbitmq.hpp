// The RabbitMQ sink. `url`, `declare`, `exchange`, `queues` and `confirm_timeout` of the config decide what it does.
#pragma once

#include <memory>

#include "bridges/sink.hpp"

namespace boost::asio {
class io_context;
}

namespace bridge55::metrics {
class Registry;
}

namespace bridge55::bridges {

// Call on the I/O thread; nothing happens before `start`. The io_context and the registry must outlive the sink. Throws
// std::invalid_argument on a URL that cannot be understood (the config's loader refuses it first).
std::unique_ptr<Sink> make_rabbitmq(boost::asio::io_context& io, const config::Sink& settings, metrics::Registry& metrics);

}  // namespace bridge55::bridges
