#include "daemon/events/journal_checkpointer.hpp"

#include "daemon/base/crash_point.hpp"

#include <pthread.h>
#include <utility>

namespace bridge55::events {

Checkpointer::Checkpointer(const std::string& path) : connection_(path, sqlite::Connection::Mode::write) {
  connection_.run(
      "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-1024; PRAGMA mmap_size=0");
  connection_.number("SELECT count(*) FROM notes");  // a connection learns that the file has a log by reading
}

Checkpointer::~Checkpointer() {
  stop();
}

void Checkpointer::start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "journal-copy");
    run();
  });
}

void Checkpointer::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Checkpointer::request() {
  {
    const std::lock_guard lock(mutex_);
    if (failure_ || stopping_) return;
    running_.store(true, std::memory_order_release);
  }
  wake_.notify_one();
}

bool Checkpointer::rested(std::chrono::milliseconds wait) {
  std::unique_lock lock(mutex_);
  return rested_.wait_for(lock, wait, [this] { return !running(); });
}

std::int64_t Checkpointer::take_copied() {
  const std::lock_guard lock(mutex_);
  return std::exchange(copied_, 0);
}

void Checkpointer::check() {
  const std::lock_guard lock(mutex_);
  if (failure_) throw *failure_;
}

void Checkpointer::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || running(); });
    if (stopping_) return;
    lock.unlock();
    std::int64_t copied = 0;
    std::optional<sqlite::Error> failed;
    try {
      crash_point("journal.checkpoint.before");
      copied = connection_.checkpoint().copied;
      crash_point("journal.checkpoint.after");
    } catch (const sqlite::Error& error) {
      // Without space the log keeps what it has: the writer says so when it cannot grow.
      if (error.trouble != sqlite::Trouble::full) failed = error;
    }
    lock.lock();
    copied_ = copied;
    failure_ = failed;
    running_.store(false, std::memory_order_release);
    rested_.notify_all();
  }
}

}  // namespace bridge55::events
