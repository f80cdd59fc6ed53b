#include "daemon/net/ws_tracker.hpp"

#include "daemon/net/ws_rules.hpp"

#include <algorithm>
#include <cstring>

namespace bridge55::ws {
namespace {

constexpr unsigned kFin = 0x80, kReserved = 0x70, kOpcodeBits = 0x0F, kMaskBit = 0x80, kLengthBits = 0x7F;

// Of the whole header, by its second byte.
std::size_t header_size(unsigned second) {
  const unsigned length = second & kLengthBits;
  return 2u + (length == 127 ? 8u : length == 126 ? 2u : 0u) + ((second & kMaskBit) != 0 ? 4u : 0u);
}

std::uint64_t payload_size(const unsigned char* header) {
  const unsigned length = header[1] & kLengthBits;
  if (length < 126) return length;
  std::uint64_t size = 0;
  for (unsigned i = 0; i < (length == 126 ? 2u : 8u); ++i)
    size = size << 8 | header[2 + i];
  return size;
}

}  // namespace

void WsTracker::walk(std::string_view bytes) {
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  while (at != end && !lost_)
    at = step(at, end);
}

std::size_t WsTracker::walk_to_boundary(std::string_view bytes) {
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  while (at != end && !between_frames() && !lost_)
    at = step(at, end);
  return lost_ ? bytes.size() : static_cast<std::size_t>(at - bytes.data());
}

// One header, or payload.
const char* WsTracker::step(const char* at, const char* end) {
  if (left_ != 0) return pass(at, end);
  if (have_ == 0 && end - at >= 2) {
    const auto* header = reinterpret_cast<const unsigned char*>(at);
    const std::size_t size = header_size(header[1]);
    if (static_cast<std::size_t>(end - at) >= size) {
      begin(header);
      return at + size;
    }
  }
  return gather(at, end);
}

const char* WsTracker::gather(const char* at, const char* end) {
  while (at != end) {
    header_[have_++] = static_cast<unsigned char>(*at++);
    if (have_ >= 2 && have_ == header_size(header_[1])) {
      have_ = 0;
      begin(header_);
      return at;
    }
  }
  return at;
}

void WsTracker::begin(const unsigned char* header) {
  const unsigned first = header[0], second = header[1];
  judge(first, second);
  left_ = payload_size(header);
  if (left_ >> 63 != 0) {
    notice("a length has its top bit set");
    lost_ = true;
    return;
  }
  const unsigned length = second & kLengthBits;
  if ((length == 126 && left_ < 126) || (length == 127 && left_ <= 0xFFFF))
    notice("a length is longer written than it needs");
  if ((first & kOpcodeBits) == kClose) {
    in_close_ = close_begun_ = true;
    code_bytes_ = 0;
    std::memset(mask_, 0, sizeof mask_);
    if ((second & kMaskBit) != 0) std::memcpy(mask_, header + header_size(second) - 4, 4);
  }
  if (left_ == 0) finish();
}

void WsTracker::judge(unsigned first, unsigned second) {
  const unsigned opcode = first & kOpcodeBits;
  const bool last = (first & kFin) != 0;
  if ((first & kReserved) != 0) notice("a reserved bit is set without an extension");
  if (((second & kMaskBit) != 0) != masked_)
    notice(masked_ ? "a frame from the client is not masked" : "a frame from the server is masked");
  if (close_passed_) notice("a frame follows the close frame");
  if (opcode >= kClose) {
    if (opcode > kPong) notice("an unknown control opcode");
    if (!last) notice("a control frame is fragmented");
    if ((second & kLengthBits) > 125) notice("a control frame is longer than 125 bytes");
    return;
  }
  if (opcode > kBinary) notice("an unknown opcode");
  if (opcode == kContinuation && !in_message_) notice("a continuation of nothing");
  if (opcode != kContinuation && in_message_) notice("a message begins inside another one's fragments");
  in_message_ = !last;
}

const char* WsTracker::pass(const char* at, const char* end) {
  const auto size =
      static_cast<std::size_t>(std::min<std::uint64_t>(left_, static_cast<std::uint64_t>(end - at)));
  if (in_close_) keep_code(at, size);
  left_ -= size;
  if (left_ == 0) finish();
  return at + size;
}

void WsTracker::keep_code(const char* at, std::size_t size) {
  for (std::size_t i = 0; i < size && code_bytes_ < 2; ++i, ++code_bytes_)
    code_[code_bytes_] = static_cast<unsigned char>(at[i]) ^ mask_[code_bytes_];
}

void WsTracker::finish() {
  ++frames_;
  if (!in_close_) return;
  in_close_ = false;
  if (code_bytes_ == 1) notice("a close frame holds half a code");
  if (close_passed_) return;
  close_passed_ = true;
  constexpr std::uint16_t kNoCode = 1005;  // RFC 6455, 7.1.5
  close_code_ = code_bytes_ == 2 ? static_cast<std::uint16_t>(code_[0] << 8 | code_[1]) : kNoCode;
}

}  // namespace bridge55::ws
