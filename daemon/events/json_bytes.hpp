// The byte-level pieces that the JSON scanner and the JSON check share. Internal to daemon/events.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace bridge55::json::detail {

inline bool is_space(char byte) {
  return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}
inline bool is_digit(char byte) {
  return byte >= '0' && byte <= '9';
}
inline bool ends_scalar(char byte) {
  return byte == ',' || byte == '}' || byte == ']' || is_space(byte);
}

// What ends a run of plain bytes in a string: the quote, a backslash, a control character (which valid JSON
// does not have there).
inline bool is_special(char byte) {
  return byte == '"' || byte == '\\' || static_cast<unsigned char>(byte) < 0x20;
}

#if defined(__SSE2__)
inline __m128i load16(const char* from) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}

inline std::uint32_t special_mask(const char* from) {
  const __m128i bytes = load16(from);
  // Unsigned "below 0x20": the minimum with 0x1f is the byte itself.
  const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
  const __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
  const __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
  return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_or_si128(control, _mm_or_si128(quote, backslash))));
}
#endif

// The first special byte at or after `at`, or the end of the text.
inline std::size_t next_special(std::string_view text, std::size_t at) {
#if defined(__SSE2__)
  for (; at + 16 <= text.size(); at += 16) {
    if (const std::uint32_t mask = special_mask(text.data() + at); mask != 0) {
      return at + static_cast<std::size_t>(std::countr_zero(mask));
    }
  }
#endif
  while (at < text.size() && !is_special(text[at]))
    ++at;
  return at < text.size() ? at : text.size();
}

// Four hex digits after `\u`, or -1.
inline int hex4(std::string_view text, std::size_t at) {
  if (at > text.size() || text.size() - at < 4) return -1;
  int value = 0;
  for (std::size_t i = at; i < at + 4; ++i) {
    const char c = text[i];
    const int digit = is_digit(c)            ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

}  // namespace bridge55::json::detail
