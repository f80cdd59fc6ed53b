// What consuming adds to publishing, in AMQP 0-9-1 frames (2.3.5, and 1.8 for the methods): a message put
// together from its frames without decoding a table, and the few frames that go the other way. Pure.
#pragma once

#include "bridges/rabbitmq/broker_frames.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bridge55::rabbitmq {

// A message of the queue.
struct Delivered {
  std::uint64_t tag = 0;
  std::string reply_to, correlation_id, message_id;  // empty: not there
  std::optional<std::uint64_t> timestamp;            // seconds since 1970
  std::string body;
  bool too_large = false;  // the body was larger than may be held: it is not here
};

class DeliveryReader {
 public:
  explicit DeliveryReader(std::size_t max_body) : max_body_(max_body) {}

  enum class Took {
    nothing,
    delivery,   // `delivered` holds a whole message
    consuming,  // basic.consume-ok: the broker begins to deliver
    cancelled,  // basic.cancel: the queue is gone, or has moved
                // (https://www.rabbitmq.com/consumer-cancel.html)
    malformed,
  };
  Took take(const BrokerSaid& said);  // every frame, in order
  Delivered& delivered() { return delivered_; }

 private:
  Took method(std::string_view payload);
  bool header(std::string_view payload);
  Took body_done();

  const std::size_t max_body_;
  Delivered delivered_;
  // A content is a header and bodies behind the method that announced it: a delivery, or what was returned.
  enum class Expects { method, header, body } expects_ = Expects::method;
  bool ours_ = false;
  std::uint64_t left_ = 0;
};

struct ReplyMessage {
  std::string reply_to, correlation_id, text;
};

void append_qos(std::string& out, std::uint16_t prefetch);
void append_consume(std::string& out, std::string_view queue);
void append_cancel(std::string& out);
void append_ack(std::string& out, std::uint64_t tag);
// Through the default exchange, persistent and `mandatory`. `frame_max`: as negotiated.
void append_reply(std::string& out, const ReplyMessage& reply, std::size_t frame_max);
void append_heartbeat(std::string& out);
void append_close(std::string& out);     // connection.close
void append_close_ok(std::string& out);  // connection.close-ok

}  // namespace bridge55::rabbitmq
