#include "daemon/net/ws_unmask.hpp"

#include <cstring>

namespace bridge55::ws {

void unmask(char* data, std::size_t size, const MaskKey& key, std::uint64_t offset) {
  unsigned char turned[8];
  for (std::size_t i = 0; i < 8; ++i)
    turned[i] = key[(offset + i) & 3];
  std::uint64_t wide;
  std::memcpy(&wide, turned, 8);

  std::size_t at = 0;
  // Four words a step, so that the compiler makes vector instructions of it.
  for (; at + 32 <= size; at += 32) {
    std::uint64_t block[4];
    std::memcpy(block, data + at, 32);
    for (auto& word : block)
      word ^= wide;
    std::memcpy(data + at, block, 32);
  }
  for (; at + 8 <= size; at += 8) {
    std::uint64_t word;
    std::memcpy(&word, data + at, 8);
    word ^= wide;
    std::memcpy(data + at, &word, 8);
  }
  for (; at < size; ++at)
    data[at] = static_cast<char>(data[at] ^ turned[at & 7]);
}

}  // namespace bridge55::ws
