// Whether a request that failed is sent again, and after how long. Pure. What may reach upstream twice
// without harm is retried: reads and cancels. A write or placement only where no byte of it left.
#pragma once

#include "config/config.hpp"
#include "daemon/base/clock.hpp"

#include <chrono>
#include <cstdint>
#include <optional>

namespace bridge55::gateway {

enum class RetryKind : std::uint8_t {
  read_vendor,    // ABP and MM: 504 is their own
  read_scraping,  // 502 and 504 may be the target's: 504 is passed on (api-docs.txt, Scraping errors)
  cancel,
  cancel_all,  // cancels what is placed meanwhile too: only soon after it was asked for
  write,
  placement,
};

struct Outcome {
  enum class What : std::uint8_t { connect_failed, lost_after_send, status };
  What what = What::connect_failed;
  unsigned status = 0;
  std::optional<std::chrono::milliseconds> retry_after{};  // of the answer, where it had one
};

struct RetryState {
  unsigned attempt = 1;   // how many have been made, this one included
  SteadyTime started{};   // when the app asked
  SteadyTime deadline{};  // the app's own time limit
  SteadyTime now{};
  double unit = 0;  // random, uniform in [0, 1)
};

// `cancel-all-orders` is sent again no later than this after it was asked for.
inline constexpr std::chrono::seconds kCancelAllRetry{5};

// The delay before the next attempt; none: the outcome is final. Full jitter under `backoff` doubled each
// time up to `max_backoff`, never less than upstream's Retry-After, never past the deadline.
std::optional<std::chrono::milliseconds> retry(RetryKind kind, const Outcome& outcome,
                                               const RetryState& state, const config::Retry& settings);

}  // namespace bridge55::gateway
