// RFC 6455 framing, pure: bytes in, messages out, for either side of a connection. No extension is ever
// negotiated. Beast's websocket::stream makes a system call and a composed operation of every message; this
// reads many frames from one buffer and unmasks in place, which is what lets one thread carry every session
// and every consumer (tests/bench has the figures).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace bridge55::ws {

enum class Role {
  client,
  server
};  // which side *we* are: a server receives masked frames, a client unmasked ones

enum class Kind { text, binary, ping, pong, close, too_large };

struct Message {
  Kind kind = Kind::text;
  std::string_view data;   // valid until the next call; json::kPadding readable bytes follow it
  bool valid_utf8 = true;  // text only; a server must close with 1007, a session keeps it as quarantined
  std::uint16_t close_code = 0;  // close only; 1005 where none was sent
  std::uint64_t size = 0;        // of the whole message; for too_large `data` is its first bytes
};

// What ended the connection: a close code to send (1002, 1009) and words.
struct Violation {
  std::uint16_t code = 0;
  std::string_view reason;
};

class FrameReader {
 public:
  FrameReader(Role role, std::size_t max_message);

  // Room to read into, at least `at_least` bytes; then `commit` what was read.
  std::span<char> prepare(std::size_t at_least);
  void commit(std::size_t bytes);

  enum class Next { message, need_more, violation };
  // Takes the next whole message out of what was committed. Control frames come between the fragments of a
  // message as they came. A message over the limit comes once, as too_large, when its last byte has been
  // skipped; memory stays bounded.
  Next next(Message& message, Violation& violation);

  std::size_t buffered() const;  // bytes that belong to messages not yet taken
  // What was committed behind the last whole frame, as it came: for one who goes on without a reader. Until
  // the next call.
  std::string_view rest() const;
  void release();  // gives memory back where nothing is buffered: an idle connection costs nearly nothing

 private:
  struct State;
  struct StateDeleter {
    void operator()(State*) const;
  };
  std::unique_ptr<State, StateDeleter> state_;
};

// Frame headers and whole frames to send. A client masks (with a key from the system's random source), a
// server does not.
std::string frame(Role role, Kind kind, std::string_view data);
std::string close_frame(Role role, std::uint16_t code, std::string_view reason);
// Writes an unmasked header for a text frame of `size` bytes to `out` (10 bytes of room) and returns its
// length: 2, 4 or 10.
std::size_t server_text_header(std::size_t size, char* out);

// RFC 6455, 1.3: the value of Sec-WebSocket-Accept; a fresh Sec-WebSocket-Key.
std::string accept_value(std::string_view key);
std::string fresh_key();

}  // namespace bridge55::ws
