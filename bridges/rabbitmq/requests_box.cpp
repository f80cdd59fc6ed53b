#include "bridges/rabbitmq/requests_box.hpp"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <poll.h>
#include <sys/eventfd.h>
#include <system_error>
#include <unistd.h>

namespace bridge55::rabbitmq {

RequestsBox::RequestsBox(std::function<void()> deliver)
    : wake_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), deliver_(std::move(deliver)) {
  if (wake_fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

RequestsBox::~RequestsBox() {
  ::close(wake_fd_);
}

void RequestsBox::wake() const {
  eventfd_write(wake_fd_, 1);
}

void RequestsBox::awake() {
  eventfd_t count = 0;
  eventfd_read(wake_fd_, &count);
}

void RequestsBox::answer(RequestAnswered answered) {
  const std::lock_guard lock(mutex_);
  answered_.push_back(std::move(answered));
  wake();
}

void RequestsBox::pause() {
  paused_.store(true, std::memory_order_release);
  wake();
}

void RequestsBox::ask_stop(SteadyTime deadline) {
  const std::lock_guard lock(mutex_);
  stop_deadline_ = std::min(stop_deadline_, deadline);
  paused_.store(true, std::memory_order_release);
  stop_asked_.store(true, std::memory_order_release);
  wake();
}

SteadyTime RequestsBox::stop_deadline() const {
  const std::lock_guard lock(mutex_);
  return stop_deadline_;
}

RequestsReport RequestsBox::take_report() {
  const std::lock_guard lock(mutex_);
  report_waits_ = false;
  return std::exchange(report_, {});
}

void RequestsBox::abandon() {
  const std::lock_guard lock(mutex_);
  deliver_ = nullptr;
}

std::vector<RequestAnswered> RequestsBox::collect() {
  const std::lock_guard lock(mutex_);
  return std::exchange(answered_, {});
}

void RequestsBox::report(RequestsReport&& report) {
  const std::lock_guard lock(mutex_);
  std::ranges::move(report.arrived, std::back_inserter(report_.arrived));
  std::ranges::move(report.states, std::back_inserter(report_.states));
  std::ranges::move(report.unroutable, std::back_inserter(report_.unroutable));
  report_.ended = report_.ended || report.ended;
  if (report_waits_) return;
  report_waits_ = true;
  // Under the lock, so that after `abandon` no post is under way.
  if (deliver_) deliver_();
}

void RequestsBox::sleep(SteadyTime until) {
  while (!stop_asked()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - SteadyClock::now());
    if (left.count() <= 0) return;
    pollfd fd{wake_fd_, POLLIN, 0};
    ::poll(&fd, 1, static_cast<int>(left.count()));
    awake();
  }
}

}  // namespace bridge55::rabbitmq
