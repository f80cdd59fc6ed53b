// One direction of a tunnel: reads its source, walks the frame headers, writes to its sink, and brings it to
// an end between two frames where it can. It reads only what it has written: a sink that does not take bytes
// stops its source. Owned by its tunnel, which hands it the edges of its sockets. I/O thread only.
#pragma once

#include "daemon/local/tunnel_block.hpp"
#include "daemon/net/stream.hpp"
#include "daemon/net/ws_tracker.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace bridge55::local {

class Way;

// What a direction tells of itself.
class WayOwner {
 public:
  virtual void run_later(Way& way) = 0;      // other sockets get their turn
  virtual void source_closed(Way& way) = 0;  // a close frame has passed
  virtual void source_ended(Way& way, net::error_code why) = 0;
  virtual void sink_ended(Way& way) = 0;  // it was given its end behind all the rest
  virtual void sink_gone(Way& way, net::error_code why) = 0;
  virtual void source_broke(Way& way) = 0;  // while it was not read; how, reading will tell
  virtual void needs_cut(Way& way) = 0;     // the sink stands in the middle of a frame that will not end
  virtual void finished(Way& way) = 0;
  virtual void busy() = 0;

 protected:
  ~WayOwner() = default;
};

class Way final {
 public:
  static constexpr unsigned kBusyReads = 32;  // since `take_reads`; its owner is told

  struct Ends {
    net::Stream* source = nullptr;
    net::Stream* sink = nullptr;
    ws::WsTracker::Expects frames{};
    std::string source_gone;  // the close frame for a sink whose source ended without one
  };
  Way(WayOwner& owner, Ends ends) : owner_(owner), ends_(std::move(ends)), tracker_(ends_.frames) {}

  void pass_first(std::string bytes);  // before anything is read
  void run();
  // What became true of its source, of its sink.
  void source_edge(net::Edges edges);
  void sink_edge(net::Edges edges);
  // At the end of the frame under way the sink gets this, and nothing of the source any more.
  void say_last(std::string close_frame);
  void let_go();  // its streams are closed
  void cut_if_delivered();

  // The other direction, whose source is our sink.
  void set_opposite(Way& other) { opposite_ = &other; }

  const ws::WsTracker& tracker() const { return tracker_; }
  std::uint64_t bytes() const { return bytes_; }
  bool source_ended() const { return source_ended_; }
  bool finished() const { return source_ended_ && sink_ended_; }
  // Nobody has anything to say any more here; the source may still hold its socket open.
  bool is_over() const { return sink_ended_ && (source_ended_ || tracker_.close_passed()); }
  bool is_delivered() const;  // the kernel holds nothing for the sink that still could arrive
  bool is_cutting() const { return cut_; }
  bool sink_whole() const;  // it does not stand in the middle of a frame
  std::uint64_t written() const { return written_; }
  unsigned take_reads() { return std::exchange(reads_, 0); }

 private:
  void pump();
  void read();
  void take(std::string_view bytes);
  bool at_last_boundary() const;
  void end_of_source(net::error_code why);
  bool write();
  void lose_sink(net::error_code why);
  void wait_to_write(bool until_writable);
  void look_again();
  bool may_end_sink() const;
  bool end_sink();

  WayOwner& owner_;
  Ends ends_;
  ws::WsTracker tracker_;
  Way* opposite_ = nullptr;
  Block block_;
  std::string words_;         // of ours, or what came first
  std::string_view pending_;  // in block or words
  std::string last_;          // to be said at the next boundary
  std::uint64_t bytes_ = 0, written_ = 0;
  unsigned reads_ = 0;
  // It waits for an edge; of the other kind where TLS has to do the opposite first.
  bool reading_ = false, read_needs_write_ = false;
  bool writing_ = false, write_needs_read_ = false;
  bool drained_ = false;    // there is nothing to read before the next edge
  bool hung_up_ = false;    // its end is behind what is there to read, and no edge will come
  bool broken_ = false;     // so is the source's socket, in both directions
  bool sealed_ = false;     // nothing of the source goes on any more
  bool sink_told_ = false;  // a close frame is the last of what is pending or written
  bool source_ended_ = false;
  bool cut_ = false;  // the sink is to be cut as soon as it has what was written
  bool sink_ended_ = false;
  bool told_close_ = false, told_finished_ = false, let_go_ = false;
};

}  // namespace bridge55::local
