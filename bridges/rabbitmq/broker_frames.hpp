// Cuts what a broker sends into frames and reads the few methods that a publisher meets (AMQP 0-9-1, 2.3
// and 4.2). No field table is decoded, whatever its depth, and memory is one frame and a read's length. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace bridge55::rabbitmq {

enum class BrokerFrame {
  ack,
  nack,
  returned,  // basic.return: its content frames follow as `other`
  channel_close,
  connection_close,
  connection_closed,  // close-ok
  blocked,
  unblocked,
  heartbeat,
  other,  // understood as a frame and of no interest here
};

// What was read; the views hold until the next call of `next` or `space`.
struct BrokerSaid {
  BrokerFrame what = BrokerFrame::other;
  std::uint64_t tag = 0;  // ack, nack
  bool multiple = false;
  std::uint16_t code = 0;                  // returned and the closes: AMQP reply code
  std::string_view text;                   // the same, and blocked: the broker's words
  std::string_view exchange, routing_key;  // returned
  std::uint8_t type = 0;                   // of the frame (AMQP 0-9-1, 4.2.3), and its payload
  std::string_view payload;
};

class FrameReader {
 public:
  // `frame_max`: as negotiated, the seven header bytes and the end octet included.
  explicit FrameReader(std::size_t frame_max);

  std::span<char>
  space();  // where the next bytes belong; never empty while `next` is called until it wants more
  void received(std::size_t count) { end_ += count; }

  enum class Next { frame, more, malformed };
  Next next(BrokerSaid& said);

 private:
  std::size_t frame_max_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;
};

}  // namespace bridge55::rabbitmq
