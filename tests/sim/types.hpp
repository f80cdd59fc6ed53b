#pragma once
// What the parts of the simulated vendor say to each other. No sockets here, and no code shared with the
// daemon.

#include <array>
#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace bridge55::sim {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using std::chrono::milliseconds;

enum class Api : std::uint8_t { abp, mm, scraping };
inline constexpr std::size_t kApis = 3;

/// "abp", "mm" or "scraping".
std::string_view name_of(Api api);

/// A channel of one API; `global` ones reach every client (vendor docs, "Channels").
struct Channel {
  std::string_view name;
  bool global;
};

/// The documented channels in the documented order; the index is the channel's number and its bit in filters.
std::span<const Channel> channels_of(Api api);

/// The number of a channel that the docs do not name: such messages reach every subscriber.
inline constexpr unsigned kUnknownChannel = 31;
unsigned channel_number(Api api, std::string_view name);

/// One thing that the vendor tells its subscribers, before each subscription adds its own tail.
/// `body` is the frame's text from `{"type":…` to the end of the payload (MM: of `old`), without the closing
/// brace; views are valid during the call they are passed to.
struct Message {
  Api api = Api::abp;
  unsigned channel = 0;
  std::string_view body;
  std::int64_t ts_ms = 0;
  std::string_view client;  ///< whom a client-filtered channel belongs to; empty = everyone
};

/// Milliseconds and nanoseconds since the epoch, as `ts` and `sentNs` carry them.
std::int64_t wall_ms();
std::int64_t wall_ns();
/// Microseconds of the steady clock (CLOCK_MONOTONIC).
std::int64_t clock_us();

}  // namespace bridge55::sim
