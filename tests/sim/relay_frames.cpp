#include "tests/sim/relay_frames.hpp"

#include "tests/sim/frames.hpp"

#include <algorithm>
#include <cstring>

namespace bridge55::sim {
namespace {

constexpr std::uint8_t kClose = 8, kPing = 9;
constexpr std::size_t kMostControl = 125;

}  // namespace

void apply_mask(char* data, std::size_t size, const std::array<char, 4>& key, std::size_t phase) {
  std::array<char, 8> wide{};
  for (std::size_t i = 0; i < wide.size(); ++i)
    wide[i] = key[(phase + i) & 3];
  std::uint64_t word = 0;
  std::memcpy(&word, wide.data(), sizeof word);
  std::size_t at = 0;
  for (; at + sizeof word <= size; at += sizeof word) {
    std::uint64_t piece = 0;
    std::memcpy(&piece, data + at, sizeof piece);
    piece ^= word;
    std::memcpy(data + at, &piece, sizeof piece);
  }
  for (; at < size; ++at)
    data[at] = static_cast<char>(data[at] ^ wide[at & 7]);
}

bool is_close_code(std::uint16_t code) {
  if (code >= 3000) return code <= 4999;
  return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}

std::string masked_frame(std::uint8_t opcode, std::string payload, std::uint32_t key) {
  std::array<char, 4> bytes{};
  std::memcpy(bytes.data(), &key, sizeof key);
  std::string frame;
  append_header(frame, static_cast<Opcode>(opcode), payload.size());
  frame[1] = static_cast<char>(frame[1] | 0x80);
  frame.append(bytes.data(), bytes.size());
  apply_mask(payload.data(), payload.size(), bytes, 0);
  return frame + payload;
}

bool FrameTransit::is_legal(std::uint8_t first, std::uint8_t second) const {
  const std::uint8_t code = first & 0x0f;
  const bool control = (code & 8) != 0;
  const bool known = code <= 2 || (code >= kClose && code <= 10);
  if ((first & 0x70) != 0 || !known || ((second & 0x80) != 0) != masked_) return false;
  if (control) return (first & 0x80) != 0 && (second & 0x7f) <= kMostControl;
  return (code == 0) == fragmented_;
}

/// False where the header is not complete or not legal.
bool FrameTransit::read_header(const char* data, std::size_t size, Header& header) {
  if (size < 2) return false;
  const auto byte = [data](std::size_t i) { return static_cast<std::uint8_t>(data[i]); };
  if (!is_legal(byte(0), byte(1))) {
    error_ = 1002;
    return false;
  }
  header.code = byte(0) & 0x0f;
  header.fin = (byte(0) & 0x80) != 0;
  const std::size_t short_length = byte(1) & 0x7f;
  const std::size_t extra = short_length == 126 ? 2 : short_length == 127 ? 8 : 0;
  header.size = 2 + extra + (masked_ ? 4 : 0);
  if (size < header.size) return false;
  header.length = extra == 0 ? short_length : 0;
  for (std::size_t i = 0; i < extra; ++i)
    header.length = header.length << 8 | byte(2 + i);
  // RFC 6455 section 5.2: the shortest form, and the topmost bit 0.
  const std::uint64_t least = extra == 2 ? 126 : extra == 8 ? 65536 : 0;
  if (header.length < least || (header.length >> 63) != 0) error_ = 1002;
  return error_ == 0;
}

/// Reads a control frame that is there whole. False where it breaks the protocol.
bool FrameTransit::take_control(const Header& header, const char* data) {
  const auto length = static_cast<std::size_t>(header.length);
  if (header.code != kClose) {
    ++(header.code == kPing ? counts_.pings : counts_.pongs);
    return true;
  }
  std::string said(data + header.size, length);
  if (masked_) {
    std::array<char, 4> key{};
    std::memcpy(key.data(), data + header.size - 4, key.size());
    apply_mask(said.data(), said.size(), key, 0);
  }
  if (length > 0) {
    const auto high = static_cast<std::uint8_t>(said[0]);
    const auto low = static_cast<std::uint8_t>(length > 1 ? said[1] : 0);
    close_ = {static_cast<std::uint16_t>(high << 8 | low), said.substr(std::min<std::size_t>(2, length))};
    if (length == 1 || !is_close_code(close_.code) || !is_utf8(close_.reason)) error_ = 1002;
  }
  closed_ = error_ == 0;
  return closed_;
}

void FrameTransit::remask(char* key) {
  const auto fresh = static_cast<std::uint32_t>(random_.next());
  std::array<char, 4> next{};
  std::memcpy(next.data(), &fresh, sizeof fresh);
  for (std::size_t i = 0; i < 4; ++i) {
    change_[i] = static_cast<char>(key[i] ^ next[i]);
    key[i] = next[i];
  }
  phase_ = 0;
}

/// Passes a header, and a control frame whole. 0 = not complete, or not legal.
std::size_t FrameTransit::begin(char* data, std::size_t size) {
  Header header;
  if (!read_header(data, size, header)) return 0;
  const bool control = (header.code & 8) != 0;
  if (control && size < header.size + header.length) return 0;
  if (control && !take_control(header, data)) return 0;
  if (masked_) remask(data + header.size - 4);
  if (control) {
    if (masked_) apply_mask(data + header.size, static_cast<std::size_t>(header.length), change_, 0);
    return header.size + static_cast<std::size_t>(header.length);
  }
  ++counts_.frames;
  counts_.messages += header.fin ? 1 : 0;
  fragmented_ = !header.fin;
  left_ = header.length;
  return header.size;
}

void FrameTransit::pass_payload(char* data, std::size_t size) {
  if (masked_) apply_mask(data, size, change_, phase_);
  phase_ = (phase_ + size) & 3;
  left_ -= size;
  counts_.bytes += size;
}

std::size_t FrameTransit::pass(char* data, std::size_t size) {
  std::size_t at = 0;
  while (at < size && error_ == 0 && !closed_) {
    if (left_ > 0) {
      const auto piece = static_cast<std::size_t>(std::min<std::uint64_t>(left_, size - at));
      pass_payload(data + at, piece);
      at += piece;
      continue;
    }
    const std::size_t used = begin(data + at, size - at);
    if (used == 0) break;
    at += used;
  }
  return at;
}

}  // namespace bridge55::sim
