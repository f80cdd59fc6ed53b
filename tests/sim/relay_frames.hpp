#pragma once
// Frames on their way through a relay: headers checked, payloads re-masked where they lie, nothing held but a
// header or a control frame that has not come whole. No sockets here.

#include "tests/sim/life.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace bridge55::sim {

/// What a close frame says; code 0 = nothing.
struct CloseSaid {
  std::uint16_t code = 0;
  std::string reason;
};

struct FrameCounts {
  std::uint64_t frames = 0;    ///< data frames, each fragment one
  std::uint64_t messages = 0;  ///< data frames with FIN
  std::uint64_t pings = 0, pongs = 0;
  std::uint64_t bytes = 0;  ///< payload of data frames
};

/// One direction of a relay.
class FrameTransit {
 public:
  /// `masked`: the frames come from a client, and go on masked with fresh keys (RFC 6455 section 5.3).
  FrameTransit(bool masked, std::uint64_t seed) : masked_(masked), random_(seed) {}

  /// Makes bytes fit for the other side, in place. Returns how many from the beginning may go on; the rest is
  /// a header or control frame that is not complete: give it again with what follows. Stops behind a close
  /// frame, and before a frame that breaks the protocol.
  std::size_t pass(char* data, std::size_t size);

  /// Whether what has been passed ends between two frames.
  bool between_frames() const { return left_ == 0; }
  bool closed() const { return closed_; }
  const CloseSaid& close() const { return close_; }
  /// The close code of a violation, 0 = none.
  std::uint16_t error() const { return error_; }
  const FrameCounts& counts() const { return counts_; }

 private:
  struct Header {
    std::uint8_t code = 0;
    bool fin = false;
    std::size_t size = 0;  ///< of the header itself, mask included
    std::uint64_t length = 0;
  };
  std::size_t begin(char* data, std::size_t size);
  bool read_header(const char* data, std::size_t size, Header& header);
  bool is_legal(std::uint8_t first, std::uint8_t second) const;
  bool take_control(const Header& header, const char* data);
  void remask(char* key);
  void pass_payload(char* data, std::size_t size);

  bool masked_;
  Random random_;
  std::array<char, 4> change_{};  ///< old key XOR new key
  std::size_t phase_ = 0;
  std::uint64_t left_ = 0;  ///< payload bytes of the present data frame that have not come
  bool fragmented_ = false;
  bool closed_ = false;
  CloseSaid close_;
  std::uint16_t error_ = 0;
  FrameCounts counts_;
};

/// XORs `data` with the four bytes of `key`, beginning with its byte `phase & 3`.
void apply_mask(char* data, std::size_t size, const std::array<char, 4>& key, std::size_t phase);

/// Whether a close frame may carry the code (RFC 6455 section 7.4, and 1012 to 1014 as registered).
bool is_close_code(std::uint16_t code);

/// A whole frame as a client sends it.
std::string masked_frame(std::uint8_t opcode, std::string payload, std::uint32_t key);

}  // namespace bridge55::sim
