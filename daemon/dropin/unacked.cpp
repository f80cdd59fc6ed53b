#include "daemon/dropin/unacked.hpp"

#include <algorithm>

namespace bridge55::dropin {

void Unacked::sent(std::uint64_t seq, events::EventId id) {
  if (entries_.empty()) stride_ = 1;
  if (stride_ > 1 && entries_.back().count < stride_ && !entries_.back().done) {
    Entry& last = entries_.back();
    last = {seq, id, false, last.count + 1};
    return;
  }
  entries_.push_back({seq, id});
  ++open_;
  if (entries_.size() <= kMost) return;
  join_done();
  // A window leaves so few open that it never comes to this: each of its messages must be known by its seq.
  if (entries_.size() > kMost / 2) thin();
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
    if (at == entries_.end() || at->seq != seq || at->done || at->count > 1) continue;
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

// What is done waits for an older one that is open: of neighbours the last says it all.
void Unacked::join_done() {
  std::deque<Entry> kept;
  for (const Entry& entry : entries_) {
    if (entry.done && !kept.empty() && kept.back().done) {
      kept.back() = {entry.seq, entry.id, true, kept.back().count + entry.count};
    } else {
      kept.push_back(entry);
    }
  }
  entries_.swap(kept);
}

// Neighbours become one, so that all of the past is known with the same, coarser, resolution.
void Unacked::thin() {
  stride_ *= 2;
  std::deque<Entry> kept;
  for (std::size_t i = 0; i < entries_.size(); i += 2) {
    kept.push_back(entries_[std::min(i + 1, entries_.size() - 1)]);
    if (i + 1 == entries_.size()) break;
    kept.back().count += entries_[i].count;
    kept.back().done = entries_[i].done && entries_[i + 1].done;
  }
  entries_.swap(kept);
  open_ = static_cast<std::size_t>(std::ranges::count(entries_, false, &Entry::done));
}

}  // namespace bridge55::dropin
