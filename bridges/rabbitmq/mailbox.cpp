#include "bridges/rabbitmq/mailbox.hpp"

#include <cerrno>
#include <iterator>
#include <poll.h>
#include <sys/eventfd.h>
#include <system_error>
#include <unistd.h>

namespace bridge55::rabbitmq {

Mailbox::Mailbox(std::function<void()> deliver)
    : wake_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), deliver_(std::move(deliver)) {
  if (wake_fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

Mailbox::~Mailbox() {
  ::close(wake_fd_);
}

void Mailbox::wake() {
  if (!asleep_) return;  // it looks before it sleeps
  asleep_ = false;
  eventfd_write(wake_fd_, 1);
}

void Mailbox::offer(std::vector<bridges::Delivery> deliveries) {
  const std::lock_guard lock(mutex_);
  if (inbox_.empty()) {
    inbox_ = std::move(deliveries);
  } else {
    inbox_.insert(inbox_.end(), std::make_move_iterator(deliveries.begin()),
                  std::make_move_iterator(deliveries.end()));
  }
  wake();
}

void Mailbox::ask_stop(SteadyTime deadline) {
  const std::lock_guard lock(mutex_);
  stop_deadline_ = std::min(stop_deadline_, deadline);
  stop_asked_.store(true, std::memory_order_release);
  wake();
}

SteadyTime Mailbox::stop_deadline() const {
  const std::lock_guard lock(mutex_);
  return stop_deadline_;
}

Report Mailbox::take_report() {
  const std::lock_guard lock(mutex_);
  report_waits_ = false;
  return std::exchange(report_, {});
}

void Mailbox::abandon() {
  const std::lock_guard lock(mutex_);
  deliver_ = nullptr;
}

void Mailbox::collect(std::deque<bridges::Delivery>& into) {
  std::vector<bridges::Delivery> came;
  {
    const std::lock_guard lock(mutex_);
    came.swap(inbox_);
  }
  std::move(came.begin(), came.end(), std::back_inserter(into));
}

void Mailbox::report(Report&& report) {
  const std::lock_guard lock(mutex_);
  if (report.confirmed != 0) report_.confirmed = report.confirmed;
  report_.done += report.done;
  report_.done_bytes += report.done_bytes;
  std::move(report.unroutable.begin(), report.unroutable.end(), std::back_inserter(report_.unroutable));
  std::move(report.states.begin(), report.states.end(), std::back_inserter(report_.states));
  report_.nacked += report.nacked;
  report_.ended = report_.ended || report.ended;
  if (report_waits_) return;
  report_waits_ = true;
  // Under the lock, so that after `abandon` no post is under way.
  if (deliver_) deliver_();
}

bool Mailbox::may_sleep(bool stop_seen) {
  const std::lock_guard lock(mutex_);
  asleep_ = inbox_.empty() && stop_asked() == stop_seen;
  return asleep_;
}

void Mailbox::awake() {
  const std::lock_guard lock(mutex_);
  if (asleep_) {
    asleep_ = false;
    return;
  }
  eventfd_t count = 0;
  eventfd_read(wake_fd_, &count);
}

void Mailbox::sleep(SteadyTime until) {
  while (!stop_asked()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - SteadyClock::now());
    if (left.count() <= 0) return;
    {
      const std::lock_guard lock(mutex_);
      asleep_ = !stop_asked();
    }
    pollfd fd{wake_fd_, POLLIN, 0};
    if (!stop_asked()) ::poll(&fd, 1, static_cast<int>(left.count()));
    awake();
  }
}

}  // namespace bridge55::rabbitmq
