// All streams that are connected, what they share, and the one timer that keeps idle ones alive. I/O thread
// only.
#pragma once

#include "daemon/base/clock.hpp"
#include "daemon/events/event.hpp"
#include "daemon/events/routes.hpp"
#include "daemon/local/rounds.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <sys/uio.h>
#include <vector>

namespace boost::asio {
class io_context;
}
namespace bridge55::metrics {
class Registry;
class Value;
class Histogram;
}  // namespace bridge55::metrics

namespace bridge55::local {

class Feed;

enum class FeedKind { sse, websocket, lines };

// What one write is gathered into, and which event each piece belongs to. One for all feeds: a feed uses it
// only between gathering and writing.
struct Batch {
  static constexpr std::size_t kMaxPieces = 1024;   // IOV_MAX
  static constexpr std::size_t kPiecesAnEvent = 5;  // head, views and tail of another protocol's frame
  static constexpr std::size_t kArena = 128u << 10;
  static constexpr std::size_t kMaxBytes = 1u << 20;
  static constexpr std::uint32_t kNoEvent =
      UINT32_MAX;  // what is not an event: the rest of an earlier one, pings, errors

  std::array<iovec, kMaxPieces> pieces;
  std::array<std::uint32_t, kMaxPieces> event_of;
  std::size_t count = 0, bytes = 0;
  std::span<const events::EventPtr> events;
  std::size_t seen = 0;           // events that were looked at: taken, or not wanted
  std::deque<std::string> built;  // pieces that no event holds ready
  std::size_t arena_used = 0;     // short ones, without an allocation each
  std::array<char, kArena> arena;
  std::vector<events::Target> targets;
  std::array<char, 4u << 10> input;

  void clear() {
    count = bytes = seen = arena_used = 0;
    events = {};
    if (!built.empty()) built.clear();
  }
  // Bytes that stay until `clear`.
  std::string_view keep(std::string_view a, std::string_view b) {
    if (a.size() + b.size() > kArena - arena_used) return built.emplace_back(a).append(b);
    char* const at = arena.data() + arena_used;
    arena_used += a.size() + b.size();
    std::copy(b.begin(), b.end(), std::copy(a.begin(), a.end(), at));
    return {at, a.size() + b.size()};
  }
  bool full() const { return count > kMaxPieces - kPiecesAnEvent || bytes >= kMaxBytes; }
  void add(std::string_view piece, std::uint32_t event) {
    pieces[count] = {const_cast<char*>(piece.data()), piece.size()};
    event_of[count++] = event;
    bytes += piece.size();
  }
};

class Feeds {
 public:
  Feeds(boost::asio::io_context& io, metrics::Registry& metrics);
  ~Feeds();
  Feeds(const Feeds&) = delete;
  Feeds& operator=(const Feeds&) = delete;

  void add(Feed& feed);
  void remove(Feed& feed);
  const std::vector<Feed*>& all() const { return feeds_; }
  std::size_t size() const { return feeds_.size(); }

  Batch& batch() { return *batch_; }
  // Whether the feed with this number, woken because events came, leaves them for its next turn; `pump_held`
  // comes in any case. `published`: Hub::published(), which tells one round of wakes from the next.
  bool leaves_for_later(std::uint64_t number, std::uint64_t published);
  SteadyTime round_began() const { return rounds_.began(); }
  // Whether one more blocked feed may keep what it was reading: a bounded number of them.
  bool may_keep_chunk() { return chunks_kept_ < kMostChunksKept && ++chunks_kept_ > 0; }
  void chunk_let_go() { --chunks_kept_; }
  std::uint64_t next_number() { return next_number_++; }

  metrics::Histogram& latency(FeedKind kind) { return *latency_[static_cast<std::size_t>(kind)]; }

 private:
  void sweep();
  void pump_held();
  void pump_held_at(SteadyTime at);

  struct Timer;
  std::unique_ptr<Timer> timer_;
  std::unique_ptr<Batch> batch_;
  std::vector<Feed*> feeds_;
  Rounds rounds_;
  std::uint64_t published_ = 0, next_number_ = 0;
  static constexpr std::size_t kMostChunksKept = 16;  // of at most a megabyte
  std::size_t chunks_kept_ = 0, turn_takers_ = 0;
  bool holding_ = false;
  std::array<metrics::Histogram*, 3> latency_{};
  std::array<metrics::Value*, 3> gauges_{};
};

// The `endpoint` label and the name in /status.
std::string_view endpoint_name(FeedKind kind);

}  // namespace bridge55::local
