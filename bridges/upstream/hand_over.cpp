#include "bridges/upstream/hand_over.hpp"

#include <chrono>
#include <iterator>
#include <string_view>

namespace bridge55::upstream {
namespace {

using namespace std::chrono_literals;

constexpr auto kMoment = 500ms;

constexpr std::string_view events::Facts::*kViews[] = {
    &events::Facts::source, &events::Facts::channel, &events::Facts::name,         &events::Facts::key,
    &events::Facts::seq,    &events::Facts::ts,      &events::Facts::subscription, &events::Facts::payload,
    &events::Facts::old,    &events::Facts::raw,     &events::Facts::relay,        &events::Facts::about};

}  // namespace

void HandOver::hold(const events::Facts& facts, SteadyTime now) {
  Held& held = held_.emplace_back(Held{++tickets_, now, Merge::print_of(facts), {}, facts});
  std::size_t size = 0;
  for (const auto view : kViews)
    size += (facts.*view).size();
  held.bytes.reserve(size);
  for (const auto view : kViews) {
    const std::size_t at = held.bytes.size();
    held.bytes += facts.*view;
    held.facts.*view = std::string_view(held.bytes).substr(at);
  }
  held_bytes_ += held.bytes.size();
  alike_[held.print].push_back(std::prev(held_.end()));
}

HandOver::All HandOver::take_out(const Merge::Print& print) {
  All out;
  const auto at = alike_.find(print);
  if (at == alike_.end()) return out;
  out.splice(out.begin(), held_, at->second.front());
  at->second.pop_front();
  if (at->second.empty()) alike_.erase(at);
  held_bytes_ -= out.front().bytes.size();
  return out;
}

HandOver::Arrival HandOver::first_brings(const events::Facts& facts, SteadyTime now) {
  if (merge_.arrives(kFirst, facts, now)) return {true};
  // The second brought it before: it waits here, or was released already.
  const All twin = take_out(Merge::print_of(facts));
  if (twin.empty()) return {};
  return {true, twin.front().ticket};
}

HandOver::Arrival HandOver::second_brings(const events::Facts& facts, bool new_channel, SteadyTime now) {
  if (new_channel) return {true};
  if (!merge_.arrives(kSecond, facts, now)) return {};
  hold(facts, now);
  return {false, tickets_};
}

bool HandOver::second_brings_late(const events::Facts& facts, SteadyTime now) {
  return merge_.arrives(kSecond, facts, now);
}

void HandOver::release_first(const Release& release) {
  const Merge::Print print = held_.front().print;
  const All out = take_out(print);
  release(out.front().facts, out.front().ticket);
}

void HandOver::release_overdue(SteadyTime now, const Release& release) {
  while (!held_.empty() &&
         (now - held_.front().at >= kPatience || held_.size() > kMostHeld || held_bytes_ > kMostBytes))
    release_first(release);
}

void HandOver::release_all(const Release& release) {
  while (!held_.empty())
    release_first(release);
}

bool HandOver::caught_up(SteadyTime now) const {
  return held_.empty() || now - held_.front().at < kMoment;
}

}  // namespace bridge55::upstream
