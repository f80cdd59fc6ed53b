#include "daemon/local/tunnel_way.hpp"

#include <poll.h>
#include <utility>

#include <boost/asio/error.hpp>

namespace bridge55::local {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kTurn = 512u << 10;  // bytes; then other sockets get their turn
constexpr unsigned kBusyReads = 32;

bool is_broken(const net::Stream& stream) {
  pollfd state{stream.descriptor(), 0, 0};
  return ::poll(&state, 1, 0) > 0 && (state.revents & (POLLERR | POLLHUP)) != 0;
}

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
      sealed_ = true;
      words_ = std::exchange(last_, {});
      pending_ = words_;
    } else if (may_end_sink()) {
      if (!end_sink()) return;
    } else if (source_ended_) {
      if (sink_ended_ && !std::exchange(told_finished_, true)) owner_.finished(*this);
      return;
    } else if (reading_) {
      return;
    } else if (std::exchange(drained_, false)) {
      return wait_to_read(net::Readiness::read);
    } else if (bytes_ >= turn_ends) {
      return owner_.run_later(*this);
    } else if (!read()) {
      return;
    }
  }
}

bool Way::read() {
  if (!block_) block_ = take_block();
  const net::Transfer transfer = ends_.source->try_read({block_.get(), kBlockBytes});
  if (transfer.error == asio::error::would_block) {
    wait_to_read(transfer.wants_write ? net::Readiness::write : net::Readiness::read);
    return false;
  }
  if (transfer.error) {
    end_of_source(transfer.error);
    return true;
  }
  // Asking once more would be a system call for nothing: the wait that follows looks by itself.
  drained_ = transfer.bytes < kBlockBytes;
  take({block_.get(), transfer.bytes});
  return true;
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
  if (tracker_.close_passed() && !std::exchange(told_close_, true)) owner_.source_closed(*this);
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
  if (transfer.error && transfer.error != asio::error::would_block) {
    lose_sink(transfer.error);
    return true;
  }
  // Only the call that moved nothing knows what TLS waits for.
  if (!transfer.error && ends_.sink->is_tls()) return true;
  wait_to_write(!transfer.error || transfer.wants_write ? net::Readiness::write : net::Readiness::read);
  return false;
}

void Way::lose_sink(net::error_code why) {
  pending_ = {};
  words_ = last_ = {};
  sealed_ = sink_ended_ = true;
  cut_ = false;
  owner_.sink_gone(*this, why);
}

void Way::wait_to_read(net::Readiness readiness) {
  reading_ = true;
  ends_.source->when(readiness, owner_.waiter(*this), kToRead);
}

// Meanwhile the source is not read, and would not be seen to break.
void Way::wait_to_write(net::Readiness readiness) {
  writing_ = true;
  ends_.sink->when(readiness, owner_.waiter(*this), kToWrite);
  if (source_ended_ || std::exchange(watching_, true)) return;
  ends_.source->when(net::Readiness::broken, owner_.waiter(*this), kBroken);
}

void Way::ready(net::error_code, int which) {
  if (which == kToRead) reading_ = false;
  if (which == kToWrite) writing_ = false;
  if (let_go_) return;
  if (which != kBroken) return run();
  watching_ = false;
  if (!source_ended_ && is_broken(*ends_.source)) owner_.source_broke(*this);
}

void Way::say_last(std::string close_frame) {
  if (sealed_ || tracker_.close_begun()) return;
  last_ = std::move(close_frame);
  run();
}

// A sink that was told the end in a close frame of ours is given the time to answer it.
bool Way::may_end_sink() const {
  if (sink_ended_ || cut_ || !sealed_) return false;
  const bool answered = opposite_->tracker().close_passed() || opposite_->source_ended();
  return answered || (source_ended_ && tracker_.close_passed());
}

bool Way::end_sink() {
  const net::Transfer transfer = ends_.sink->end_writing();
  if (transfer.error == asio::error::would_block) {
    if (!writing_) wait_to_write(transfer.wants_write ? net::Readiness::write : net::Readiness::read);
    return false;
  }
  sink_ended_ = true;
  return true;
}

bool Way::cut_if_delivered() {
  if (!cut_ || !pending_.empty() || ends_.sink->unsent() > 0) return false;
  ends_.sink->reset();
  cut_ = false;
  sink_ended_ = true;
  run();
  return true;
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
