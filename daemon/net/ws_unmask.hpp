// RFC 6455, 5.3: payload bytes are XORed with the four bytes of the key, in turn. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace bridge55::ws {

using MaskKey = std::array<unsigned char, 4>;

// In place. `offset` is the position of data[0] in the frame's payload. Masking and unmasking are the same.
void unmask(char* data, std::size_t size, const MaskKey& key, std::uint64_t offset = 0);

}  // namespace bridge55::ws
