#include "daemon/gateway/limiter_places.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <map>
#include <unordered_map>

namespace bridge55::gateway {

Split split(unsigned limit, const Limiter::Settings& settings) {
  const config::Reserve& reserve = settings.reserve;
  const auto part = [limit](double fraction) {
    // Less a hair, so that 10 % of 30 is 3 and not what binary fractions round it up to.
    return static_cast<unsigned>(std::clamp(std::ceil(fraction * limit - 1e-9), 0.0, double(limit)));
  };
  const unsigned wanted = std::max(2u, reserve.count > 0 ? reserve.count : part(reserve.fraction));
  const unsigned left = limit > 0 ? limit - 1 : 0;
  Split out;
  out.reserve = settings.cancels ? std::min(1u, left) : 0;
  out.floor = std::min(std::max(1u, part(0.05)), left - out.reserve);
  if (settings.cancels) out.reserve += std::min(wanted - out.reserve, left - out.reserve - out.floor);
  return out;
}

namespace {

using namespace std::chrono_literals;
using Ticket = Limiter::Ticket;

// A header may say anything; more than this a key never has.
constexpr unsigned kMostPlaces = 1'000'000;

class WindowPlaces final : public LimiterPlaces {
 public:
  explicit WindowPlaces(const Limiter::Settings& settings) { adopt(settings); }

  void configure(const Limiter::Settings& settings) override {
    if (settings.rate == settings_.rate) {
      settings_ = settings;
      split_ = split(limit_, settings);
    } else {
      adopt(settings);
    }
  }

  void settle(SteadyTime now) override {
    for (; freed_ < answered_.size() && answered_[freed_].at + window_ <= now; ++freed_)
      --held(answered_[freed_].group);
    for (; freed_ > 0 && answered_.front().at + window_ + grace() <= now; --freed_)
      answered_.pop_front();
    for (; !phantoms_.empty() && phantoms_.begin()->first <= now; phantoms_.erase(phantoms_.begin()))
      phantom_ -= phantoms_.begin()->second;
  }

  bool fits(Group group) const override { return room(group) > 0; }
  bool within_floor() const override { return held(Group::own) < split_.floor; }
  bool has_floor() const override { return split_.floor > 0; }

  void take(Ticket ticket, Group group, SteadyTime) override {
    flying_.emplace(ticket, group);
    ++held(group);
  }
  void sent(Ticket, SteadyTime) override {}  // held from the grant anyway
  void answered(Ticket ticket, SteadyTime now) override {
    const auto found = flying_.find(ticket);
    if (found == flying_.end()) return;
    keep(now, found->second);
    flying_.erase(found);
  }
  void unsent(Ticket ticket) override {
    const auto found = flying_.find(ticket);
    if (found == flying_.end()) return;
    --held(found->second);
    flying_.erase(found);
  }

  std::optional<SteadyTime> when(Group) const override {
    std::optional<SteadyTime> soonest;
    if (freed_ < answered_.size()) soonest = answered_[freed_].at + window_;
    if (!phantoms_.empty()) soonest = std::min(soonest.value_or(SteadyTime::max()), phantoms_.begin()->first);
    return soonest;
  }

  SteadyTime after(std::size_t places, Group, SteadyTime now) const override {
    const std::size_t held_now = answered_.size() - freed_;
    if (places == 0) return now;
    if (places <= held_now) return answered_[freed_ + places - 1].at + window_;
    // Somebody else's, or still in flight: nobody knows better than a window for each limit's worth.
    return now + window_ * static_cast<int>(std::min<std::size_t>(1 + (places - 1) / limit_, 60));
  }

  void observed(const LimitHeaders& headers, SteadyTime now) override {
    if (headers.window && *headers.window > 0ms) set_window(*headers.window);
    if (headers.limit && *headers.limit > 0) {
      limit_ = std::min(*headers.limit, kMostPlaces);
      split_ = split(limit_, settings_);
    }
    settle(now);
    if (!headers.remaining) return;
    const unsigned left = std::min(*headers.remaining, limit_);
    // Where nothing is left upstream says itself when it is worth trying again; whole windows of places that
    // others may have used long ago would lock us out for longer than it asks. Otherwise nobody knows their
    // age.
    const auto told = left == 0 ? headers.pause() : std::nullopt;
    compare(limit_ - left, now + std::min(told.value_or(window_), window_));
  }
  void usage(const Limiter::Usage&) override {}

  void restore(std::span<const std::chrono::microseconds> ages, SteadyTime now) override {
    for (const auto age : ages) {
      if (age >= window_) continue;
      answered_.push_back({now - std::max(age, 0us), Group::shared});
      ++held(Group::shared);
    }
    std::sort(answered_.begin() + static_cast<std::ptrdiff_t>(freed_), answered_.end(),
              [](const Answered& a, const Answered& b) { return a.at < b.at; });
    settle(now);
  }

  unsigned limit() const override { return limit_; }
  std::chrono::milliseconds window() const override { return window_; }
  double used_ratio() const override {
    const double used = held(Group::urgent) + shared() + held(Group::own);
    return std::min(1.0, used / limit_);
  }

  // Urgent may use all. Everybody else leaves it its reserve, and the shared ranks leave `own` its floor; who
  // has used his part already needs it no more.
  unsigned room(Group group) const override {
    const std::size_t urgent = held(Group::urgent), own = held(Group::own);
    const std::size_t reserved = std::max<std::size_t>(urgent, split_.reserve);
    std::size_t used = shared();
    if (group == Group::urgent) used += urgent + own;
    if (group == Group::own) used += reserved + own;
    if (group == Group::shared) used += reserved + std::max<std::size_t>(own, split_.floor);
    return used < limit_ ? limit_ - static_cast<unsigned>(used) : 0;
  }

 private:
  struct Answered {
    SteadyTime at;
    Group group;
  };

  std::size_t& held(Group group) { return held_[static_cast<std::size_t>(group)]; }
  std::size_t held(Group group) const { return held_[static_cast<std::size_t>(group)]; }
  std::size_t shared() const { return held(Group::shared) + phantom_; }

  // An answer on its way was written before places of ours came free here: for so long they still explain
  // what upstream counted. Without it one late answer could fill the window with others that do not exist.
  std::chrono::milliseconds grace() const { return std::min<std::chrono::milliseconds>(window_ / 4, 5s); }

  void adopt(const Limiter::Settings& settings) {
    settings_ = settings;
    limit_ = std::clamp(settings.rate.requests, 1u, kMostPlaces);
    split_ = split(limit_, settings);
    set_window(std::max(settings.rate.window, 1ms));
  }

  // What was free under a shorter window may be held again under a longer one.
  void set_window(std::chrono::milliseconds window) {
    if (window == window_) return;
    window_ = window;
    for (; freed_ > 0; --freed_)
      ++held(answered_[freed_ - 1].group);
  }

  void keep(SteadyTime now, Group group) {
    // A caller's clock read a moment earlier must not disturb the order.
    if (!answered_.empty()) now = std::max(now, answered_.back().at);
    answered_.push_back({now, group});
  }

  // Upstream has counted `used`: what of it is not ours is held by others, until `until`.
  void compare(std::size_t used, SteadyTime until) {
    const std::size_t known = flying_.size() + answered_.size() + phantom_;
    if (used > known) {
      phantoms_[until] += used - known;
      phantom_ += used - known;
    }
    while (phantom_ > used) {
      const auto first = phantoms_.begin();
      const std::size_t gone = std::min(first->second, phantom_ - used);
      phantom_ -= gone;
      first->second -= gone;
      if (first->second == 0) phantoms_.erase(first);
    }
  }

  Limiter::Settings settings_;
  unsigned limit_ = 1;
  std::chrono::milliseconds window_{1};
  Split split_;
  std::unordered_map<Ticket, Group> flying_;
  std::deque<Answered> answered_;  // by time; the first `freed_` hold no place any more
  std::size_t freed_ = 0;
  std::map<SteadyTime, std::size_t> phantoms_;  // places of others who use the key, by when they are free
  std::size_t phantom_ = 0;                     // the sum of them
  std::array<std::size_t, kGroups> held_{};
};

}  // namespace

std::unique_ptr<LimiterPlaces> make_window(const Limiter::Settings& settings) {
  return std::make_unique<WindowPlaces>(settings);
}

}  // namespace bridge55::gateway
