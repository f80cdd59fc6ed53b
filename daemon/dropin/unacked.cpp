#include "daemon/dropin/unacked.hpp"

#include <algorithm>

namespace bridge55::dropin {

void Unacked::sent(std::uint64_t seq, events::EventId id) {
  entries_.push_back({seq, id});
  ++open_;
  if (entries_.size() > kMost) thin();
}

void Unacked::clear() {
  entries_.clear();
  open_ = 0;
}

events::EventId Unacked::acknowledge_through(std::uint64_t seq) {
  events::EventId through = 0;
  while (!entries_.empty() && entries_.front().seq <= seq) {
    through = entries_.front().id;
    open_ -= !entries_.front().done;
    entries_.pop_front();
  }
  return std::max(through, pop_done());
}

events::EventId Unacked::acknowledge(std::span<const std::uint64_t> seqs) {
  for (const std::uint64_t seq : seqs) {
    const auto at = std::ranges::lower_bound(entries_, seq, {}, &Entry::seq);
    if (at == entries_.end() || at->seq != seq || at->done || at->several) continue;
    at->done = true;
    --open_;
  }
  return pop_done();
}

events::EventId Unacked::pop_done() {
  events::EventId through = 0;
  while (!entries_.empty() && entries_.front().done) {
    through = entries_.front().id;
    entries_.pop_front();
  }
  return through;
}

void Unacked::thin() {
  std::deque<Entry> kept;
  for (std::size_t i = 1; i < entries_.size(); i += 2) {
    kept.push_back(entries_[i]);
    kept.back().several = true;
    kept.back().done = false;
  }
  if (entries_.size() % 2 != 0) kept.push_back(entries_.back());
  entries_.swap(kept);
  open_ = static_cast<std::size_t>(std::ranges::count(entries_, false, &Entry::done));
}

}  // namespace bridge55::dropin
