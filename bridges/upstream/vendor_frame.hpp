// The frames that the vendor's APIs share: `{"type": "…", …}` (vendor docs, ABP WebSocket and MM WebSocket,
// both editions). Pure.
#pragma once

#include "bridges/upstream/keys.hpp"
#include "bridges/upstream/protocol.hpp"

#include <span>
#include <string_view>
#include <vector>

namespace bridge55::upstream {

// Validates and cuts. A frame of a type that we do not know is an event where it has a channel and a payload.
void read_vendor_frame(std::string_view frame, std::span<const ChannelKey> keys, Incoming& into);

// `"name":value` members joined to an object, with those of `overrides` (a JSON object) laid over them: equal
// names replace, null removes, new names come last.
struct Member {
  std::string_view name;
  std::string value;  // JSON
};
std::string merged_object(std::vector<Member> members, std::string_view overrides);

std::string channel_list(std::span<const std::string> channels);  // a JSON array

}  // namespace bridge55::upstream
