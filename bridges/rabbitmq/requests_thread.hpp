// The thread behind a requests queue: connects to one broker after the other, serves until the connection
// ends, waits, tries again.
#pragma once

#include "bridges/rabbitmq/amqp_url.hpp"
#include "bridges/rabbitmq/requests_box.hpp"
#include "config/config.hpp"

#include <cstddef>
#include <memory>
#include <vector>

namespace bridge55::rabbitmq {

struct ConsumerSetting {
  config::Sink sink;          // of which only the requests queue is declared
  std::vector<AmqpUrl> urls;  // tried in turn
  std::size_t max_message = 0;
};

// Runs until the box asks it to stop; its last report says `ended`. Nobody joins it: it uses nothing but its
// own copy of the setting and the box, and may hang in the library past the deadline of a stop. Throws
// std::system_error.
void start_consumer(ConsumerSetting setting, std::shared_ptr<RequestsBox> box);

}  // namespace bridge55::rabbitmq
