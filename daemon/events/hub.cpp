#include "daemon/events/hub.hpp"

#include "daemon/base/crash_point.hpp"
#include "daemon/base/log.hpp"
#include "daemon/base/metrics.hpp"
#include "daemon/events/cursor.hpp"

#include <algorithm>
#include <cassert>

namespace bridge55::events {
namespace {

constexpr WallMicros kSecond = 1'000'000;
constexpr EventId kHeadroom = kSecond;  // ids kept below the ceiling for a disk that answers late
constexpr EventId kReserve =
    100'000;  // of them, for what one read brings and what the daemon itself has to say
constexpr std::size_t kChunkEvents = 1000, kChunkBytes = 512u << 10, kChunksKept = 4;

}  // namespace

bool Tail::find_after(EventId id, std::uint64_t& position) const {
  if (id < evicted_through_) return false;
  std::uint64_t low = begin_, high = end_;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (at(middle)->id() <= id) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  position = low;
  return true;
}

void Tail::push(EventPtr event) {
  if (end_ - begin_ == ring_.size()) {
    std::vector<EventPtr> larger(ring_.size() * 2);
    for (std::uint64_t i = begin_; i < end_; ++i)
      larger[i & (larger.size() - 1)] = std::move(ring_[i & (ring_.size() - 1)]);
    ring_.swap(larger);
  }
  bytes_ += event->memory_bytes();
  ring_[end_++ & (ring_.size() - 1)] = std::move(event);
}

void Tail::pop() {
  EventPtr& oldest = ring_[begin_++ & (ring_.size() - 1)];
  bytes_ -= oldest->memory_bytes();
  evicted_through_ = oldest->id();
  oldest.reset();
}

Hub::Hub(Journal& journal, metrics::Registry& metrics, const Recovered& recovered, std::size_t tail_limit)
    : journal_(journal),
      metrics_(metrics),
      tail_limit_(tail_limit),
      last_id_(std::max(recovered.last_id, recovered.ceiling)),
      durable_id_(recovered.last_id),
      gone_through_(recovered.gone_through) {
  tail_.set_evicted_through(recovered.last_id);
  for (const auto& [at, fingerprint] : recovered.recent)
    message_ids_.restore(at, fingerprint);
}

Hub::~Hub() = default;

// An id is the clock's microseconds, but above every earlier one and never above the durable ceiling: while
// the disk is late in raising that, ids go up by one and live on the headroom.
EventId Hub::next_id(WallMicros now) {
  const EventId ceiling = journal_.ceiling();
  const EventId clock = static_cast<EventId>(std::max<WallMicros>(now, 0));
  const EventId base = std::max(clock, last_id_);  // a clock that stepped back must not let the ids run out
  if (ceiling < base + kSecond) journal_.want_ceiling(base + 2 * kSecond);
  const EventId reachable = ceiling > kHeadroom ? ceiling - kHeadroom : 0;
  return std::max(last_id_ + 1, std::min(clock, reachable));
}

void Hub::tick(WallMicros now) {
  const EventId base = std::max(static_cast<EventId>(std::max<WallMicros>(now, 0)), last_id_);
  if (now - last_published_ > 2 * kSecond && journal_.ceiling() < base + 30 * kSecond)
    journal_.want_ceiling(base + 60 * kSecond);
  gone_through_ = std::max(gone_through_, journal_.stats().gone_through);
  resume_if_possible();
}

EventPtr Hub::publish(const Facts& facts, bool may_repeat) {
  crash_point("hub.publish.before");
  const WallMicros now = wall_now();
  if (may_repeat && is_redelivery(facts, now)) return nullptr;
  const EventId id = next_id(now);
  assert(id <= journal_.ceiling());
  const MessageIds::Result ids = message_ids_.accept(facts, id, now);
  EventPtr event = Event::make({id, now, ids.id}, facts);
  last_id_ = id;
  last_published_ = now;
  tail_.push(event);
  crash_point("hub.publish.numbered");
  to_journal_.emplace_back(event, ids.fingerprint);
  count(facts);
  unflushed_ = true;
  if (tail_.bytes() > tail_limit_) trim();
  return event;
}

EventPtr Hub::say(std::string_view channel, std::string_view event, std::string_view payload,
                  std::string_view about) {
  if (last_id_ >= journal_.ceiling()) {
    log::error("the journal is stalled: an event of the daemon's own could not be numbered",
               {{"channel", channel}, {"payload", payload}});
    return nullptr;
  }
  Facts facts;
  facts.source = "bridge";
  facts.channel = channel;
  facts.name = event;
  facts.payload = payload;
  facts.about = about;
  EventPtr said = publish(facts);
  flush();
  return said;
}

void Hub::count(const Facts& facts) {
  thread_local std::string key;
  key.clear();
  for (const auto part : {facts.source, facts.channel, facts.name})
    key.append(part).push_back('\0');
  auto found = counters_.find(key);
  if (found == counters_.end()) {
    // The registry folds label values beyond its cap into one series; this cache must not outgrow it either.
    if (counters_.size() > 10'000) counters_.clear();
    const metrics::Labels labels{{"source", std::string(facts.source)},
                                 {"channel", std::string(facts.channel)},
                                 {"event", std::string(facts.name)}};
    found = counters_
                .emplace(key,
                         &metrics_.counter("bridge55_events_total", "Events taken into the journal.", labels))
                .first;
  }
  found->second->add();
}

bool Hub::must_pause() const {
  if (last_id_ + kReserve >= journal_.ceiling()) return true;
  return !disk_full_ && journal_.inbox_bytes() >= Journal::kInboxLimit;
}

void Hub::flush() {
  if (waking_) return;  // published from inside a wake: whoever wakes goes round again
  while (unflushed_) {
    unflushed_ = false;
    wake(true);
  }
  // The journal after the live consumers: waking its thread first would put it in their way on a small
  // machine.
  if (to_journal_.empty()) return;
  std::vector<std::pair<EventPtr, Fingerprint>> batch;
  batch.swap(to_journal_);
  for (auto& [event, fingerprint] : batch)
    journal_.append(std::move(event), fingerprint);
  crash_point("hub.flush.appended");
  if (must_pause()) paused_ = true;
}

// Cursors come and go while they are woken: a removed one leaves a null behind, new ones are at the end and
// need no wake.
void Hub::wake(bool live) {
  waking_ = true;
  crash_point(live ? "hub.wake.live" : "hub.wake.durable");
  const std::size_t count = cursors_.size();
  for (std::size_t i = 0; i < count; ++i) {
    Cursor* cursor = cursors_[i];
    if (cursor == nullptr) continue;
    const bool waits_for_disk = !live && cursor->behind_;
    if (waits_for_disk || ((cursor->reads_ == Cursor::Reads::live) == live && !cursor->behind_))
      cursor->wake_();
  }
  waking_ = false;
}

void Hub::on_durable(EventId id) {
  durable_id_ = std::max(durable_id_, id);
  tail_.find_after(durable_id_, durable_end_);
  wake(false);
  flush();
  trim();
  resume_if_possible();
}

void Hub::resume_if_possible() {
  if (!paused_ || must_pause()) return;
  paused_ = false;
  if (resume_) resume_();
}

// Each fact that was taken before the session came back may be redelivered once; one more than that is news.
bool Hub::is_redelivery(const Facts& facts, WallMicros now) {
  std::uint32_t& matched = redelivered_[std::string(facts.source)][message_ids_.fingerprint_of(facts)];
  return matched++ < message_ids_.seen(facts, now);
}

void Hub::session_began(std::string_view source) {
  redelivered_.erase(std::string(source));
}

void Hub::forget_counters() {
  counters_.clear();
}

// What is not durable stays, so that no cursor loses it. Only a full disk, which lets live delivery go on,
// bounds that too: what leaves then is read from the journal once it is there, or said as skipped.
void Hub::trim() {
  while (tail_.begin() < tail_.end() && tail_.bytes() > tail_limit_) {
    const bool durable = tail_.at(tail_.begin())->id() <= durable_id_;
    if (!durable && tail_.bytes() < tail_limit_ + 2 * Journal::kInboxLimit) break;
    tail_.pop();
  }
  durable_end_ = std::max(durable_end_, tail_.begin());
}

void Hub::add(Cursor* cursor) {
  if (!waking_ && cursors_.size() > 64) {
    // Compact now and then, outside of a wake.
    if (static_cast<std::size_t>(std::count(cursors_.begin(), cursors_.end(), nullptr)) * 2 >
        cursors_.size()) {
      std::erase(cursors_, nullptr);
      for (std::size_t i = 0; i < cursors_.size(); ++i)
        cursors_[i]->slot_ = i;
    }
  }
  cursor->slot_ = cursors_.size();
  cursors_.push_back(cursor);
}

void Hub::remove(Cursor* cursor) {
  if (!waking_ && cursor->slot_ + 1 == cursors_.size()) {
    cursors_.pop_back();
  } else {
    cursors_[cursor->slot_] = nullptr;
  }
}

Hub::Shared Hub::cached_chunk(EventId after) const {
  for (const auto& [token, pending] : chunks_) {
    // A chunk that ended at the journal's end then may have grown since.
    if (pending.after == after && pending.chunk && pending.chunk->read.more) return pending.chunk;
  }
  return nullptr;
}

void Hub::read_chunk(EventId after, std::function<void(Shared)> then) {
  for (auto& [token, pending] : chunks_) {
    if (pending.after == after && !pending.chunk) {
      pending.waiting.push_back(std::move(then));
      return;
    }
  }
  const std::uint64_t token = next_token_++;
  chunks_.emplace_back(token, Pending{after, nullptr, {}});
  chunks_.back().second.waiting.push_back(std::move(then));
  auto chunk = std::make_shared<Chunk>();
  chunk->horizon = std::min(tail_.evicted_through(), durable_id_);
  ReadRequest request;
  request.after = after;
  request.max_events = kChunkEvents;
  request.max_bytes = kChunkBytes;
  journal_.read(request, [this, token, chunk](ReadResult result) {
    chunk->read = std::move(result);
    answered(token, chunk);
  });
}

void Hub::answered(std::uint64_t token, const std::shared_ptr<Chunk>& chunk) {
  gone_through_ = std::max(gone_through_, chunk->read.gone_through);
  if (!chunk->read.damage.empty()) {
    log::error("part of the journal cannot be read", {{"damage", chunk->read.damage}});
  }
  std::vector<std::function<void(Shared)>> waiting;
  for (auto& [key, pending] : chunks_) {
    if (key != token) continue;
    pending.chunk = chunk;
    waiting.swap(pending.waiting);
  }
  std::size_t done = 0;
  for (auto it = chunks_.end(); it != chunks_.begin();) {
    --it;
    if (it->second.chunk && ++done > kChunksKept) it = chunks_.erase(it);
  }
  for (auto& then : waiting)
    then(chunk);
}

}  // namespace bridge55::events
