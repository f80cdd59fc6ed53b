// Frames to send, and the two values of the opening handshake.
#include "daemon/net/ws_frames.hpp"
#include "daemon/net/ws_rules.hpp"
#include "daemon/net/ws_unmask.hpp"

#include <array>
#include <cassert>
#include <stdexcept>

#include <openssl/evp.h>
#include <openssl/rand.h>

namespace bridge55::ws {
namespace {

void append_header(std::string& out, Role role, unsigned opcode, std::size_t size) {
  const unsigned mask = role == Role::client ? 0x80 : 0;
  out.push_back(static_cast<char>(0x80 | opcode));
  if (size <= 125) {
    out.push_back(static_cast<char>(mask | size));
    return;
  }
  const int bytes = size <= 0xFFFF ? 2 : 8;
  out.push_back(static_cast<char>(mask | (bytes == 2 ? 126u : 127u)));
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8)
    out.push_back(static_cast<char>(size >> shift));
}

template <std::size_t N>
std::array<unsigned char, N> random_bytes() {
  std::array<unsigned char, N> bytes;
  if (RAND_bytes(bytes.data(), N) != 1) throw std::runtime_error("the system has no random bytes");
  return bytes;
}

std::string base64_of(const unsigned char* bytes, int size) {
  std::string out(static_cast<std::size_t>((size + 2) / 3 * 4 + 1), '\0');  // EVP writes a NUL behind it
  out.resize(
      static_cast<std::size_t>(EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes, size)));
  return out;
}

}  // namespace

std::string frame(Role role, Kind kind, std::string_view data) {
  assert(kind != Kind::too_large);
  static constexpr unsigned kOpcodes[] = {kText, kBinary, kPing, kPong, kClose};
  std::string out;
  out.reserve(data.size() + 14);
  append_header(out, role, kOpcodes[static_cast<std::size_t>(kind)], data.size());
  if (role == Role::server) return out.append(data);
  const auto key = random_bytes<4>();
  out.append(reinterpret_cast<const char*>(key.data()), key.size());
  const std::size_t head = out.size();
  out.append(data);
  unmask(out.data() + head, data.size(), key);
  return out;
}

std::string close_frame(Role role, std::uint16_t code, std::string_view reason) {
  std::string payload{static_cast<char>(code >> 8), static_cast<char>(code & 0xFF)};
  payload.append(whole_characters(reason.substr(0, 123)));  // a control frame holds 125 bytes
  return frame(role, Kind::close, payload);
}

std::size_t server_text_header(std::size_t size, char* out) {
  out[0] = static_cast<char>(0x80 | kText);
  if (size <= 125) {
    out[1] = static_cast<char>(size);
    return 2;
  }
  const unsigned bytes = size <= 0xFFFF ? 2 : 8;
  out[1] = static_cast<char>(bytes == 2 ? 126 : 127);
  for (unsigned i = 0; i < bytes; ++i)
    out[2 + i] = static_cast<char>(size >> (8 * (bytes - 1 - i)));
  return 2 + bytes;
}

std::string accept_value(std::string_view key) {
  std::string text(key);
  text += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha1(), nullptr) != 1) {
    throw std::runtime_error("SHA-1 is not available");
  }
  return base64_of(digest, static_cast<int>(size));
}

std::string fresh_key() {
  const auto bytes = random_bytes<16>();
  return base64_of(bytes.data(), 16);
}

}  // namespace bridge55::ws
