// What the I/O thread and a connection's thread tell each other: deliveries and a request to stop one way,
// reports the other. Bounded by what the sink offers; reports that have not been read yet are merged, so that
// many confirms are one post.
#pragma once

#include "bridges/sink.hpp"
#include "daemon/base/clock.hpp"

#include <atomic>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace bridge55::rabbitmq {

struct Unroutable {
  std::size_t route = 0;
  std::string routing_key, why;
};

struct Report {
  events::EventId confirmed = 0;  // 0: no further than before
  std::size_t done = 0;           // deliveries that are no longer held
  std::size_t done_bytes = 0;
  std::vector<Unroutable> unroutable;
  std::vector<std::pair<bridges::SinkState, std::string>> states;
  std::size_t nacked = 0;  // answers by which the broker refused messages
  bool ended = false;      // the thread is about to return

  bool empty() const { return done == 0 && unroutable.empty() && states.empty() && nacked == 0 && !ended; }
};

// Shared by the sink and its thread: where the far side hangs inside a library call past the deadline of a
// stop, the sink goes first.
class Mailbox {
 public:
  // `deliver` is called on the connection's thread, with the lock held, where a report waits and none waited
  // before; it posts.
  explicit Mailbox(std::function<void()> deliver);
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // On the I/O thread.
  void offer(std::vector<bridges::Delivery> deliveries);
  void ask_stop(SteadyTime deadline);
  Report take_report();
  void abandon();  // no post from now on

  // On the connection's thread.
  void collect(std::deque<bridges::Delivery>& into);
  void report(Report&& report);
  int wake_fd() const { return wake_fd_; }
  // Whether it may sleep on `wake_fd`: false where deliveries came, or a stop that it has not seen. `awake`
  // takes the wake-up back.
  bool may_sleep(bool stop_seen);
  void awake();
  void sleep(SteadyTime until);  // until then, or a request to stop
  bool stop_asked() const { return stop_asked_.load(std::memory_order_acquire); }
  SteadyTime stop_deadline() const;

 private:
  void wake();

  const int wake_fd_;
  mutable std::mutex mutex_;
  std::function<void()> deliver_;
  std::vector<bridges::Delivery> inbox_;
  Report report_;
  bool report_waits_ = false, asleep_ = false;
  SteadyTime stop_deadline_ = SteadyTime::max();
  std::atomic<bool> stop_asked_{false};
};

}  // namespace bridge55::rabbitmq
