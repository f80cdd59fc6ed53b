// Memory for the bytes that pass through tunnels. The block that was given back last is the one that the
// caches hold, so all tunnels of a thread that never have to wait share one. I/O thread only.
#pragma once

#include <cstddef>
#include <memory>

namespace bridge55::local {

// What one direction holds at most (contract, section 5: 256 KiB): four full records of TLS, which is what
// one read brings. More is slower, since it pushes the rest out of the caches.
constexpr std::size_t kBlockBytes = 64u << 10;

struct ReturnBlock {
  void operator()(char* block) const;
};
using Block = std::unique_ptr<char, ReturnBlock>;

Block take_block();

}  // namespace bridge55::local
