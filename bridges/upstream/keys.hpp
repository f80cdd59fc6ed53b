// The identity of the thing in a payload: the contract's section 7, as a table. Pure.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>

namespace bridge55::upstream {

// One part of a key: the first of `names` that the payload has. An empty first name stands for the fixed key
// `-`.
struct KeyPart {
  std::array<std::string_view, 2> names{};
  char separator = 0;  // before it
  bool optional = false;
};

struct ChannelKey {
  std::string_view channel;
  std::array<KeyPart, 4> parts{};
  std::size_t count = 0;
};

// The key, or empty where the channel is not in the table or a part is missing or null. Numbers keep their
// digits. The view points into `payload` or into `buffer`.
std::string_view key_of(std::span<const ChannelKey> table, std::string_view channel, std::string_view payload,
                        std::string& buffer);

}  // namespace bridge55::upstream
