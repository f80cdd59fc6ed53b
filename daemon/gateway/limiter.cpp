#include "daemon/gateway/limiter.hpp"

#include "daemon/gateway/limiter_places.hpp"
#include "daemon/gateway/limiter_queue.hpp"

#include <algorithm>

namespace bridge55::gateway {

using namespace std::chrono_literals;

namespace {

// Where a limit is too small for a floor, every twentieth turn is the daemon's own: 5 % all the same.
constexpr unsigned kOwnTurn = 20;

}  // namespace

struct Limiter::State {
  explicit State(const Settings& settings)
      : places(settings.bucket ? make_bucket(settings) : make_window(settings)) {}

  bool own_is_due() const {
    return !places->has_floor() && queue.waiting(Rank::own) > 0 && passed_over + 1 >= kOwnTurn;
  }

  // Nobody waits whom this rank may not pass.
  bool may_pass(Rank rank) const {
    const bool floor = rank == Rank::own && places->within_floor();
    for (std::size_t i = 0; i <= static_cast<std::size_t>(rank); ++i) {
      const Rank before = static_cast<Rank>(i);
      if (queue.waiting(before) > 0 && !(floor && group_of(before) == Group::shared)) return false;
    }
    return group_of(rank) != Group::shared || !own_is_due();
  }

  // Whose turn it is among those who wait. The floor is `own`'s even before the urgent, who would use all
  // there is for as long as they keep coming. Else what an urgent one cannot use nobody can.
  std::optional<Rank> turn() const {
    const bool own = queue.waiting(Rank::own) > 0 && places->fits(Group::own);
    if (own && places->has_floor() && places->within_floor()) return Rank::own;
    if (queue.waiting(Rank::urgent) > 0)
      return places->fits(Group::urgent) ? std::optional(Rank::urgent) : std::nullopt;
    if (own && (places->within_floor() || own_is_due() || !queue.shared_waiting())) return Rank::own;
    if (!queue.shared_waiting() || !places->fits(Group::shared)) return std::nullopt;
    for (const Rank rank : {Rank::placement, Rank::write})
      if (queue.waiting(rank) > 0) return rank;
    return Rank::read;
  }

  void grant(Ticket ticket, Rank rank, SteadyTime now) {
    places->take(ticket, group_of(rank), now);
    if (rank == Rank::own) passed_over = 0;
    if (group_of(rank) == Group::shared && queue.waiting(Rank::own) > 0) ++passed_over;
  }

  bool paused(SteadyTime now) const { return now < pause_end; }

  std::unique_ptr<LimiterPlaces> places;
  LimiterQueue queue;
  Ticket last = 0;
  unsigned passed_over = 0;  // turns that went to others while `own` waited
  SteadyTime pause_end{};    // upstream refused: nobody sends before
  std::chrono::milliseconds pause{0};
};

Limiter::Limiter(const Settings& settings) : state_(std::make_unique<State>(settings)) {}
Limiter::~Limiter() = default;
Limiter::Limiter(Limiter&&) noexcept = default;
Limiter& Limiter::operator=(Limiter&&) noexcept = default;

void Limiter::configure(const Settings& settings) {
  state_->places->configure(settings);
}

Limiter::Asked Limiter::ask(Rank rank, std::string_view app, SteadyTime until, SteadyTime now) {
  State& s = *state_;
  s.places->settle(now);
  const Ticket ticket = ++s.last;
  const bool granted = !s.paused(now) && s.may_pass(rank) && s.places->fits(group_of(rank));
  if (granted)
    s.grant(ticket, rank, now);
  else
    s.queue.push(ticket, rank, app, until);
  return {ticket, granted};
}

bool Limiter::leave(Ticket ticket) {
  return state_->queue.remove(ticket);
}

void Limiter::poll(SteadyTime now, Turn& turn) {
  State& s = *state_;
  s.places->settle(now);
  // Whose wait is over gives up its turn, however late this call comes; whose wait ends just now does not.
  s.queue.expire(now - SteadyClock::duration(1), turn.expired);
  while (!s.paused(now)) {
    const std::optional<Rank> rank = s.turn();
    if (!rank) break;
    const Ticket ticket = s.queue.pop(*rank);
    s.grant(ticket, *rank, now);
    turn.granted.push_back(ticket);
  }
  s.queue.expire(now, turn.expired);
}

std::optional<SteadyTime> Limiter::next(SteadyTime now) const {
  const State& s = *state_;
  if (s.queue.empty()) return std::nullopt;
  SteadyTime soonest = s.queue.first_deadline();
  const auto consider = [&](std::optional<SteadyTime> at) {
    if (at) soonest = std::min(soonest, *at);
  };
  s.places->settle(now);
  if (s.paused(now)) {
    consider(s.pause_end);
  } else if (s.turn()) {
    return now;
  } else {
    if (s.queue.waiting(Rank::urgent) > 0) consider(s.places->when(Group::urgent));
    if (s.queue.shared_waiting()) consider(s.places->when(Group::shared));
    // Past its floor `own` comes after the shared ranks, whose turn is considered already.
    const bool behind = s.queue.shared_waiting() && !s.places->within_floor();
    if (s.queue.waiting(Rank::own) > 0 && !behind) consider(s.places->when(Group::own));
  }
  return std::max(soonest, now);
}

void Limiter::sent(Ticket ticket, SteadyTime now) {
  state_->places->sent(ticket, now);
}

void Limiter::answered(Ticket ticket, SteadyTime now) {
  state_->places->answered(ticket, now);
}

void Limiter::unsent(Ticket ticket, SteadyTime now) {
  state_->places->settle(now);
  state_->places->unsent(ticket);
}

void Limiter::observed(const LimitHeaders& headers, SteadyTime now) {
  state_->places->observed(headers, now);
}

void Limiter::usage(const Usage& usage, SteadyTime now) {
  state_->places->settle(now);
  state_->places->usage(usage);
}

void Limiter::refused(std::optional<std::chrono::milliseconds> retry_after, SteadyTime now) {
  State& s = *state_;
  if (retry_after && *retry_after > 0ms) {
    s.pause_end = std::max(s.pause_end, now + *retry_after);
    return;
  }
  // Many that were in flight together are refused together: that is one refusal.
  if (s.paused(now)) return;
  const auto most = std::max<std::chrono::milliseconds>(s.places->window(), 4s);
  const bool again = s.pause > 0ms && now < s.pause_end + s.places->window() + s.pause;
  s.pause = again ? std::min(s.pause * 2, most) : std::chrono::milliseconds(1s);
  s.pause_end = now + s.pause;
}

Limiter::Figures Limiter::figures(Rank rank, SteadyTime now) const {
  const State& s = *state_;
  s.places->settle(now);
  Figures out{};
  const Group group = group_of(rank);
  std::size_t ahead = 0;
  for (std::size_t i = 0; i < kRanks; ++i) {
    out.waiting += s.queue.waiting(static_cast<Rank>(i));
    if (i <= static_cast<std::size_t>(rank)) ahead += s.queue.waiting(static_cast<Rank>(i));
  }
  out.limit = s.places->limit();
  const unsigned room = s.paused(now) ? 0 : s.places->room(group);
  out.remaining = ahead < room ? room - static_cast<unsigned>(ahead) : 0;
  out.used_ratio = s.places->used_ratio();
  if (out.remaining > 0) return out;
  const SteadyTime free = std::max(s.pause_end, s.places->after(ahead + 1 - room, group, now));
  out.retry_after = std::chrono::ceil<std::chrono::milliseconds>(std::max(free, now) - now);
  return out;
}

void Limiter::restore(std::span<const std::chrono::microseconds> ages, SteadyTime now) {
  state_->places->restore(ages, now);
}

}  // namespace bridge55::gateway
