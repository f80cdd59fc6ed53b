#include "bridges/upstream/hand_over.hpp"

#include <algorithm>
#include <utility>

namespace bridge55::upstream {
namespace {

using namespace std::chrono_literals;

constexpr auto kMoment = 500ms;

constexpr std::string_view events::Facts::*kViews[] = {
    &events::Facts::source, &events::Facts::channel, &events::Facts::name,         &events::Facts::key,
    &events::Facts::seq,    &events::Facts::ts,      &events::Facts::subscription, &events::Facts::payload,
    &events::Facts::old,    &events::Facts::raw,     &events::Facts::relay,        &events::Facts::about};

}  // namespace

std::unique_ptr<HandOver::Held> HandOver::hold(const events::Facts& facts, SteadyTime now) {
  auto held = std::make_unique<Held>(Held{now, Merge::print_of(facts), {}, facts});
  std::size_t size = 0;
  for (const auto view : kViews)
    size += (facts.*view).size();
  held->bytes.reserve(size);
  for (const auto view : kViews) {
    const std::size_t at = held->bytes.size();
    held->bytes += facts.*view;
    held->facts.*view = std::string_view(held->bytes).substr(at);
  }
  return held;
}

bool HandOver::first_brings(const events::Facts& facts, SteadyTime now) {
  if (merge_.arrives(kFirst, facts, now)) return true;
  // The second brought it before: it waits here, or was released already.
  const Merge::Print print = Merge::print_of(facts);
  const auto twin = std::ranges::find_if(held_, [&](const auto& held) { return held->print == print; });
  if (twin == held_.end()) return false;
  held_bytes_ -= (*twin)->bytes.size();
  held_.erase(twin);
  return true;
}

bool HandOver::second_brings(const events::Facts& facts, bool new_channel, SteadyTime now) {
  if (new_channel) return true;
  if (!merge_.arrives(kSecond, facts, now)) return false;
  held_.push_back(hold(facts, now));
  held_bytes_ += held_.back()->bytes.size();
  return false;
}

bool HandOver::second_brings_late(const events::Facts& facts, SteadyTime now) {
  return merge_.arrives(kSecond, facts, now);
}

void HandOver::release_first(const Release& release) {
  const std::unique_ptr<Held> held = std::move(held_.front());
  held_.pop_front();
  held_bytes_ -= held->bytes.size();
  release(held->facts);
}

void HandOver::release_overdue(SteadyTime now, const Release& release) {
  while (!held_.empty() &&
         (now - held_.front()->at >= kPatience || held_.size() > kMostHeld || held_bytes_ > kMostBytes))
    release_first(release);
}

void HandOver::release_all(const Release& release) {
  while (!held_.empty())
    release_first(release);
}

bool HandOver::caught_up(SteadyTime now) const {
  return held_.empty() || now - held_.front()->at < kMoment;
}

}  // namespace bridge55::upstream
