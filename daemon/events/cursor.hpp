// A consumer's position over everything: the tail while it keeps up, the journal where it is behind; the same
// thing for a live stream, a durable name and a sink. I/O thread only; must not outlive the hub.
#pragma once

#include "daemon/events/hub.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

namespace bridge55::events {

class Cursor {
 public:
  enum class Reads {
    live,     // everything that was published, durable or not
    durable,  // only what is on disk (sinks, durable consumers)
  };
  // `wake` is called when `next` may have more than the last time; from Hub::flush, from a commit or from a
  // finished journal read, never from inside `next`. Starts after `after`; Hub::last_id() is "from now on", 0
  // means "from the earliest held".
  Cursor(Hub& hub, EventId after, Reads reads, std::function<void()> wake);
  ~Cursor();
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;

  // Events that are here now, in id order, at most `max`; empty: none yet (a journal read may have been
  // started, `wake` follows). The span holds until the next call of any member or until control returns to
  // the event loop.
  std::span<const EventPtr> next(std::size_t max = SIZE_MAX);
  void advance(std::size_t count);  // the first `count` of the last span were taken
  EventId position() const { return position_; }
  void reposition(EventId after);

  // Set where retention had deleted events after the position: the last id that is gone and the oldest that
  // is held. The consumer says so (one `bridge`/`gap`/`UNRECOVERED`) and calls `take_loss`; nothing more
  // comes before that.
  struct Loss {
    EventId gone_through = 0, oldest = 0;
  };
  bool has_loss() const { return loss_.gone_through != 0; }
  Loss take_loss();

  // Lets go of a journal chunk: a consumer that is blocked must not hold a megabyte.
  void release();
  bool behind() const { return behind_; }  // reading from the journal

 private:
  friend class Hub;
  void start_at(EventId after);
  void fetch();
  void fetched(const Hub::Shared& chunk);
  void chunk_done();

  Hub& hub_;
  Reads reads_;
  std::function<void()> wake_;
  EventId position_ = 0;
  std::uint64_t tail_at_ = 0;  // where !behind_
  bool behind_ = false, fetching_ = false;
  Hub::Shared chunk_;
  std::size_t chunk_at_ = 0;
  Loss loss_;
  EventId loss_said_ = 0;
  std::size_t slot_ = 0;  // in the hub's list
  std::uint64_t generation_ =
      0;  // a read that was asked for before a reposition is not for this one any more
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace bridge55::events
