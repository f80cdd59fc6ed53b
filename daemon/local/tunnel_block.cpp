#include "daemon/local/tunnel_block.hpp"

#include <array>

namespace bridge55::local {
namespace {

// More than these go back to the system: a crowd of slow readers leaves nothing behind.
struct Spare {
  std::array<std::unique_ptr<char[]>, 4> blocks;
  std::size_t count = 0;
};
thread_local Spare spare;

}  // namespace

Block take_block() {
  if (spare.count > 0) return Block(spare.blocks[--spare.count].release());
  return Block(std::make_unique_for_overwrite<char[]>(kBlockBytes).release());
}

void ReturnBlock::operator()(char* block) const {
  std::unique_ptr<char[]> owned(block);
  if (spare.count < spare.blocks.size()) spare.blocks[spare.count++] = std::move(owned);
}

}  // namespace bridge55::local
