// How numbers, durations, sizes and the like are written. Strict and independent of locale: digits only, no
// sign, no leading zero
// (`010` is refused, not 8 and not 10), a unit always. Each `print_` gives text that its `parse_` reads back
// to the same value.
#pragma once

#include "config/config.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bridge55::config {

// What a number beyond 64 bits becomes, so that "not a number" and "out of range" stay two different errors.
constexpr std::uint64_t too_large = UINT64_MAX;

std::optional<std::uint64_t> parse_integer(std::string_view text);  // saturates at too_large
std::optional<bool> parse_boolean(std::string_view text);           // true | false

std::optional<Duration> parse_duration(std::string_view text);  // 500ms 5s 2min 1h 7d; saturates
std::string print_duration(Duration duration);                  // in the largest unit that divides it

std::optional<Bytes> parse_size(
    std::string_view text);  // B KiB MiB GiB TiB, and kB MB GB TB of 1000; saturates
std::string print_size(Bytes size);

std::optional<unsigned> parse_mode(std::string_view text);  // octal, up to 0777
std::string print_mode(unsigned mode);

std::optional<RateLimit> parse_rate(
    std::string_view text);                     // 10/s 60/min, N from 1 to 1,000,000; burst stays 0
std::string print_rate(const RateLimit& rate);  // without the burst

std::optional<Reserve> parse_reserve(std::string_view text);  // 10% 2.5% or a count from 1
std::string print_reserve(const Reserve& reserve);

bool is_decimal(std::string_view text);  // 500, 0.25: at least 0, at most 30 digits
bool is_uuid(std::string_view text);     // RFC 9562, any version
bool is_name(std::string_view text);     // [A-Za-z0-9][A-Za-z0-9_-]*, at most 64: a path segment and a label
bool is_http_token(std::string_view text);  // RFC 9110, section 5.6.2
bool has_control(std::string_view text);    // a byte below space, or DEL

}  // namespace bridge55::config
