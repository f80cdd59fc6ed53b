// Who may send to one upstream now: one limit across all apps, as a sliding window (ABP and MM,
// api-docs.txt "Rate limiting") or a token bucket (Scraping, "Rate limits"). Pure: time is a parameter and
// never runs backwards; it is a single thread's. Upstream may count a request at any moment between its
// sending and its answer, so a place is held from the grant until one window after the answer began: under
// any latency upstream never sees more than its limit. All calls are O(log waiting) or better.
#pragma once

#include "config/config.hpp"
#include "daemon/base/clock.hpp"
#include "daemon/gateway/limit_headers.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace bridge55::gateway {

// In the order in which they are served: cancels and settlement look-ups first, the daemon's own requests
// last.
enum class Rank : std::uint8_t { urgent, placement, write, read, own };
inline constexpr std::size_t kRanks = 5;

class Limiter {
 public:
  struct Settings {
    config::RateLimit rate;
    config::Reserve reserve;
    bool bucket = false;  // Scraping's token bucket instead of the sliding window
    bool cancels = true;  // whether there is anything to cancel; else no reserve is kept for it
  };
  explicit Limiter(const Settings& settings);
  ~Limiter();
  Limiter(Limiter&&) noexcept;
  Limiter& operator=(Limiter&&) noexcept;

  // A reload: keeps who waits and the places; a limit that upstream told stays unless `rate` itself changed.
  // `bucket` cannot change: another kind is another upstream.
  void configure(const Settings& settings);

  // Never 0 and never used twice.
  using Ticket = std::uint64_t;
  struct Asked {
    Ticket ticket;
    bool granted;
  };
  // Granted at once where it fits and nobody waits whom it may not pass; else queued until `until`.
  Asked ask(Rank rank, std::string_view app, SteadyTime until, SteadyTime now);

  // The app went away while it waited. False: the ticket does not wait (any more), and one that was granted
  // still needs `answered` or `unsent`.
  bool leave(Ticket ticket);

  struct Turn {
    std::vector<Ticket> granted, expired;
  };
  // Appends whose turn it is and whose wait is over. Due at `next`, which is also worth asking after every
  // call that frees a place: `unsent`, `leave`, `observed`, `usage`, `configure`.
  void poll(SteadyTime now, Turn& turn);
  std::optional<SteadyTime> next(SteadyTime now) const;  // when `poll` can do something; none: nobody waits

  // A granted ticket ends with exactly one of `answered` and `unsent`; unknown ones are ignored.
  // `sent` is optional: where connecting took time it says when the first byte left, which is what a bucket
  // counts from.
  void sent(Ticket ticket, SteadyTime now);
  void answered(Ticket ticket, SteadyTime now);  // its answer began, or it failed after sending
  void unsent(Ticket ticket, SteadyTime now);    // no byte left: the place is free at once

  // Any answer's headers: takes over the limit, up or down; a `remaining` lower than our own count means that
  // someone else uses the key, and their places count until the window has passed (where nothing remains:
  // until the Retry-After or reset that came with it).
  void observed(const LimitHeaders& headers, SteadyTime now);
  // Upstream's own 429: nobody sends before it is over. Without Retry-After 1, 2, 4 s … (api-docs.txt "Rate
  // limited").
  void refused(std::optional<std::chrono::milliseconds> retry_after, SteadyTime now);
  // Scraping's GET /usage: `rate_limit.rps`, `.burst`, `.remaining`.
  struct Usage {
    double rps, burst, remaining;
  };
  void usage(const Usage& usage, SteadyTime now);

  // For the headers of our own 429, /status and metrics. `retry_after` is an estimate for one who would ask
  // now, behind those who wait.
  struct Figures {
    unsigned limit, remaining;
    std::chrono::milliseconds retry_after;
    double used_ratio;
    std::size_t waiting;
  };
  Figures figures(Rank rank, SteadyTime now) const;

  // The last run's sends by age (SentWindow::recovered): they hold places until they are one window old.
  void restore(std::span<const std::chrono::microseconds> ages, SteadyTime now);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bridge55::gateway
