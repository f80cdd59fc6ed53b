#include "config/source_text.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace bridge55::config {
namespace {

using Byte = unsigned char;

// 0xF8 to 0xFF never occur in UTF-8 (RFC 3629, section 3), so nothing an operator writes, escapes included,
// can look like one.
constexpr std::array<std::pair<char, Byte>, 5> masks{
    {{'{', 0xF8}, {'}', 0xF9}, {'[', 0xFA}, {']', 0xFB}, {',', 0xFC}}};

bool continuation(std::string_view text, std::size_t at) {
  return at < text.size() && (static_cast<Byte>(text[at]) & 0xC0) == 0x80;
}

// The smallest code point that a sequence of this length may hold; what is below is an overlong form.
constexpr std::array<char32_t, 5> smallest{0, 0, 0x80, 0x800, 0x10000};

std::size_t announced_length(Byte lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return 2;
  if (lead >= 0xE0 && lead <= 0xEF) return 3;
  if (lead >= 0xF0 && lead <= 0xF4) return 4;
  return 0;
}

}  // namespace

std::size_t utf8_length(std::string_view text, std::size_t at) {
  const auto lead = static_cast<Byte>(text[at]);
  const std::size_t length = announced_length(lead);
  if (length < 2) return length;
  char32_t point = lead & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if (!continuation(text, at + i)) return 0;
    point = point << 6 | (static_cast<Byte>(text[at + i]) & 0x3FU);
  }
  const bool surrogate = point >= 0xD800 && point <= 0xDFFF;
  return point >= smallest[length] && point <= 0x10FFFF && !surrogate ? length : 0;
}

bool valid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = utf8_length(text, at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

SourceText::SourceText(std::string_view text) : text_(text), line_starts_{0} {
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text[i] == '\n') line_starts_.push_back(i + 1);
}

std::optional<TreeError> SourceText::defect() const {
  for (std::size_t at = 0; at < text_.size();) {
    const std::size_t length = utf8_length(text_, at);
    const auto byte = static_cast<Byte>(text_[at]);
    const bool control = (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7F;
    if (length > 0 && !control) {
      at += length;
      continue;
    }
    const auto next = std::upper_bound(line_starts_.begin(), line_starts_.end(), at);
    const auto line = static_cast<int>(next - line_starts_.begin()) - 1;
    const auto column = static_cast<int>(at - *(next - 1));
    return TreeError{position(line, column), control ? "holds a control character" : "is not UTF-8"};
  }
  return std::nullopt;
}

std::string SourceText::masked() const {
  std::string out(text_);
  for (std::size_t open = out.find("${"); open != std::string::npos; open = out.find("${", open + 1)) {
    const std::size_t close = out.find_first_of("}\n", open);
    if (close == std::string::npos || out[close] == '\n') continue;
    for (std::size_t i = open; i <= close; ++i)
      for (const auto& [plain, mask] : masks)
        if (out[i] == plain) out[i] = static_cast<char>(mask);
  }
  return out;
}

std::string SourceText::unmasked(std::string text) {
  for (char& c : text)
    for (const auto& [plain, mask] : masks)
      if (static_cast<Byte>(c) == mask) c = plain;
  return text;
}

Position SourceText::position(int line, int byte_column) const {
  const auto row = static_cast<std::size_t>(std::max(line, 0));
  const auto column = static_cast<std::size_t>(std::max(byte_column, 0));
  if (row >= line_starts_.size()) return {static_cast<int>(row) + 1, static_cast<int>(column) + 1};
  if (row != last_.row || column < last_.bytes) last_ = {row, 0, 0};
  const std::size_t known = std::min(line_starts_[row] + last_.bytes, text_.size());
  const std::string_view between = text_.substr(known, column - last_.bytes);
  last_.characters += static_cast<std::size_t>(std::count_if(
      between.begin(), between.end(), [](char c) { return (static_cast<Byte>(c) & 0xC0) != 0x80; }));
  last_.bytes = column;
  return {static_cast<int>(row) + 1, static_cast<int>(last_.characters) + 1};
}

std::string_view SourceText::from(int line, int byte_column) const {
  if (line < 0 || static_cast<std::size_t>(line) >= line_starts_.size()) return {};
  const std::size_t at =
      line_starts_[static_cast<std::size_t>(line)] + static_cast<std::size_t>(std::max(byte_column, 0));
  return at < text_.size() ? text_.substr(at) : std::string_view{};
}

}  // namespace bridge55::config
