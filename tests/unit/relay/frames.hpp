// Frames of any shape, right and wrong ones.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace bridge55::test {

struct Shape {
  unsigned opcode = 2;
  bool fin = true, masked = false;
  unsigned reserved = 0;      // three bits
  unsigned length_bytes = 0;  // 0: as short as it can be; 2 or 8
  std::array<unsigned char, 4> key = {0x11, 0xA2, 0x33, 0xC4};
};

inline std::string frame_of(const Shape& shape, std::string_view payload) {
  std::string out;
  out.push_back(static_cast<char>((shape.fin ? 0x80u : 0u) | shape.reserved << 4 | shape.opcode));
  const unsigned mask = shape.masked ? 0x80 : 0;
  unsigned bytes = shape.length_bytes;
  if (bytes == 0) bytes = payload.size() <= 125 ? 0 : payload.size() <= 0xFFFF ? 2 : 8;
  out.push_back(static_cast<char>(mask | (bytes == 0 ? payload.size() : bytes == 2 ? 126u : 127u)));
  for (unsigned i = bytes; i-- > 0;)
    out.push_back(static_cast<char>(static_cast<std::uint64_t>(payload.size()) >> (8 * i)));
  if (shape.masked) out.append(reinterpret_cast<const char*>(shape.key.data()), 4);
  for (std::size_t i = 0; i < payload.size(); ++i)
    out.push_back(static_cast<char>(payload[i] ^ (shape.masked ? shape.key[i & 3] : 0)));
  return out;
}

inline std::string close_payload(unsigned code, std::string_view reason = {}) {
  return std::string{static_cast<char>(code >> 8), static_cast<char>(code & 0xFF)}.append(reason);
}

inline std::string app_frame(std::string_view payload, unsigned opcode = 2, bool fin = true) {
  return frame_of({.opcode = opcode, .fin = fin, .masked = true}, payload);
}

inline std::string far_frame(std::string_view payload, unsigned opcode = 2, bool fin = true) {
  return frame_of({.opcode = opcode, .fin = fin}, payload);
}

}  // namespace bridge55::test
