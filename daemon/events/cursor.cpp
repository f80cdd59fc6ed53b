#include "daemon/events/cursor.hpp"

#include <algorithm>

namespace bridge55::events {

Cursor::Cursor(Hub& hub, EventId after, Reads reads, std::function<void()> wake)
    : hub_(hub), reads_(reads), wake_(std::move(wake)) {
  hub_.add(this);
  start_at(after);
}

Cursor::~Cursor() {
  hub_.remove(this);
}

void Cursor::start_at(EventId after) {
  ++generation_;
  fetching_ = false;
  chunk_.reset();
  loss_ = {};
  loss_said_ = after == 0 ? hub_.gone_through_ : 0;  // from the earliest that is held, nothing is lost
  position_ = after;
  behind_ = !hub_.tail_.find_after(position_, tail_at_);
}

void Cursor::reposition(EventId after) {
  start_at(after);
}

std::span<const EventPtr> Cursor::next(std::size_t max) {
  if (!behind_ && tail_at_ < hub_.tail_.begin()) behind_ = true;  // the tail has moved past a slow consumer
  while (behind_ && !has_loss()) {
    if (chunk_) {
      const auto& events = chunk_->read.events;
      return std::span(events).subspan(chunk_at_, std::min(max, events.size() - chunk_at_));
    }
    if (position_ >= hub_.durable_id_) return {};  // the disk is late: its next commit wakes us
    const Hub::Shared cached = hub_.cached_chunk(position_);
    if (!cached) {
      fetch();
      return {};
    }
    fetched(cached);
  }
  const std::uint64_t end = reads_ == Reads::live ? hub_.tail_.end() : hub_.durable_end_;
  if (has_loss() || tail_at_ >= end || max == 0) return {};
  const EventPtr* first = &hub_.tail_.at(tail_at_);
  // The ring may wrap: the run ends there, and the next call goes on.
  const std::uint64_t run = std::min<std::uint64_t>(
      {end - tail_at_, max, static_cast<std::uint64_t>(hub_.tail_.ring_end() - first)});
  return {first, static_cast<std::size_t>(run)};
}

void Cursor::advance(std::size_t count) {
  if (count == 0) return;
  if (!behind_) {
    tail_at_ += count;
    position_ = hub_.tail_.at(tail_at_ - 1)->id();
    return;
  }
  chunk_at_ += count;
  position_ = chunk_->read.events[chunk_at_ - 1]->id();
  if (chunk_at_ == chunk_->read.events.size()) chunk_done();
}

// Everything up to the chunk's end was seen; where the journal ended, everything up to its horizon is either
// seen or gone.
void Cursor::chunk_done() {
  position_ = std::max(position_, chunk_->read.scanned_through);
  if (!chunk_->read.more) position_ = std::max(position_, chunk_->horizon);
  chunk_.reset();
  chunk_at_ = 0;
  behind_ = !hub_.tail_.find_after(position_, tail_at_);
}

void Cursor::release() {
  chunk_.reset();
  chunk_at_ = 0;
}

Cursor::Loss Cursor::take_loss() {
  const Loss loss = loss_;
  loss_said_ = loss.gone_through;
  loss_ = {};
  return loss;
}

void Cursor::fetch() {
  if (fetching_) return;
  fetching_ = true;
  hub_.read_chunk(position_,
                  [this, alive = std::weak_ptr(alive_), generation = generation_](const Hub::Shared& chunk) {
                    if (alive.expired() || generation != generation_) return;
                    fetched(chunk);
                    wake_();
                  });
}

void Cursor::fetched(const Hub::Shared& chunk) {
  fetching_ = false;
  const EventId gone = chunk->read.gone_through;
  if (gone > position_ && gone > loss_said_) loss_ = {gone, chunk->read.oldest_id};
  chunk_ = chunk;
  chunk_at_ = 0;
  if (chunk->read.events.empty()) chunk_done();
}

}  // namespace bridge55::events
