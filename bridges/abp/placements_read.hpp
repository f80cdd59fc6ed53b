// The request side of ABP's placements: strict, because what two parsers may read differently must not pass a
// guard rail in one reading and trade in the other. Internal to bridges/abp.
#pragma once

#include "daemon/gateway/placement.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace bridge55::abp {

gateway::ReadPlacement read_placement(std::string body, WallMicros now);

// Of valid JSON: the first member name that an object has twice, with the object's place; nothing otherwise.
// In one pass, whatever the depth.
std::optional<std::string> duplicate_key(std::string_view json);

// A UUID in its 8-4-4-4-12 form (RFC 9562, 4), in lower case; nothing where `text` is none.
std::optional<std::string> uuid_identity(std::string_view text);

// An ISO 8601 time with a date; without an offset it is taken as UTC.
std::optional<WallMicros> iso_time(std::string_view text);

}  // namespace bridge55::abp
