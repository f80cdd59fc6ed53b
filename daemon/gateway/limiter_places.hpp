// The places of one upstream's limit: how many are held, by whom, and when the next is free. Internal to the
// limiter, which decides whose turn it is. Pure; `settle` first brings the places up to `now`.
#pragma once

#include "daemon/gateway/limiter.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

namespace bridge55::gateway {

// What the places tell apart: the reserve is for urgent, the floor for own, the rest is shared.
enum class Group : std::uint8_t { urgent, shared, own };
inline constexpr std::size_t kGroups = 3;

constexpr Group group_of(Rank rank) {
  if (rank == Rank::urgent) return Group::urgent;
  return rank == Rank::own ? Group::own : Group::shared;
}

// How a limit is split. The shared part is never zero, so that a small limit still works: of 1 all is shared,
// of 2 the second place is the reserve, of 3 the third is the floor, and only from 4 on does the reserve get
// its second place. Where no floor fits, `own` gets one turn in twenty instead (Limiter).
struct Split {
  unsigned reserve = 0, floor = 0;
};
Split split(unsigned limit, const Limiter::Settings& settings);

class LimiterPlaces {
 public:
  virtual ~LimiterPlaces() = default;
  virtual void configure(const Limiter::Settings& settings) = 0;
  virtual void settle(SteadyTime now) = 0;

  virtual bool fits(Group group) const = 0;
  virtual bool within_floor() const = 0;  // `own` has not used up what only it (and urgent) may use
  virtual bool has_floor() const = 0;

  virtual void take(Limiter::Ticket ticket, Group group, SteadyTime now) = 0;
  virtual void sent(Limiter::Ticket ticket, SteadyTime now) = 0;
  virtual void answered(Limiter::Ticket ticket, SteadyTime now) = 0;
  virtual void unsent(Limiter::Ticket ticket) = 0;

  // When time alone may make room for this group; none: only an answer can.
  virtual std::optional<SteadyTime> when(Group group) const = 0;
  // When about `places` more than what is free now will have become free.
  virtual SteadyTime after(std::size_t places, Group group, SteadyTime now) const = 0;

  virtual void observed(const LimitHeaders& headers, SteadyTime now) = 0;
  virtual void usage(const Limiter::Usage& usage) = 0;
  virtual void restore(std::span<const std::chrono::microseconds> ages, SteadyTime now) = 0;

  virtual unsigned limit() const = 0;
  virtual unsigned room(Group group) const = 0;
  virtual double used_ratio() const = 0;
  virtual std::chrono::milliseconds window() const = 0;
};

std::unique_ptr<LimiterPlaces> make_window(const Limiter::Settings& settings);
std::unique_ptr<LimiterPlaces> make_bucket(const Limiter::Settings& settings);

}  // namespace bridge55::gateway
