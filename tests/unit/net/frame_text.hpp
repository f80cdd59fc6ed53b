// Frames written by hand for tests: any header, right or wrong.
#pragma once

#include "daemon/net/ws_frames.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bridge55::test {

struct RawFrame {
  unsigned opcode = 1;
  std::string payload;
  bool fin = true;
  bool masked = true;
  unsigned reserved = 0;  // bits 0x70
  std::string bytes() const {
    std::string out;
    out.push_back(static_cast<char>((fin ? 0x80 : 0) | reserved | opcode));
    const unsigned mask = masked ? 0x80 : 0;
    const std::uint64_t n = payload.size();
    if (n <= 125) {
      out.push_back(static_cast<char>(mask | n));
    } else {
      const int width = n <= 0xFFFF ? 2 : 8;
      out.push_back(static_cast<char>(mask | (width == 2 ? 126u : 127u)));
      for (int i = width - 1; i >= 0; --i)
        out.push_back(static_cast<char>(n >> (8 * i)));
    }
    const unsigned char key[4] = {0x37, 0xfa, 0x21, 0x3d};
    if (masked) out.append(reinterpret_cast<const char*>(key), 4);
    for (std::size_t i = 0; i < payload.size(); ++i) {
      out.push_back(masked ? static_cast<char>(payload[i] ^ key[i & 3]) : payload[i]);
    }
    return out;
  }
};

// A message with bytes of its own.
struct Seen {
  ws::Kind kind;
  std::string data;
  bool valid_utf8;
  std::uint16_t close_code;
  std::uint64_t size;
  friend bool operator==(const Seen&, const Seen&) = default;
};

inline void feed(ws::FrameReader& reader, std::string_view bytes) {
  if (bytes.empty()) return;
  const auto room = reader.prepare(bytes.size());
  bytes.copy(room.data(), bytes.size());
  reader.commit(bytes.size());
}

// Everything that can be taken now.
inline std::optional<ws::Violation> drain(ws::FrameReader& reader, std::vector<Seen>& seen) {
  ws::Message message;
  ws::Violation violation;
  for (;;) {
    switch (reader.next(message, violation)) {
      case ws::FrameReader::Next::need_more:
        return std::nullopt;
      case ws::FrameReader::Next::violation:
        return violation;
      case ws::FrameReader::Next::message:
        seen.push_back(
            {message.kind, std::string(message.data), message.valid_utf8, message.close_code, message.size});
    }
  }
}

}  // namespace bridge55::test
