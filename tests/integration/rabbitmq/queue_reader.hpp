// An independent consumer: what librabbitmq's own reading says is in a queue.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

struct amqp_connection_state_t_;

namespace bridge55::test {

struct Message {
  std::string body, exchange, routing_key;
  std::string content_type, message_id, type, app_id;
  int delivery_mode = 0;
  std::uint64_t timestamp = 0;
  std::map<std::string, std::string> headers;  // numbers in decimal
  std::map<std::string, char> header_kinds;    // AMQP's letter for each
};

class QueueReader {
 public:
  // Throws std::runtime_error where the broker says no.
  explicit QueueReader(std::uint16_t port);
  ~QueueReader();
  QueueReader(const QueueReader&) = delete;
  QueueReader& operator=(const QueueReader&) = delete;

  // The next message, acknowledged; nothing where the queue is empty.
  std::optional<Message> get(const std::string& queue);
  // Everything until `count` distinct message ids have come or the deadline has; consumes with
  // acknowledgements, in order.
  std::vector<Message> read(const std::string& queue, std::size_t count, std::chrono::seconds deadline);
  void declare_queue(const std::string& name, const std::string& type,
                     const std::map<std::string, std::string>& text_arguments = {},
                     const std::map<std::string, std::int64_t>& number_arguments = {});
  void bind(const std::string& queue, const std::string& exchange, const std::string& pattern);
  void unbind(const std::string& queue, const std::string& exchange, const std::string& pattern);
  void declare_exchange(const std::string& name, const std::string& type);
  void delete_exchange(const std::string& name);
  void delete_queue(const std::string& name);
  void purge(const std::string& queue);

 private:
  void check(const char* what);
  amqp_connection_state_t_* state_ = nullptr;
};

}  // namespace bridge55::test
