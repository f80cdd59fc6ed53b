#include "tests/sim/frames.hpp"

#include <algorithm>
#include <array>

#include <openssl/evp.h>
#include <openssl/sha.h>

namespace bridge55::sim {

void append_header(std::string& out, Opcode opcode, std::size_t size, bool fin) {
  std::array<char, kMaxHeader> header;
  std::size_t used = 2;
  header[0] = static_cast<char>((fin ? 0x80 : 0) | static_cast<int>(opcode));
  if (size < 126) {
    header[1] = static_cast<char>(size);
  } else if (size <= 0xffff) {
    header[1] = 126;
    header[2] = static_cast<char>(size >> 8);
    header[3] = static_cast<char>(size);
    used = 4;
  } else {
    header[1] = 127;
    for (int i = 0; i < 8; ++i)
      header[2 + static_cast<std::size_t>(i)] = static_cast<char>(size >> (56 - 8 * i));
    used = 10;
  }
  out.append(header.data(), used);
}

void append_frame(std::string& out, Opcode opcode, std::string_view payload) {
  append_header(out, opcode, payload.size());
  out.append(payload);
}

void append_fragmented(std::string& out, Opcode opcode, std::string_view payload, std::size_t pieces) {
  const std::size_t step = std::max<std::size_t>(1, (payload.size() + pieces - 1) / pieces);
  Opcode next = opcode;
  do {
    const auto piece = payload.substr(0, step);
    payload.remove_prefix(piece.size());
    append_header(out, next, piece.size(), payload.empty());
    out.append(piece);
    if (!payload.empty()) append_frame(out, Opcode::ping, "between fragments");
    next = Opcode::continuation;
  } while (!payload.empty());
}

void append_close(std::string& out, std::uint16_t code, std::string_view reason) {
  std::string payload;
  if (code != 0) {
    payload.push_back(static_cast<char>(code >> 8));
    payload.push_back(static_cast<char>(code));
    payload.append(reason.substr(0, 123));
  }
  append_frame(out, Opcode::close, payload);
}

std::string accept_key(std::string_view client_key) {
  const std::string text = std::string(client_key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  std::array<unsigned char, 29> encoded{};
  const int size = EVP_EncodeBlock(encoded.data(), digest.data(), static_cast<int>(digest.size()));
  return {reinterpret_cast<const char*>(encoded.data()), static_cast<std::size_t>(size)};
}

std::optional<ClientMessage> ClientFrames::fail(std::uint16_t code) {
  error_ = code;
  return std::nullopt;
}

std::optional<ClientFrames::Header> ClientFrames::header() {
  if (buffer_.size() < 2) return std::nullopt;
  const auto byte = [this](std::size_t i) { return static_cast<std::uint8_t>(buffer_[i]); };
  Header result;
  result.fin = (byte(0) & 0x80) != 0;
  result.opcode = static_cast<Opcode>(byte(0) & 0x0f);
  const std::uint8_t code = byte(0) & 0x0f;
  const bool control = (code & 8) != 0;
  const std::size_t short_length = byte(1) & 0x7f;
  const bool known = code <= 2 || (code >= 8 && code <= 10);
  const bool masked = (byte(1) & 0x80) != 0;  // a client must mask (RFC 6455 section 5.1)
  if ((byte(0) & 0x70) != 0 || !known || !masked || (control && (!result.fin || short_length > 125))) {
    error_ = 1002;
    return std::nullopt;
  }
  const std::size_t extra = short_length == 126 ? 2 : short_length == 127 ? 8 : 0;
  result.size = 2 + extra + 4;
  if (buffer_.size() < result.size) return std::nullopt;
  result.length = extra == 0 ? short_length : 0;
  for (std::size_t i = 0; i < extra; ++i)
    result.length = result.length << 8 | byte(2 + i);
  if (result.length > limit_) {
    error_ = 1009;
    return std::nullopt;
  }
  return result;
}

std::optional<ClientMessage> ClientFrames::take(const Header& header) {
  ClientMessage message{header.opcode, buffer_.substr(header.size, header.length)};
  const auto mask = buffer_.substr(header.size - 4, 4);
  for (std::size_t i = 0; i < message.payload.size(); ++i)
    message.payload[i] = static_cast<char>(message.payload[i] ^ mask[i & 3]);
  buffer_.erase(0, header.size + header.length);
  if ((static_cast<int>(header.opcode) & 8) != 0) return message;
  const bool continues = header.opcode == Opcode::continuation;
  if (continues != partial_opcode_.has_value()) return fail(1002);
  if (!continues) partial_opcode_ = header.opcode;
  partial_ += message.payload;
  if (partial_.size() > limit_) return fail(1009);
  if (!header.fin) return next();
  message.opcode = *partial_opcode_;
  message.payload = std::move(partial_);
  partial_.clear();
  partial_opcode_.reset();
  if (message.opcode == Opcode::text && !is_utf8(message.payload)) return fail(1007);
  return message;
}

std::optional<ClientMessage> ClientFrames::next() {
  if (error_ != 0) return std::nullopt;
  const auto found = header();
  if (!found || buffer_.size() < found->size + found->length) return std::nullopt;
  return take(*found);
}

bool is_utf8(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<std::uint8_t>(text[i]);
    const std::size_t more = lead < 0x80                    ? 0
                             : lead >= 0xc2 && lead <= 0xdf ? 1
                             : (lead & 0xf0) == 0xe0        ? 2
                                                            : 3;
    if (lead >= 0x80 && (lead < 0xc2 || lead > 0xf4)) return false;
    if (more >= text.size() - i) return false;
    for (std::size_t k = 1; k <= more; ++k) {
      if ((static_cast<std::uint8_t>(text[i + k]) & 0xc0) != 0x80) return false;
    }
    const auto second = more > 0 ? static_cast<std::uint8_t>(text[i + 1]) : 0;
    const bool bad = (lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) ||
                     (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f);
    if (bad) return false;
    i += more + 1;
  }
  return true;
}

}  // namespace bridge55::sim
