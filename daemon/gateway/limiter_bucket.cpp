#include "daemon/gateway/limiter_places.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <unordered_map>
#include <vector>

namespace bridge55::gateway {

namespace {

using namespace std::chrono_literals;
using Ticket = Limiter::Ticket;
using Seconds = std::chrono::duration<double>;

// Upstream takes its token when the request arrives, but a page may take minutes to begin. An open request
// that counted against the burst until then would let ten slow pages stop everything, while upstream's bucket
// is long full again: so after this long it is taken to have arrived, and what it cost refills. Not longer:
// what is in flight does not refill, and a whole second of it is the whole burst of a key whose burst is its
// rate, so that slow pages alone would get two thirds of their rate.
constexpr auto kArrived = 500ms;

constexpr double kHair = 1e-6;  // of a token: what binary fractions may be off by

// level = burst - in flight - debt. Upstream's own debt can never be higher than ours: whatever it has
// counted is still in flight here, or was charged later than there and has decayed less.
class BucketPlaces final : public LimiterPlaces {
 public:
  explicit BucketPlaces(const Limiter::Settings& settings) { adopt(settings); }

  void configure(const Limiter::Settings& settings) override {
    if (settings.rate == settings_.rate) {
      settings_ = settings;
      resplit();
    } else {
      adopt(settings);
    }
  }

  void settle(SteadyTime now) override {
    for (; !due_.empty() && due_.front().at + kArrived <= now; due_.pop_front()) {
      const auto found = flying_.find(due_.front().ticket);
      if (found == flying_.end() || found->second.charged || found->second.since != due_.front().at) continue;
      decay(due_.front().at + kArrived);
      charge(found->second);
    }
    decay(now);
  }

  bool fits(Group group) const override { return level(group) >= 1 - kHair; }
  bool within_floor() const override { return used(Group::own) + 1 <= split_.floor + kHair; }
  bool has_floor() const override { return split_.floor > 0; }

  void take(Ticket ticket, Group group, SteadyTime now) override {
    flying_.emplace(ticket, Hold{group, now, false});
    fly(ticket, group, now);
  }
  void sent(Ticket ticket, SteadyTime now) override {
    const auto found = flying_.find(ticket);
    if (found == flying_.end() || found->second.since == now) return;
    settle(now);
    Hold& hold = found->second;
    // Connecting took so long that what was charged has decayed before it could be counted.
    if (!hold.charged) --flying(hold.group);
    hold = {hold.group, now, false};
    fly(ticket, hold.group, now);
  }
  void answered(Ticket ticket, SteadyTime now) override {
    settle(now);
    const auto found = flying_.find(ticket);
    if (found == flying_.end()) return;
    if (!found->second.charged) charge(found->second);
    flying_.erase(found);
  }
  // What has been charged already stays so: others may have gone by what it has decayed to since.
  void unsent(Ticket ticket) override {
    const auto found = flying_.find(ticket);
    if (found == flying_.end()) return;
    if (!found->second.charged) --flying(found->second.group);
    flying_.erase(found);
  }

  std::optional<SteadyTime> when(Group group) const override {
    const double missing = 1 - level(group);
    if (missing <= kHair) return at_;
    if (debt_ + kHair >= missing) return at_ + span(missing / rate_);
    if (due_.empty()) return std::nullopt;
    return due_.front().at + kArrived;
  }

  SteadyTime after(std::size_t places, Group group, SteadyTime now) const override {
    const double missing = static_cast<double>(places) - std::min(level(group), 0.0);
    return places == 0 ? now : now + span(missing / rate_);
  }

  void observed(const LimitHeaders& headers, SteadyTime now) override {
    settle(now);
    // GET /usage tells rate and burst apart, a header does not.
    if (headers.limit && *headers.limit > 0 && !told_) {
      rate_ = *headers.limit / Seconds(headers.window.value_or(settings_.rate.window)).count();
      burst_ = settings_.rate.burst > 0 ? settings_.rate.burst : *headers.limit;
      resplit();
    }
    // The header has whole tokens: up to one more may be there.
    if (headers.remaining) compare(burst_ - *headers.remaining - 1);
  }
  void usage(const Limiter::Usage& usage) override {
    if (!std::isfinite(usage.rps) || !std::isfinite(usage.burst) || usage.rps <= 0 || usage.burst < 1) return;
    rate_ = usage.rps;
    burst_ = usage.burst;
    told_ = true;
    resplit();
    if (std::isfinite(usage.remaining)) compare(burst_ - std::max(usage.remaining, 0.0));
  }

  void restore(std::span<const std::chrono::microseconds> ages, SteadyTime now) override {
    std::vector<std::chrono::microseconds> oldest_first(ages.begin(), ages.end());
    std::sort(oldest_first.rbegin(), oldest_first.rend());
    double debt = 0;
    auto last = oldest_first.empty() ? 0us : oldest_first.front();
    for (const auto age : oldest_first) {
      debt = std::max(0.0, debt - rate_ * Seconds(last - age).count()) + 1;
      last = age;
    }
    settle(now);
    debt_ += std::max(0.0, debt - rate_ * Seconds(std::max(last, 0us)).count());
  }

  unsigned limit() const override { return static_cast<unsigned>(std::min(burst_, 4e9)); }
  unsigned room(Group group) const override {
    return static_cast<unsigned>(std::clamp(level(group) + kHair, 0.0, 4e9));
  }
  double used_ratio() const override { return std::clamp(total() / burst_, 0.0, 1.0); }
  std::chrono::milliseconds window() const override {
    return std::chrono::duration_cast<std::chrono::milliseconds>(span(burst_ / rate_));
  }

 private:
  struct Hold {
    Group group;
    SteadyTime since;
    bool charged;
  };
  struct Due {
    SteadyTime at;
    Ticket ticket;
  };

  // Rounded up: a timer that ends a nanosecond early would find nothing to do.
  static SteadyClock::duration span(double seconds) {
    return std::chrono::ceil<std::chrono::microseconds>(Seconds(std::clamp(seconds, 0.0, 86'400.0)));
  }

  std::size_t& flying(Group group) { return in_flight_[static_cast<std::size_t>(group)]; }
  double used(Group group) const {
    const auto i = static_cast<std::size_t>(group);
    return static_cast<double>(in_flight_[i]) + part_debt_[i];
  }
  double total() const { return static_cast<double>(in_flight_[0] + in_flight_[1] + in_flight_[2]) + debt_; }

  // Reserve and floor are small buckets of their own inside the large one, filled in proportion: what is left
  // of them is kept from the others, who therefore cannot keep them empty.
  double level(Group group) const {
    double free = burst_ - total();
    if (group != Group::urgent) free -= std::max(0.0, split_.reserve - used(Group::urgent));
    if (group == Group::shared) free -= std::max(0.0, split_.floor - used(Group::own));
    return free;
  }

  void fly(Ticket ticket, Group group, SteadyTime now) {
    ++flying(group);
    due_.push_back({now, ticket});
  }
  void charge(Hold& hold) {
    hold.charged = true;
    --flying(hold.group);
    debt_ += 1;
    if (hold.group == Group::shared) return;
    const bool urgent = hold.group == Group::urgent;
    double& part = part_debt_[static_cast<std::size_t>(hold.group)];
    part = std::min<double>(part + 1, urgent ? split_.reserve : split_.floor);
  }
  void decay(SteadyTime now) {
    if (now <= at_) return;
    const double refilled = rate_ * Seconds(now - at_).count();
    const auto less = [refilled](double& debt, double share) {
      debt = std::max(0.0, debt - refilled * share);
    };
    less(debt_, 1);
    less(part_debt_[static_cast<std::size_t>(Group::urgent)], split_.reserve / burst_);
    less(part_debt_[static_cast<std::size_t>(Group::own)], split_.floor / burst_);
    at_ = now;
  }
  // Somebody else took tokens: upstream has fewer than we know of.
  void compare(double used_there) { debt_ += std::max(0.0, used_there - total()); }

  void adopt(const Limiter::Settings& settings) {
    settings_ = settings;
    settings_.rate.window = std::max<config::Duration>(settings.rate.window, 1ms);
    const unsigned requests = std::max(settings.rate.requests, 1u);
    rate_ = requests / Seconds(settings_.rate.window).count();
    burst_ = settings.rate.burst > 0 ? settings.rate.burst : requests;
    told_ = false;
    resplit();
  }
  void resplit() { split_ = split(limit(), settings_); }

  Limiter::Settings settings_;
  double rate_ = 1, burst_ = 1;  // tokens a second, tokens
  bool told_ = false;            // by GET /usage
  Split split_;
  std::unordered_map<Ticket, Hold> flying_;
  std::deque<Due> due_;                           // by time of sending: what is charged kArrived later
  std::array<std::size_t, kGroups> in_flight_{};  // not charged yet
  double debt_ = 0;                               // of everybody
  std::array<double, kGroups> part_debt_{};       // of the reserve's and the floor's own buckets
  SteadyTime at_{};
};

}  // namespace

std::unique_ptr<LimiterPlaces> make_bucket(const Limiter::Settings& settings) {
  return std::make_unique<BucketPlaces>(settings);
}

}  // namespace bridge55::gateway
