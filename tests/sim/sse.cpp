#include "tests/sim/sse.hpp"

#include "tests/sim/frames.hpp"

#include <array>
#include <cstdint>
#include <cstdio>

namespace bridge55::sim {
namespace {

void append_escape(std::string& out, std::uint32_t unit) {
  std::array<char, 7> text{};
  std::snprintf(text.data(), text.size(), "\\u%04x", unit & 0xffff);
  out += text.data();
}

void append_code_point(std::string& out, std::string_view bytes) {
  std::uint32_t point = static_cast<std::uint8_t>(bytes[0]) & (0xff >> (bytes.size() + 1));
  for (const char c : bytes.substr(1))
    point = point << 6 | (static_cast<std::uint8_t>(c) & 0x3f);
  if (point < 0x10000) return append_escape(out, point);
  append_escape(out, 0xd800 + ((point - 0x10000) >> 10));
  append_escape(out, 0xdc00 + ((point - 0x10000) & 0x3ff));
}

/// Appends the character at the beginning of `text`; how many bytes it has.
std::size_t append_wide(std::string& out, std::string_view text, bool ascii) {
  constexpr std::string_view kReplacement = "\xef\xbf\xbd";
  const auto lead = static_cast<std::uint8_t>(text[0]);
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  const bool good = size <= text.size() && is_utf8(text.substr(0, size));
  const std::string_view shown = good ? text.substr(0, size) : kReplacement;
  if (ascii) {
    append_code_point(out, shown);
  } else {
    out += shown;
  }
  return good ? size : 1;
}

void append_special(std::string& out, char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      append_escape(out, static_cast<std::uint8_t>(c));
  }
}

void append_line(std::string& out, const SseStyle& style, std::string_view name, std::string_view value) {
  out.append(name).append(style.tight ? ":" : ": ").append(value).append(style.line_end);
}

}  // namespace

void append_json_string(std::string& out, std::string_view text, bool ascii) {
  out += '"';
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t end = at;
    while (end < text.size() && static_cast<std::uint8_t>(text[end]) >= 0x20 && text[end] != '"' &&
           text[end] != '\\' && static_cast<std::uint8_t>(text[end]) < 0x7f)
      ++end;
    out.append(text.substr(at, end - at));
    at = end;
    if (at == text.size()) break;
    if (static_cast<std::uint8_t>(text[at]) < 0x80) {
      append_special(out, text[at]);
      ++at;
    } else {
      at += append_wide(out, text.substr(at), ascii);
    }
  }
  out += '"';
}

void append_event(std::string& out, const SseStyle& style, std::string_view event, std::string_view data) {
  if (style.comments) out.append(": keep-alive").append(style.line_end);
  if (style.fields) {
    append_line(out, style, "id", "1");
    append_line(out, style, "retry", "3000");
    append_line(out, style, "unknown", "field");
  }
  append_line(out, style, "event", event);
  if (style.comments) out.append(":").append(style.line_end);
  if (style.multiline && data.size() > 2) {
    append_line(out, style, "data", data.substr(0, 1));
    append_line(out, style, "data", data.substr(1, data.size() - 2));
    append_line(out, style, "data", data.substr(data.size() - 1));
  } else {
    append_line(out, style, "data", data);
  }
  out += style.line_end;
}

}  // namespace bridge55::sim
