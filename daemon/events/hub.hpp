// The middle of the house: numbers every event, keeps the newest in memory, hands them to the journal, wakes
// the cursors. I/O thread only. Live consumers are served from the tail without waiting for the disk; sinks
// and durable consumers read no further than what is durable.
#pragma once

#include "daemon/events/event.hpp"
#include "daemon/events/journal.hpp"
#include "daemon/events/message_id.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace bridge55::metrics {
class Value;
class Histogram;
}  // namespace bridge55::metrics

namespace bridge55::events {

class Cursor;

// The newest events, oldest first, in a ring. Positions count events since the start and never repeat, so a
// consumer keeps a number.
class Tail {
 public:
  std::uint64_t begin() const { return begin_; }
  std::uint64_t end() const { return end_; }
  const EventPtr& at(std::uint64_t position) const { return ring_[position & (ring_.size() - 1)]; }
  const EventPtr* ring_end() const { return ring_.data() + ring_.size(); }
  // The position of the first event with a larger id; nothing where that event may already have left the
  // tail.
  bool find_after(EventId id, std::uint64_t& position) const;

  void push(EventPtr event);
  void pop();
  std::size_t bytes() const { return bytes_; }
  // Everything above this id is in the tail: the id of the last event that left it (or what a start found).
  EventId evicted_through() const { return evicted_through_; }
  void set_evicted_through(EventId id) { evicted_through_ = id; }

 private:
  std::vector<EventPtr> ring_{1024};
  std::uint64_t begin_ = 0, end_ = 0;
  std::size_t bytes_ = 0;
  EventId evicted_through_ = 0;
};

// A piece of the journal as cursors share it. `horizon` is what had left the tail when the read began:
// everything up to there is in the result, or gone; never beyond what was durable then.
struct Chunk {
  ReadResult read;
  EventId horizon = 0;
};

class Hub {
 public:
  // `tail_limit`: bytes of durable events kept for cursors that are a little behind.
  Hub(Journal& journal, metrics::Registry& metrics, const Recovered& recovered,
      std::size_t tail_limit = 8u << 20);
  ~Hub();
  Hub(const Hub&) = delete;
  Hub& operator=(const Hub&) = delete;

  // Numbers the fact and takes it. Null where `may_repeat` and it is a redelivery of one already taken.
  // Precondition: !must_pause(), which sources ask before each read.
  EventPtr publish(const Facts& facts, bool may_repeat = false);
  // A session logged in: what it now redelivers is matched against all that was taken before.
  void session_began(std::string_view source);
  // A `bridge` event; `about` names the upstream or sink it speaks of. Wakes consumers itself.
  EventPtr say(std::string_view channel, std::string_view event, std::string_view payload,
               std::string_view about = {});
  // Wakes live cursors, once for all that was published since.
  void flush();
  // The upstream readers must stop: the journal's inbox is full, or no id is left below the durable ceiling.
  bool must_pause() const;
  void on_resume(std::function<void()> callback) {
    resume_ = std::move(callback);
  }  // called when must_pause turns false

  void on_durable(EventId id);  // from the journal's handler
  void on_writable(bool writable) { disk_full_ = !writable; }
  void set_gone_through(EventId id) { gone_through_ = std::max(gone_through_, id); }
  // Once a second: keeps the durable ceiling ahead of the clock, also where nothing happens.
  void tick(WallMicros now);

  // Series were dropped from the registry: counters are looked up anew.
  void forget_counters();
  EventId durable_id() const { return durable_id_; }
  EventId last_id() const { return last_id_; }
  EventId gone_through() const { return gone_through_; }
  std::uint64_t published() const { return tail_.end(); }  // events since the start
  const Tail& tail() const { return tail_; }
  Journal& journal() { return journal_; }

 private:
  friend class Cursor;
  using Shared = std::shared_ptr<const Chunk>;
  struct Pending {
    EventId after = 0;
    Shared chunk;  // null while the read is under way
    std::vector<std::function<void(Shared)>> waiting;
  };
  // A chunk of the journal after `after`: one that another cursor has just read, or null; else read it,
  // sharing a read under way.
  Shared cached_chunk(EventId after) const;
  void read_chunk(EventId after, std::function<void(Shared)> then);
  void answered(std::uint64_t token, const std::shared_ptr<Chunk>& chunk);
  void add(Cursor* cursor);
  void remove(Cursor* cursor);
  void wake(bool live);
  void trim();
  void resume_if_possible();
  bool is_redelivery(const Facts& facts, WallMicros now);
  void count(const Facts& facts);
  EventId next_id(WallMicros now);

  Journal& journal_;
  metrics::Registry& metrics_;
  MessageIds message_ids_;
  Tail tail_;
  std::size_t tail_limit_;
  EventId last_id_ = 0, durable_id_ = 0, gone_through_ = 0;
  std::uint64_t durable_end_ = 0;  // tail position of the first event that is not durable
  WallMicros last_published_ = 0;
  std::vector<std::pair<EventPtr, Fingerprint>> to_journal_;  // published since the last flush
  bool paused_ = false, disk_full_ = false, unflushed_ = false, waking_ = false;
  // By source: how often each fact was matched or taken since its session came back.
  std::unordered_map<std::string, std::unordered_map<Fingerprint, std::uint32_t>> redelivered_;
  std::vector<Cursor*> cursors_;  // null: removed while being woken
  std::function<void()> resume_;
  std::list<std::pair<std::uint64_t, Pending>> chunks_;  // by token, newest last
  std::uint64_t next_token_ = 1;
  std::unordered_map<std::string, metrics::Value*> counters_;
};

}  // namespace bridge55::events
