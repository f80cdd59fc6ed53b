// What the I/O thread and the thread of a requests queue tell each other: answers and wishes one way,
// messages and reports the other. Bounded by the prefetch: the broker hands out no more than that
// unacknowledged.
#pragma once

#include "bridges/rabbitmq/requests_frames.hpp"
#include "daemon/base/clock.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace bridge55::rabbitmq {

// Delivery tags count for the connection that they came over alone.
struct RequestArrived {
  std::uint64_t connection = 0;
  Delivered message;
};

struct RequestAnswered {
  std::uint64_t connection = 0;
  std::uint64_t tag = 0;
  ReplyMessage reply;  // without `reply_to`: nobody waits for one
};

enum class ConsumerState { up, blocked, down };

struct RequestsReport {
  std::vector<RequestArrived> arrived;
  std::vector<std::pair<ConsumerState, std::string>> states;  // with the reason
  std::vector<std::string> unroutable;                        // replies: where to, and why not
  bool ended = false;                                         // the thread is about to return

  bool empty() const { return arrived.empty() && states.empty() && unroutable.empty() && !ended; }
};

class RequestsBox {
 public:
  // `deliver` is called on the connection's thread, with the lock held, where a report waits and none waited
  // before; it posts.
  explicit RequestsBox(std::function<void()> deliver);
  ~RequestsBox();
  RequestsBox(const RequestsBox&) = delete;
  RequestsBox& operator=(const RequestsBox&) = delete;

  // On the I/O thread.
  void answer(RequestAnswered answered);
  void pause();  // no more messages; what was taken is answered
  void ask_stop(SteadyTime deadline);
  RequestsReport take_report();
  void abandon();  // no post from now on

  // On the connection's thread.
  std::vector<RequestAnswered> collect();
  void report(RequestsReport&& report);
  int wake_fd() const { return wake_fd_; }
  void awake();                  // takes the wake-up back
  void sleep(SteadyTime until);  // until then, or a request to stop
  bool paused() const { return paused_.load(std::memory_order_acquire); }
  bool stop_asked() const { return stop_asked_.load(std::memory_order_acquire); }
  SteadyTime stop_deadline() const;

 private:
  void wake() const;

  const int wake_fd_;
  mutable std::mutex mutex_;
  std::function<void()> deliver_;
  std::vector<RequestAnswered> answered_;
  RequestsReport report_;
  bool report_waits_ = false;
  SteadyTime stop_deadline_ = SteadyTime::max();
  std::atomic<bool> paused_{false}, stop_asked_{false};
};

}  // namespace bridge55::rabbitmq
