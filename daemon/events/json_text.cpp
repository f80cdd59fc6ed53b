// Between JSON strings and text.
#include "daemon/events/json.hpp"
#include "daemon/events/json_bytes.hpp"

#include <algorithm>
#include <cstdint>

namespace bridge55::json {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

void append_utf8(std::string& out, std::uint32_t code) {
  const auto byte = [&out](std::uint32_t value) { out += static_cast<char>(value); };
  const auto tail = [&](unsigned shift) { byte(0x80 | ((code >> shift) & 0x3F)); };
  if (code < 0x80) return byte(code);
  if (code < 0x800) return byte(0xC0 | (code >> 6)), tail(0);
  if (code < 0x10000) return byte(0xE0 | (code >> 12)), tail(6), tail(0);
  byte(0xF0 | (code >> 18)), tail(12), tail(6), tail(0);
}

// Decodes the escape whose backslash is at `at`; returns one past it. Half of a surrogate pair alone becomes
// U+FFFD.
std::size_t append_escape(std::string& out, std::string_view text, std::size_t at) {
  constexpr std::string_view kNames = "bfnrt", kBytes = "\b\f\n\r\t";
  const char kind = at + 1 < text.size() ? text[at + 1] : '\\';
  if (kind != 'u') {
    const std::size_t index = kNames.find(kind);
    out += index == std::string_view::npos ? kind : kBytes[index];
    return at + 2;
  }
  const int unit = detail::hex4(text, at + 2);
  if (unit < 0xD800 || unit > 0xDFFF) {
    append_utf8(out, static_cast<std::uint32_t>(unit));
    return at + 6;
  }
  const bool pair = unit < 0xDC00 && text.substr(at + 6).starts_with("\\u");
  const int low = pair ? detail::hex4(text, at + 8) : 0;
  if (low < 0xDC00 || low > 0xDFFF) {
    out += kReplacement;
    return at + 6;
  }
  append_utf8(out, 0x10000u + (static_cast<std::uint32_t>(unit - 0xD800) << 10) +
                       static_cast<std::uint32_t>(low - 0xDC00));
  return at + 12;
}

std::string unescape(std::string_view inner) {
  std::string out;
  out.reserve(inner.size());
  for (std::size_t at = 0; at < inner.size();) {
    const std::size_t next = std::min(inner.find('\\', at), inner.size());
    out.append(inner, at, next - at);
    at = next < inner.size() ? append_escape(out, inner, next) : next;
  }
  return out;
}

// The length of the valid UTF-8 sequence at `at` (Unicode 15, table 3-7); 0: none, and `bad` is how many
// bytes one U+FFFD stands for.
std::size_t utf8_length(std::string_view text, std::size_t at, std::size_t& bad) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const unsigned lead = byte(at);
  bad = 1;
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  const unsigned lowest = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned highest = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (byte(at + 1) < lowest || byte(at + 1) > highest) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    bad = i;
    if ((byte(at + i) & 0xC0) != 0x80) return 0;
  }
  return length;
}

void append_escaped(std::string& out, char byte) {
  constexpr std::string_view kBytes = "\"\\\b\f\n\r\t", kNames = "\"\\bfnrt", kHex = "0123456789abcdef";
  out += '\\';
  if (const std::size_t index = kBytes.find(byte); index != std::string_view::npos) {
    out += kNames[index];
    return;
  }
  out += "u00";
  out += kHex[static_cast<unsigned char>(byte) >> 4];
  out += kHex[static_cast<unsigned char>(byte) & 15];
}

bool is_plain(char byte) {
  return !detail::is_special(byte) && static_cast<unsigned char>(byte) < 0x80;
}

}  // namespace

bool is_string(std::string_view token) {
  return token.size() >= 2 && token.front() == '"';
}

std::string text(std::string_view token) {
  if (!is_string(token)) return std::string(token);
  return unescape(token.substr(1, token.size() - 2));
}

bool same_name(std::string_view raw_key, std::string_view name) {
  if (raw_key == name) return raw_key.find('\\') == std::string_view::npos;
  // An escape is never shorter than what it stands for.
  if (raw_key.size() <= name.size() || raw_key.find('\\') == std::string_view::npos) return false;
  return unescape(raw_key) == name;
}

void append_quoted(std::string& out, std::string_view text) {
  out.reserve(out.size() + text.size() + 2);
  out += '"';
  for (std::size_t at = 0; at < text.size();) {
    std::size_t plain = at;
    while (plain < text.size() && is_plain(text[plain]))
      ++plain;
    out.append(text, at, plain - at);
    if ((at = plain) == text.size()) break;
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      append_escaped(out, text[at++]);
      continue;
    }
    std::size_t bad = 1;
    const std::size_t length = utf8_length(text, at, bad);
    out.append(length != 0 ? text.substr(at, length) : kReplacement);
    at += length != 0 ? length : bad;
  }
  out += '"';
}

std::string quoted(std::string_view text) {
  std::string out;
  append_quoted(out, text);
  return out;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const auto byte = [&](std::size_t i) -> std::uint32_t {
      return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0u;
    };
    const std::uint32_t group = byte(at) << 16 | byte(at + 1) << 8 | byte(at + 2);
    for (unsigned i = 0; i < 4; ++i) {
      const bool padding = at + i > bytes.size();
      out += padding ? '=' : kAlphabet[(group >> (18 - 6 * i)) & 63];
    }
  }
  return out;
}

}  // namespace bridge55::json
