// The thread that writes the journal: what gathered while the last commit ran is the next one. It also
// deletes what is past retention and finishes checkpoints, between and inside its commits. A full disk is
// waited out with the batch kept; any other failure is final.
#pragma once

#include "daemon/events/journal_checkpointer.hpp"
#include "daemon/events/journal_inbox.hpp"
#include "daemon/events/journal_open.hpp"
#include "daemon/events/journal_retention.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace bridge55::metrics {
class Histogram;
class Value;
}  // namespace bridge55::metrics

namespace bridge55::events {

struct JournalMetrics {
  metrics::Value* bytes;
  metrics::Value* inbox_bytes;
  metrics::Value* events;
  metrics::Histogram* commit_seconds;
};

class Writer {
 public:
  // Called on the writer's thread.
  struct Signals {
    std::function<void(EventId)> durable;
    std::function<void(bool, const std::string&)> writable;
    std::function<void(const std::string&)> fatal;
    std::function<void(EventId, const std::string&)> forced;
    std::function<void(const Skipped&)> skipped;
    std::function<void(std::vector<std::function<void()>>)>
        passed;                               // barriers that everything before has passed
    std::function<void(std::size_t)> stored;  // that many more urgent items, in the order they came
  };

  Writer(OpenedJournal journal, Inbox& inbox, std::mutex& gate, JournalMetrics metrics);
  ~Writer();

  void start(Signals signals);
  void join();  // after Inbox::stop
  // After `join`, with every other connection closed: the log is emptied and the stop marked as clean, unless
  // the journal has failed.
  void close_cleanly();

  // Any thread.
  EventId ceiling() const { return ceiling_.load(std::memory_order_acquire); }
  void hold_from(EventId id) { hold_.store(id, std::memory_order_relaxed); }
  void set_retention(const config::Journal& settings);
  void set_trades_keep(config::Duration keep);
  JournalStats stats() const;

 private:
  using Slice = std::span<const InboxItem>;
  using SteadyClock = std::chrono::steady_clock;

  void run();
  void write_all();
  Slice next_slice(std::size_t from) const;
  void release(std::size_t from, std::size_t count);
  bool wait_out(const sqlite::Error& error, std::chrono::milliseconds& pause);
  void usable_again();
  std::size_t commit(Slice slice, bool with_orders);
  std::size_t add_some(Slice slice, CommitRow& row, Progress& next);
  void add(const InboxItem& item, CommitRow& row, Progress& next);
  void put_orders(Progress& next, WallMicros now);
  void put_urgent(Progress& next, std::size_t from);
  void commit_urgent();
  void await_checkpoint();
  Retention::Outcome retain(Progress& next, WallMicros now);
  bool sweep_trades(Progress& next, WallMicros now);
  void committed(const Progress& next, const Retention::Outcome& outcome, const CommitRow& row);
  void stored();
  void idle();
  void checkpoint_if_due(bool idle);
  void checkpoint_due(bool idle);
  void finish_checkpoint(bool must);
  void fail(const std::string& why, bool corrupt);
  void publish_stats(const std::string& trouble);
  RetentionLimits limits() const;
  WallMicros trades_through(WallMicros now) const;

  OpenedJournal journal_;
  Store& store_;
  Progress progress_;
  Retention retention_;
  Checkpointer checkpointer_;
  Inbox& inbox_;
  std::mutex& gate_;
  JournalMetrics metrics_;
  Signals signals_;

  std::vector<InboxItem> items_;
  Orders orders_;
  std::vector<UrgentItem> urgent_;  // taken, not durable yet
  std::size_t slice_events_;
  std::size_t unretained_rows_ = 0, unretained_bytes_ = 0;
  SteadyClock::time_point retained_at_{}, unfinished_until_{}, forced_again_at_{};
  std::int64_t frames_before_ = 0,
               copied_ = 0;  // of the log: its length at the last look, and how much of it is in the file
  bool blocked_ = false, failed_ = false, more_to_delete_ = false, closing_ = false;

  std::atomic<EventId> ceiling_, hold_;
  std::atomic<std::int64_t> age_micros_, trades_micros_;
  std::atomic<std::uint64_t> size_bytes_;
  mutable std::mutex stats_mutex_;
  JournalStats stats_;
  std::thread thread_;
};

}  // namespace bridge55::events
