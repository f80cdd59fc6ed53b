#include "daemon/events/journal_writer.hpp"

#include "daemon/base/crash_point.hpp"
#include "daemon/base/metrics.hpp"

#include <algorithm>
#include <pthread.h>
#include <utility>

namespace bridge55::events {
namespace {

using namespace std::chrono_literals;

// A commit takes no more at once: so that what came meanwhile does not wait behind a burst, and the page
// cache holds it.
constexpr std::size_t kSliceEvents = 4096;
constexpr std::uint64_t kSlicePart = 16, kSliceLeast = 256u << 10, kSliceMost = 2u << 20;
// Where something urgent waits for it, much less: it is the commit's first events that cost it time.
constexpr std::size_t kUrgentSliceEvents = 256;
constexpr std::uint64_t kUrgentSliceBytes = 256u << 10;
constexpr std::chrono::milliseconds kFirstPause = 10ms, kLongestPause = 1000ms, kUrgentLook = 2ms;
// The log is copied when it has grown to a part of the size limit, within these bounds; to kLogStretch times
// as much where the disk is slower than what comes, and then the writer waits.
constexpr std::uint64_t kLogPart = 64, kLogLeast = 256u << 10, kLogMost = 16u << 20, kLogStretch = 4;

std::uint64_t log_target(std::uint64_t size_limit) {
  return std::clamp(size_limit / kLogPart, kLogLeast, kLogMost);
}

std::uint64_t slice_bytes(std::uint64_t size_limit) {
  return std::clamp(size_limit / kSlicePart, kSliceLeast, kSliceMost);
}

WallMicros micros(config::Duration duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

}  // namespace

Writer::Writer(OpenedJournal journal, Inbox& inbox, std::mutex& gate, JournalMetrics metrics)
    : journal_(std::move(journal)),
      store_(*journal_.store),
      progress_(journal_.progress),
      retention_(store_, progress_),
      checkpointer_(journal_.path),
      inbox_(inbox),
      gate_(gate),
      metrics_(metrics),
      slice_events_(kSliceEvents),
      ceiling_(progress_.ceiling),
      hold_(UINT64_MAX),
      age_micros_(0),
      trades_micros_(INT64_MAX / 2),
      size_bytes_(0) {
  publish_stats({});
}

Writer::~Writer() {
  join();
}

void Writer::set_retention(const config::Journal& settings) {
  age_micros_.store(micros(settings.retention_age), std::memory_order_relaxed);
  size_bytes_.store(settings.retention_size.count, std::memory_order_relaxed);
}

void Writer::set_trades_keep(config::Duration keep) {
  trades_micros_.store(std::max(micros(keep), Journal::kTradeMemory), std::memory_order_relaxed);
}

WallMicros Writer::trades_through(WallMicros now) const {
  return now - trades_micros_.load(std::memory_order_relaxed);
}

RetentionLimits Writer::limits() const {
  const std::int64_t age = age_micros_.load(std::memory_order_relaxed);
  const std::uint64_t size = size_bytes_.load(std::memory_order_relaxed);
  const std::uint64_t most = size > 0 ? size : UINT64_MAX;
  return {age > 0 ? age : INT64_MAX / 2, most, hold_.load(std::memory_order_relaxed),
          kLogStretch * log_target(most) + slice_bytes(most)};
}

void Writer::start(Signals signals) {
  signals_ = std::move(signals);
  checkpointer_.start();
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "journal-write");
    run();
  });
}

void Writer::join() {
  if (thread_.joinable()) thread_.join();
  checkpointer_.stop();
}

void Writer::run() {
  try {
    for (bool stopping = false; !stopping;) {
      stopping = inbox_.take(items_, orders_, more_to_delete_ || !urgent_.empty() ? 0ms : 1000ms);
      inbox_.take_urgent(urgent_);
      const bool work = !items_.empty() || orders_.any() || !urgent_.empty();
      closing_ = stopping;
      if (work) {
        write_all();
      } else if (!stopping) {
        idle();
        checkpoint_if_due(true);
      }
    }
  } catch (const sqlite::Error& error) {
    fail(error.what(), error.trouble == sqlite::Trouble::corrupt);
  } catch (const std::exception& error) {
    fail(error.what(), false);
  }
}

void Writer::write_all() {
  bool with_orders = true;
  auto pause = kFirstPause;
  for (std::size_t at = 0; at < items_.size() || with_orders || !urgent_.empty();) {
    inbox_.take_urgent(urgent_);
    std::size_t done = 0;
    try {
      done = commit(next_slice(at), with_orders);
    } catch (const sqlite::Error& error) {
      store_.rollback();
      if (error.trouble != sqlite::Trouble::full && error.trouble != sqlite::Trouble::busy) throw;
      if (!wait_out(error, pause)) return;
      slice_events_ = std::max<std::size_t>(slice_events_ / 4, 1);  // the space that is left may do for fewer
      continue;
    }
    pause = kFirstPause;
    with_orders = false;
    release(at, done);
    at += done;
    slice_events_ = std::min(kSliceEvents, slice_events_ * 2);
    if (blocked_ && (at == items_.size() || slice_events_ >= kSliceEvents / 16)) usable_again();
    checkpoint_if_due(false);
  }
  items_.clear();
  if (!orders_.barriers.empty()) signals_.passed(std::move(orders_.barriers));
  orders_ = {};
}

Writer::Slice Writer::next_slice(std::size_t from) const {
  std::size_t bytes = 0, size = 0;
  std::size_t most = slice_bytes(limits().size_bytes), events = slice_events_;
  if (!urgent_.empty()) {
    most = std::min<std::size_t>(most, kUrgentSliceBytes);
    events = std::min(events, kUrgentSliceEvents);
  }
  while (from + size < items_.size() && size < events && bytes < most)
    bytes += items_[from + size++].event->memory_bytes();
  return Slice(items_).subspan(from, size);
}

void Writer::release(std::size_t from, std::size_t count) {
  std::size_t bytes = 0;
  for (std::size_t i = from; i < from + count; ++i) {
    bytes += items_[i].event->memory_bytes();
    items_[i].event.reset();
  }
  inbox_.release(bytes);
}

// False where the journal is closing and the disk has not come back.
bool Writer::wait_out(const sqlite::Error& error, std::chrono::milliseconds& pause) {
  if (!blocked_) {
    blocked_ = true;
    inbox_.disk_full();
    publish_stats(error.what());
    signals_.writable(false, error.what());
  }
  if (closing_) return false;
  // Ids must not run out while live delivery goes on: the lock file has its block already.
  const EventId wanted = std::max(orders_.wanted_ceiling, inbox_.wanted_ceiling());
  if (wanted > ceiling() && journal_.lock->keep_ceiling(wanted, true))
    ceiling_.store(wanted, std::memory_order_release);
  try {
    finish_checkpoint(true);  // a log that starts over needs no more space
  } catch (const sqlite::Error& failed) {
    if (failed.trouble != sqlite::Trouble::full) throw;
  }
  closing_ = inbox_.wait_stopped(pause);
  pause = std::min(pause * 2, kLongestPause);
  return true;
}

void Writer::usable_again() {
  blocked_ = false;
  publish_stats({});
  signals_.writable(true, {});
  if (const Skipped skipped = inbox_.disk_usable(); skipped.count > 0) signals_.skipped(skipped);
}

void Writer::idle() {
  const WallMicros now = wall_now();
  if (!more_to_delete_ && !retention_.due(progress_, limits(), now) &&
      !store_.trades().sweep_due(trades_through(now)) && !store_.requests().sweep_due(now))
    return;
  more_to_delete_ = true;
  try {
    commit({}, false);
  } catch (const sqlite::Error& error) {
    store_.rollback();
    more_to_delete_ = false;
    // Nobody waits for it: the next commit says so, or the disk has space again.
    if (error.trouble != sqlite::Trouble::full && error.trouble != sqlite::Trouble::busy) throw;
  }
}

// A full disk may have no room for the copy: the log keeps everything until there is.
void Writer::checkpoint_if_due(bool idle) {
  try {
    checkpoint_due(idle);
  } catch (const sqlite::Error& error) {
    if (error.trouble != sqlite::Trouble::full) throw;
  }
}

void Writer::checkpoint_due(bool idle) {
  checkpointer_.check();
  const std::int64_t frames = store_.wal_frames();
  const auto target = static_cast<std::int64_t>(log_target(limits().size_bytes) / store_.page_bytes());
  const std::int64_t most = target * static_cast<std::int64_t>(kLogStretch);
  if (frames < frames_before_) copied_ = 0;  // the log has started over
  frames_before_ = frames;
  if (idle ? frames <= copied_ : frames < target) return;
  if (checkpointer_.running()) {
    if (frames < most) return;
    await_checkpoint();
  }
  copied_ = std::max(copied_, checkpointer_.take_copied());
  if (idle || frames - copied_ <= target / 4 || frames >= most) {
    finish_checkpoint(frames >= most);
  } else {
    checkpointer_.request();
  }
}

// The disk is slower than what comes: events wait, so that the log does not grow. What is urgent does not.
void Writer::await_checkpoint() {
  while (!checkpointer_.rested(kUrgentLook)) {
    if (inbox_.urgent()) commit_urgent();
  }
}

void Writer::commit_urgent() {
  inbox_.take_urgent(urgent_);
  try {
    commit({}, false);
  } catch (const sqlite::Error& error) {
    store_.rollback();
    // The next commit carries it, and waits the full disk out.
    if (error.trouble != sqlite::Trouble::full && error.trouble != sqlite::Trouble::busy) throw;
  }
}

// Copies the rest of the log while nothing is added, so that the next commit begins at its start. Readers
// hold it up only while they hold a snapshot: where the log has grown too long, the writer waits for the one
// that does.
void Writer::finish_checkpoint(bool must) {
  if (SteadyClock::now() < unfinished_until_) return;
  std::unique_lock gate(gate_, std::defer_lock);
  if (must) {
    gate.lock();
  } else if (!gate.try_lock()) {
    return;
  }
  crash_point("journal.checkpoint.finish");
  const auto done = store_.connection().checkpoint();
  copied_ = std::max(copied_, done.copied);
  // Another program reads the file: it must not cost a sync with each commit.
  if (!done.complete()) unfinished_until_ = SteadyClock::now() + 100ms;
}

void Writer::fail(const std::string& why, bool corrupt) {
  failed_ = true;
  store_.rollback();
  inbox_.refuse();
  if (corrupt) mark_suspect(journal_.path);
  publish_stats(why);
  signals_.fatal(why);
}

void Writer::close_cleanly() {
  if (failed_ || blocked_) return;
  try {
    crash_point("journal.close.before");
    store_.begin();
    store_.put_note("clean", 1);
    store_.commit();
    crash_point("journal.close.committed");
    store_.connection().checkpoint(true);
  } catch (const sqlite::Error&) {
    store_.rollback();  // the next start sees an unclean stop, which is what this is
  }
}

void Writer::publish_stats(const std::string& trouble) {
  const std::uint64_t bytes = store_.file_bytes() + store_.wal_bytes();
  metrics_.bytes->set(static_cast<std::int64_t>(bytes));
  const std::lock_guard lock(stats_mutex_);
  stats_ = {bytes,
            progress_.appended - std::min(progress_.appended, progress_.removed),
            progress_.oldest_id,
            progress_.last_id,
            progress_.gone_through,
            trouble.empty(),
            trouble};
}

JournalStats Writer::stats() const {
  const std::lock_guard lock(stats_mutex_);
  return stats_;
}

}  // namespace bridge55::events
