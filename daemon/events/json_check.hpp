// A strict RFC 8259 check of our own, without recursion and without memory of its own. It decides where
// simdjson declines (numbers beyond 64 bits or a double's range are valid JSON) and finds the words for what
// is wrong. Internal to daemon/events.
#pragma once

#include <cstddef>
#include <string_view>

namespace bridge55::json::detail {

// Empty, or what is wrong. `text` must be valid UTF-8 already.
std::string_view check(std::string_view text);

// One past the JSON number that starts at `at`; `at` itself where there is none.
std::size_t number_end(std::string_view text, std::size_t at);

}  // namespace bridge55::json::detail
