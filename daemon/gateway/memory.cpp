#include "daemon/gateway/memory.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace bridge55::gateway {

const Memory::Known* Memory::find(const std::string& uuid, SteadyTime now) const {
  const auto it = known_.find(uuid);
  return it == known_.end() || it->second.at + kKeep <= now ? nullptr : &it->second;
}

void Memory::put(const std::string& uuid, Known known) {
  order_.push_back(Seen{known.at, uuid, known.trade});
  known_[uuid] = std::move(known);
  // Orders that were put again leave stale entries behind: they count as well, so that the list is bounded.
  while (order_.size() > limit_)
    drop_oldest();
}

void Memory::set_fate(const std::string& uuid, std::uint64_t trade, events::Fate fate) {
  const auto it = known_.find(uuid);
  if (it != known_.end() && it->second.trade == trade) it->second.fate = fate;
}

// What is erased was put a moment ago: its place is near the end.
void Memory::erase(const std::string& uuid, std::uint64_t trade) {
  const auto it = known_.find(uuid);
  if (it == known_.end() || it->second.trade != trade) return;
  known_.erase(it);
  const auto seen = std::find_if(order_.rbegin(), order_.rend(),
                                 [&](const Seen& one) { return one.trade == trade && one.uuid == uuid; });
  if (seen != order_.rend()) order_.erase(std::next(seen).base());
}

void Memory::expire(SteadyTime now) {
  while (!order_.empty() && order_.front().at + kKeep <= now)
    drop_oldest();
}

void Memory::drop_oldest() {
  const Seen& seen = order_.front();
  const auto it = known_.find(seen.uuid);
  if (it != known_.end() && it->second.trade == seen.trade) {
    forgot_ = std::max(forgot_.value_or(seen.at), seen.at);
    known_.erase(it);
  }
  order_.pop_front();
}

}  // namespace bridge55::gateway
