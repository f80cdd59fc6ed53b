#include "daemon/local/tunnel_way.hpp"

#include <utility>

#include <boost/asio/error.hpp>

namespace bridge55::local {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kTurn = 256u << 10;  // bytes; then other sockets get their turn

}  // namespace

void Way::pass_first(std::string bytes) {
  words_ = std::move(bytes);
  take(words_);
}

void Way::run() {
  pump();
  if (pending_.empty()) block_.reset();
}

void Way::pump() {
  std::size_t turn_ends = bytes_ + kTurn;
  while (!let_go_) {
    if (!pending_.empty()) {
      if (!write()) return;
    } else if (!last_.empty() && (sealed_ || at_last_boundary())) {
      sealed_ = sink_told_ = true;
      words_ = std::exchange(last_, {});
      pending_ = words_;
    } else if (may_end_sink()) {
      if (!end_sink()) return;
    } else if (source_ended_) {
      if (sink_ended_ && !std::exchange(told_finished_, true)) owner_.finished(*this);
      return;
    } else if (drained_ || read_needs_write_) {
      reading_ = true;
      return;
    } else if (bytes_ >= turn_ends) {
      return owner_.run_later(*this);
    } else {
      read();
    }
  }
}

void Way::read() {
  if (!block_) block_ = take_block();
  const net::Transfer transfer = ends_.source->try_read({block_.get(), kBlockBytes});
  if (transfer.error == asio::error::would_block && broken_) {
    end_of_source(asio::error::connection_aborted);  // no edge will tell more
  } else if (transfer.error == asio::error::would_block) {
    drained_ = !transfer.wants_write;
    read_needs_write_ = transfer.wants_write;
    if (read_needs_write_) ends_.source->want_writable();
  } else if (transfer.error) {
    end_of_source(transfer.error);
  } else {
    // Asking once more would be a system call for nothing.
    drained_ = transfer.drained && !hung_up_;
    take({block_.get(), transfer.bytes});
  }
}

void Way::take(std::string_view bytes) {
  bytes_ += bytes.size();
  if (++reads_ == kBusyReads) owner_.busy();
  if (sealed_) {
    tracker_.walk(bytes);
  } else {
    const std::size_t size = last_.empty() ? 0 : tracker_.walk_to_boundary(bytes);
    const bool ends_here = !last_.empty() && at_last_boundary();
    pending_ = ends_here ? bytes.substr(0, size) : bytes;
    sealed_ = ends_here;
    tracker_.walk(bytes.substr(size));
  }
  if (!tracker_.close_passed() || std::exchange(told_close_, true)) return;
  if (!sealed_) {
    sink_told_ = true;
    last_ = {};
  }
  owner_.source_closed(*this);
}

// A close frame of the source's own is the last that may go (RFC 6455, 5.5.1).
bool Way::at_last_boundary() const {
  return tracker_.between_frames() && !tracker_.close_begun();
}

void Way::end_of_source(net::error_code why) {
  source_ended_ = true;
  owner_.source_ended(*this, why);
  if (sealed_) return;
  sealed_ = true;
  if (!tracker_.between_frames()) {
    cut_ = true;
    owner_.needs_cut(*this);
  } else if (!tracker_.close_passed() && !opposite_->tracker().close_passed()) {
    last_ = std::exchange(ends_.source_gone, {});
  }
}

bool Way::write() {
  if (writing_) return false;
  const iovec piece{const_cast<char*>(pending_.data()), pending_.size()};
  const net::Transfer transfer = ends_.sink->try_write({&piece, 1});
  pending_.remove_prefix(transfer.bytes);
  written_ += transfer.bytes;
  if (pending_.empty()) {
    words_ = {};
    return true;
  }
  if (transfer.error && (transfer.error != asio::error::would_block || opposite_->broken_)) {
    lose_sink(transfer.error);
    return true;
  }
  // Only the call that moved nothing knows what TLS waits for.
  if (!transfer.error && ends_.sink->is_tls()) return true;
  wait_to_write(!transfer.error || transfer.wants_write);
  return false;
}

void Way::lose_sink(net::error_code why) {
  pending_ = {};
  words_ = last_ = {};
  sealed_ = sink_ended_ = true;
  cut_ = false;
  owner_.sink_gone(*this, why);
}

void Way::wait_to_write(bool until_writable) {
  writing_ = true;
  write_needs_read_ = !until_writable;
  if (until_writable) ends_.sink->want_writable();
}

void Way::source_edge(net::Edges edges) {
  if (edges.readable) drained_ = false;
  if (edges.ended) hung_up_ = true;
  if (edges.broken) broken_ = true;
  if (edges.writable) read_needs_write_ = false;
  // Nobody reads it meanwhile, who would see it break.
  if (edges.broken && writing_ && !let_go_) owner_.source_broke(*this);
  if (reading_ && !drained_ && !read_needs_write_) look_again();
}

void Way::look_again() {
  reading_ = drained_ = false;
  run();
}

void Way::sink_edge(net::Edges edges) {
  if (!writing_ || !(write_needs_read_ ? edges.readable : edges.writable)) return;
  writing_ = false;
  run();
}

void Way::say_last(std::string close_frame) {
  if (sealed_ || tracker_.close_begun()) return;
  last_ = std::move(close_frame);
  run();
}

// A sink that was told the end in a close frame is given the time to answer it; then the socket is closed by
// us, since peers may wait for that (RFC 6455, 7.1.1).
bool Way::may_end_sink() const {
  if (sink_ended_ || cut_ || !(sealed_ || sink_told_)) return false;
  const bool answered = opposite_->tracker().close_passed() || opposite_->source_ended();
  return answered || (source_ended_ && tracker_.close_passed());
}

bool Way::end_sink() {
  sealed_ = true;
  const net::Transfer transfer = ends_.sink->end_writing();
  if (transfer.error == asio::error::would_block) {
    if (!writing_) wait_to_write(transfer.wants_write);
    return false;
  }
  sink_ended_ = true;
  owner_.sink_ended(*this);
  return true;
}

// What a broken connection has not delivered stays counted.
bool Way::is_delivered() const {
  return ends_.sink->unsent() == 0 || opposite_->broken_;
}

void Way::cut_if_delivered() {
  if (!cut_ || !pending_.empty() || !is_delivered()) return;
  ends_.sink->reset();
  cut_ = false;
  sink_ended_ = true;
  opposite_->look_again();  // its source is no more, which no edge will tell
  run();
}

bool Way::sink_whole() const {
  if (sink_ended_) return true;
  return !cut_ && pending_.empty() && (sealed_ || tracker_.between_frames());
}

void Way::let_go() {
  let_go_ = true;
  pending_ = {};
  block_.reset();
}

}  // namespace bridge55::local
