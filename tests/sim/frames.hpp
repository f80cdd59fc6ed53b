#pragma once
// WebSocket framing as a server does it (RFC 6455 section 5): writing unmasked frames into one buffer, so
// that many go out in one write, and reading masked ones strictly.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bridge55::sim {

enum class Opcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

/// Room for the longest unmasked header.
inline constexpr std::size_t kMaxHeader = 10;

/// Appends the header of an unmasked frame of `size` payload bytes.
void append_header(std::string& out, Opcode opcode, std::size_t size, bool fin = true);

/// Appends a whole unmasked frame.
void append_frame(std::string& out, Opcode opcode, std::string_view payload);

/// Appends one message as up to `pieces` fragments with a ping between each two (RFC 6455 section 5.4).
void append_fragmented(std::string& out, Opcode opcode, std::string_view payload, std::size_t pieces);

/// Appends a close frame; the reason is cut to what a control frame can carry.
void append_close(std::string& out, std::uint16_t code, std::string_view reason);

/// `Sec-WebSocket-Accept` for a client's key.
std::string accept_key(std::string_view client_key);

struct ClientMessage {
  Opcode opcode = Opcode::text;
  std::string payload;
};

/// Reads what a client sends. Feed bytes, then take messages until there is none; after a violation `error()`
/// is the close code and nothing more comes out.
class ClientFrames {
 public:
  explicit ClientFrames(std::size_t limit) : limit_(limit) {}

  void feed(std::string_view bytes) { buffer_.append(bytes); }
  std::optional<ClientMessage> next();
  std::uint16_t error() const { return error_; }
  /// Bytes behind the messages that were taken.
  const std::string& rest() const { return buffer_; }

 private:
  struct Header {
    bool fin = false;
    Opcode opcode = Opcode::text;
    std::size_t length = 0;
    std::size_t size = 0;  ///< of the header itself, mask included
  };
  std::optional<Header> header();
  std::optional<ClientMessage> fail(std::uint16_t code);
  std::optional<ClientMessage> take(const Header& header);

  std::size_t limit_;
  std::string buffer_;
  std::string partial_;
  std::optional<Opcode> partial_opcode_;
  std::uint16_t error_ = 0;
};

/// Whether the bytes are well-formed UTF-8.
bool is_utf8(std::string_view text);

}  // namespace bridge55::sim
