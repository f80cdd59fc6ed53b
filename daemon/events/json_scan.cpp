// Where values end in text that is known to be valid: 64 bytes a step, so that cutting a frame costs less
// than validating it.
#include "daemon/events/json.hpp"
#include "daemon/events/json_bytes.hpp"

#include <bit>
#include <cstdint>
#include <cstring>

namespace bridge55::json::detail {
namespace {

// The quotes, brackets and backslashes of one block, a bit a byte.
struct Marks {
  std::uint64_t quotes = 0, backslashes = 0, opens = 0, closes = 0;
};

// `[`/`{` and `]`/`}` differ by 0x20 alone, and nothing else falls on `{` or `}` with that bit set.
Marks marks_of(const char* block) {
  Marks marks;
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
  const __m128i open = _mm_set1_epi8('{'), close = _mm_set1_epi8('}'), bit5 = _mm_set1_epi8(0x20);
  for (std::size_t part = 0; part < 4; ++part) {
    const __m128i bytes = load16(block + part * 16);
    const __m128i folded = _mm_or_si128(bytes, bit5);
    const auto mask = [part](__m128i equal) {
      return static_cast<std::uint64_t>(static_cast<std::uint32_t>(_mm_movemask_epi8(equal))) << (part * 16);
    };
    marks.quotes |= mask(_mm_cmpeq_epi8(bytes, quote));
    marks.backslashes |= mask(_mm_cmpeq_epi8(bytes, backslash));
    marks.opens |= mask(_mm_cmpeq_epi8(folded, open));
    marks.closes |= mask(_mm_cmpeq_epi8(folded, close));
  }
#else
  for (int i = 0; i < 64; ++i) {
    const std::uint64_t bit = std::uint64_t{1} << i;
    const char byte = block[i];
    if (byte == '"') marks.quotes |= bit;
    if (byte == '\\') marks.backslashes |= bit;
    if ((byte | 0x20) == '{') marks.opens |= bit;
    if ((byte | 0x20) == '}') marks.closes |= bit;
  }
#endif
  return marks;
}

// Each bit becomes the parity of itself and all below: between an opening quote and its closing one, ones.
std::uint64_t prefix_parity(std::uint64_t bits) {
  for (int shift = 1; shift < 64; shift <<= 1)
    bits ^= bits << shift;
  return bits;
}

// Follows strings and nesting from block to block; starts inside a container that is already open.
class NestingScan {
 public:
  // The position in the block of the bracket that closes the container, or 64.
  int step(const char* block) {
    Marks marks = marks_of(block);
    if ((marks.backslashes | escape_pending_) != 0) marks.quotes &= ~escaped(marks.backslashes);
    const std::uint64_t inside = prefix_parity(marks.quotes) ^ in_string_;
    in_string_ = std::uint64_t{0} - (inside >> 63);
    const std::uint64_t closes = marks.closes & ~inside;
    for (std::uint64_t brackets = (marks.opens & ~inside) | closes; brackets != 0; brackets &= brackets - 1) {
      const std::uint64_t lowest = brackets & (~brackets + 1);
      if ((closes & lowest) == 0) {
        ++depth_;
      } else if (--depth_ == 0) {
        return std::countr_zero(lowest);
      }
    }
    return 64;
  }

 private:
  // The bytes that a backslash before them takes away from the grammar.
  std::uint64_t escaped(std::uint64_t backslashes) {
    std::uint64_t result = escape_pending_;
    backslashes &= ~escape_pending_;
    escape_pending_ = 0;
    while (backslashes != 0) {
      const std::uint64_t lowest = backslashes & (~backslashes + 1);
      const std::uint64_t next = lowest << 1;
      if (next == 0) escape_pending_ = 1;
      result |= next;
      backslashes &= ~(lowest | next);
    }
    return result;
  }

  std::uint64_t in_string_ = 0;  // all ones where the last block ended inside a string
  std::uint64_t escape_pending_ = 0;
  std::size_t depth_ = 1;
};

std::size_t skip_container(std::string_view text, std::size_t at) {
  NestingScan scan;
  for (++at; at + 64 <= text.size(); at += 64) {
    if (const int end = scan.step(text.data() + at); end < 64) return at + static_cast<std::size_t>(end) + 1;
  }
  char last[64];
  std::memset(last, ' ', sizeof last);
  if (at < text.size()) std::memcpy(last, text.data() + at, text.size() - at);
  const int end = scan.step(last);
  return end < 64 ? at + static_cast<std::size_t>(end) + 1 : text.size();
}

std::size_t skip_string(std::string_view text, std::size_t at) {
  for (++at; (at = next_special(text, at)) < text.size();) {
    if (text[at] == '"') return at + 1;
    at += text[at] == '\\' ? 2 : 1;
  }
  return text.size();
}

}  // namespace

std::size_t skip_space_slow(std::string_view text, std::size_t at) {
  while (at < text.size() && is_space(text[at]))
    ++at;
  return at;
}

std::size_t skip_value(std::string_view text, std::size_t at) {
  at = skip_space(text, at);
  if (at >= text.size()) return text.size();
  if (text[at] == '"') return skip_string(text, at);
  if (text[at] == '{' || text[at] == '[') return skip_container(text, at);
  while (at < text.size() && !ends_scalar(text[at]))
    ++at;
  return at;
}

}  // namespace bridge55::json::detail
