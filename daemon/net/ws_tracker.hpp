// Walks the frame headers of one direction of a WebSocket while its bytes pass untouched (RFC 6455, 5.2):
// where a frame ends, whether a close frame has passed and with which code. It judges nothing: what breaks
// the rules is noticed and said, and the bytes pass all the same. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace bridge55::ws {

class WsTracker {
 public:
  enum class Expects { masked, unmasked };  // what a client sends; what a server sends
  explicit WsTracker(Expects expects) : masked_(expects == Expects::masked) {}

  void walk(std::string_view bytes);
  // Stops behind the frame under way (at once where there is none); how many bytes that took.
  std::size_t walk_to_boundary(std::string_view bytes);

  // A frame of somebody else's may stand here. A control frame may do so between fragments too (RFC
  // 6455, 5.4).
  bool between_frames() const { return left_ == 0 && have_ == 0 && !lost_; }
  // The header of a close frame is complete; the whole frame has passed.
  bool close_begun() const { return close_begun_; }
  bool close_passed() const { return close_passed_; }
  std::uint16_t close_code() const { return close_code_; }  // 0: none passed yet; 1005: without a code
  std::uint64_t frames() const { return frames_; }          // whole ones
  // The first break of the rules, in words; empty: none.
  std::string_view fault() const { return fault_ != nullptr ? std::string_view(fault_) : std::string_view(); }
  // A length that no frame can have: where the next one begins is not known any more.
  bool lost() const { return lost_; }

 private:
  static constexpr std::size_t kMaxHeader = 14;

  const char* step(const char* at, const char* end);
  const char* gather(const char* at, const char* end);
  void begin(const unsigned char* header);
  void judge(unsigned first, unsigned second);
  const char* pass(const char* at, const char* end);
  void keep_code(const char* at, std::size_t size);
  void finish();
  void notice(const char* fault) {
    if (fault_ == nullptr) fault_ = fault;
  }

  std::uint64_t left_ = 0;  // payload bytes of the frame under way
  std::uint64_t frames_ = 0;
  const char* fault_ = nullptr;
  std::uint16_t close_code_ = 0;
  std::uint8_t have_ = 0;  // bytes of an incomplete header
  std::uint8_t code_bytes_ = 0;
  bool masked_, in_message_ = false, in_close_ = false, close_begun_ = false, close_passed_ = false,
                lost_ = false;
  unsigned char header_[kMaxHeader] = {};
  unsigned char mask_[4] = {};
  unsigned char code_[2] = {};
};

}  // namespace bridge55::ws
