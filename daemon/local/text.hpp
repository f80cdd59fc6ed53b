// Small helpers over ASCII text that the pure parts of the door share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bridge55::local {

char ascii_lower(char c);
std::string lower(std::string_view text);
bool same_ignoring_case(std::string_view a, std::string_view b);
std::string_view trim(std::string_view text);  // spaces and tabs
// The parts between `separator`, trimmed, empty ones left out.
std::vector<std::string_view> split_list(std::string_view text, char separator = ',');
// Digits alone, no sign, no space; nothing where it does not fit 64 bits.
std::optional<std::uint64_t> parse_decimal(std::string_view text);
// RFC 3986 percent-decoding; nothing where an escape is broken. `plus_is_space`: as HTML forms and
// URLSearchParams write a query.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);
// RFC 9110, 5.6.2.
bool is_token(std::string_view text);

}  // namespace bridge55::local
