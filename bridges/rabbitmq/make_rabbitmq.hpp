// The RabbitMQ sink. `url`, `declare`, `exchange`, `queues` and `confirm_timeout` of the config decide what
// it does.
#pragma once

#include "bridges/rabbitmq/amqp_url.hpp"
#include "bridges/sink.hpp"

#include <memory>
#include <string>
#include <vector>

namespace boost::asio {
class io_context;
}

namespace bridge55::metrics {
class Registry;
}

namespace bridge55::bridges {

// Call on the I/O thread; nothing happens before `start`. The io_context and the registry must outlive the
// sink. Throws std::invalid_argument on a URL that cannot be understood (the config's loader refuses it
// first).
std::unique_ptr<Sink> make_rabbitmq(boost::asio::io_context& io, const config::Sink& settings,
                                    metrics::Registry& metrics);

// The sink's brokers; their passwords are hidden from the log from here on. Throws std::invalid_argument.
std::vector<rabbitmq::AmqpUrl> amqp_urls(const config::Sink& settings);

// Connects and logs in as the sink would and declares nothing: empty where one of its brokers lets us in,
// else why none does. Blocks for some seconds for each broker that does not answer. Throws as
// `make_rabbitmq` does.
std::string try_rabbitmq(const config::Sink& settings);

}  // namespace bridge55::bridges
