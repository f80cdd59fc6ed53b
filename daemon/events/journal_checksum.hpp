// The 64-bit checksum that every row of the journal carries (docs/journal.md): so that bytes a disk has
// altered are found when they are read. It finds damage, not forgery. Little-endian machines only, as the
// figures are read as they lie in memory.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace bridge55::events {

class Checksum {
 public:
  Checksum& number(std::uint64_t value) {
    mix(value, 0);
    return *this;
  }
  // The length goes in first, so that bytes cannot move from one field to the next unseen.
  Checksum& text(std::string_view bytes) {
    static_assert(std::endian::native == std::endian::little);
    mix(bytes.size(), kFirst);
    const char* at = bytes.data();
    std::size_t left = bytes.size();
    std::uint64_t words[4];
    // Two chains side by side: a product takes longer than the processor needs to begin the next.
    for (std::uint64_t beside = kSecond; left >= sizeof words; at += sizeof words, left -= sizeof words) {
      std::memcpy(words, at, sizeof words);
      beside = fold(beside ^ words[2], words[3]);
      mix(words[0], words[1]);
      if (left < 2 * sizeof words) mix(beside, left);
    }
    for (; left >= 2 * sizeof(std::uint64_t); at += 16, left -= 16) {
      std::memcpy(words, at, 16);
      mix(words[0], words[1]);
    }
    if (left > 0) {
      words[0] = words[1] = 0;
      std::memcpy(words, at, left);
      mix(words[0], words[1]);
    }
    return *this;
  }
  std::int64_t value() const { return static_cast<std::int64_t>(state_); }

 private:
  static constexpr std::uint64_t kFirst = 0xa0761d6478bd642full, kSecond = 0xe7037ed1a0b428dbull;

  // A 128-bit product folded in two: every input bit reaches every output bit, at five cycles for 16 bytes.
  static std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a ^ kFirst) * (b ^ kSecond ^ 1);
    return (static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64)) + kSecond;
  }
  void mix(std::uint64_t a, std::uint64_t b) { state_ = fold(state_ ^ a, b); }

  std::uint64_t state_ = 0x8ebc6af09c88c6e3ull;
};

}  // namespace bridge55::events
