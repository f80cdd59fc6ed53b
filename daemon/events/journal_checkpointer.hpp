// The thread that copies the write-ahead log into the file while the writer goes on committing: a commit
// never waits for the bulk of a checkpoint (https://sqlite.org/wal.html#ckpt). The writer finishes the small
// rest itself, which lets the log start over.
#pragma once

#include "daemon/events/journal_sqlite.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace bridge55::events {

class Checkpointer {
 public:
  explicit Checkpointer(const std::string& path);
  ~Checkpointer();

  void start();
  void stop();
  // The rest is called by the writer, on its thread.
  void request();
  bool running() const { return running_.load(std::memory_order_acquire); }
  bool rested(std::chrono::milliseconds wait);  // waits for it; whether it does not run
  std::int64_t take_copied();                   // frames that the last round had copied; once
  void check();                                 // throws what went wrong: an I/O error is final

 private:
  void run();

  sqlite::Connection connection_;
  std::atomic<bool> running_{false};
  std::mutex mutex_;
  std::condition_variable wake_, rested_;
  bool stopping_ = false;
  std::int64_t copied_ = 0;
  std::optional<sqlite::Error> failure_;
  std::thread thread_;
};

}  // namespace bridge55::events
