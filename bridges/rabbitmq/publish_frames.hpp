// Encodes basic.publish with its properties and body into AMQP 0-9-1 frames (2.3.5) on channel 1, many
// messages a write. The client library sends each of a message's three frames on its own, a system call each;
// one call for a whole batch costs a fraction of that. Pure. The contract's section 4 fixes properties and
// headers.
#pragma once

#include "bridges/sink.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <sys/uio.h>
#include <vector>

namespace bridge55::rabbitmq {

inline constexpr std::uint16_t kChannel = 1;

// A write in the making: frame heads in a buffer of its own, bodies as views into the events. Whoever adds
// keeps the events alive until the batch is written or cleared, and adds nothing between the first write and
// the last.
class PublishBatch {
 public:
  // `frame_max`: as negotiated; larger bodies are cut.
  explicit PublishBatch(std::size_t frame_max);

  // `exchange`: where the delivery names none. Texts are cut at the 255 bytes that AMQP allows.
  void add(const bridges::Delivery& delivery, std::string_view exchange);
  void add_heartbeat();
  void add_close(std::string_view text);  // connection.close, code 200
  void add_close_ok();                    // connection.close-ok

  bool empty() const { return pending_bytes() == 0; }
  std::size_t pending_bytes() const { return pending_ + heads_.size() - heads_from_; }
  // What is still to be written, at most `most` pieces.
  std::span<const iovec> pieces(std::size_t most);
  void written(std::size_t bytes);
  void clear();

 private:
  struct Piece {  // a body, or a run of heads (data null: from `heads_` at `at`)
    const char* data;
    std::size_t at, size;
  };
  void properties(const bridges::Delivery& delivery);
  void headers(const events::Event& event);
  void body(std::string_view bytes);
  void end_heads();
  std::size_t begin_frame(std::uint8_t type, std::uint16_t channel);
  void end_frame(std::size_t begin);
  void received_at(WallMicros at);

  std::size_t body_max_;
  std::vector<char> heads_;
  std::vector<Piece> pieces_;
  std::vector<iovec> vectors_;
  std::size_t heads_from_ = 0;  // start of the run of heads that is not a piece yet
  std::size_t first_ = 0;       // first piece not wholly written
  std::size_t pending_ = 0;     // bytes of the pieces
  std::string second_text_;  // of the last event's second: most share it
  WallMicros second_ = -1;
};

}  // namespace bridge55::rabbitmq
