#include "daemon/dropin/denied.hpp"

#include <algorithm>

namespace bridge55::dropin {

bool may_be_channel(std::string_view name) {
  constexpr std::size_t kLongest = 64;
  return !name.empty() && name.size() <= kLongest && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == ':' || c == '-';
  });
}

void Denied::add(const std::string& name, SteadyTime now) {
  while (!oldest_first_.empty() && oldest_first_.front()->second <= now)
    forget_oldest();
  const auto [at, fresh] = until_.try_emplace(name, now + kFor);
  if (!fresh) return;
  oldest_first_.push_back(at);
  if (oldest_first_.size() > kMost) forget_oldest();
}

void Denied::forget_oldest() {
  until_.erase(oldest_first_.front());
  oldest_first_.pop_front();
}

bool Denied::holds(const std::string& name, SteadyTime now) const {
  const auto at = until_.find(name);
  return at != until_.end() && now < at->second;
}

void Denied::in_vain(SteadyTime now) {
  in_vain_.push_back(now);
  if (in_vain_.size() > kMostInVain) in_vain_.pop_front();
}

bool Denied::often_in_vain(SteadyTime now) const {
  return in_vain_.size() == kMostInVain && now < in_vain_.front() + kFor;
}

void Denied::clear() {
  oldest_first_.clear();
  until_.clear();
  in_vain_.clear();
}

}  // namespace bridge55::dropin
