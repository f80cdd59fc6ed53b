// The thread behind a RabbitMQ sink: connects to one broker after the other, publishes until the connection
// ends, waits, tries again.
#pragma once

#include "bridges/rabbitmq/amqp_url.hpp"
#include "bridges/rabbitmq/mailbox.hpp"

#include <memory>
#include <pthread.h>
#include <vector>

namespace bridge55::rabbitmq {

struct PublisherSetting {
  config::Sink sink;
  std::vector<AmqpUrl> urls;  // tried in turn
};

// Runs until the mailbox asks it to stop; its last report says `ended`. It uses nothing but its own copy of
// the setting and the mailbox, so that it may be left behind where it hangs in the library past the deadline
// of a stop (a name server that does not answer, a broker that accepts and says nothing).
class PublisherThread {
 public:
  PublisherThread() = default;
  PublisherThread(PublisherSetting setting, std::shared_ptr<Mailbox> mailbox);  // throws std::system_error
  ~PublisherThread();  // leaves it behind where it was not joined
  PublisherThread(PublisherThread&& other) noexcept;
  PublisherThread& operator=(PublisherThread&& other) noexcept;

  bool running() const { return running_; }
  void join();

 private:
  pthread_t thread_{};
  bool running_ = false;
};

}  // namespace bridge55::rabbitmq
