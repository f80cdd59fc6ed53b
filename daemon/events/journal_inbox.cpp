#include "daemon/events/journal_inbox.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace bridge55::events {

std::size_t UrgentItem::bytes() const {
  std::size_t bytes = sizeof *this + name.size() + value.size();
  if (request != nullptr)
    bytes += sizeof *request + request->sink.size() + request->name.size() + request->answer.size();
  if (trade == nullptr) return bytes;
  bytes += sizeof *trade + trade->body.size() + trade->answer.size() + trade->steps.size();
  for (const TradeOrder& order : trade->orders)
    bytes += sizeof order + order.uuid.size() + order.entry.size();
  return bytes;
}

void Inbox::append(EventPtr event, Fingerprint fingerprint) {
  const std::size_t size = event->memory_bytes();
  {
    const std::lock_guard lock(mutex_);
    if (refusing_) return;
    if (full_ && (skipped_.count > 0 || bytes() + size > limit_)) {
      if (skipped_.count++ == 0) skipped_.first = event->id();
      skipped_.last = event->id();
      return;
    }
    items_.push_back({std::move(event), fingerprint});
    bytes_.add(static_cast<std::int64_t>(size));
  }
  wake_.notify_one();
}

void Inbox::order(const std::function<void(Orders&)>& change) {
  {
    const std::lock_guard lock(mutex_);
    if (refusing_) return;
    change(orders_);
  }
  wake_.notify_one();
}

void Inbox::hurry(UrgentItem item) {
  const std::size_t size = item.bytes();
  {
    const std::lock_guard lock(mutex_);
    if (refusing_) return;
    urgent_.push_back(std::move(item));
    urgent_waits_.store(true, std::memory_order_release);
    bytes_.add(static_cast<std::int64_t>(size));
  }
  wake_.notify_one();
}

void Inbox::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
}

bool Inbox::take(std::vector<InboxItem>& items, Orders& orders, std::chrono::milliseconds wait) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, wait, [this] { return stopping_ || !items_.empty() || orders_.any() || urgent(); });
  items.swap(items_);
  orders = std::exchange(orders_, {});
  return stopping_;
}

void Inbox::take_urgent(std::vector<UrgentItem>& items) {
  const std::lock_guard lock(mutex_);
  std::ranges::move(urgent_, std::back_inserter(items));
  urgent_.clear();
  urgent_waits_.store(false, std::memory_order_release);
}

void Inbox::disk_full() {
  const std::lock_guard lock(mutex_);
  full_ = true;
}

Skipped Inbox::disk_usable() {
  const std::lock_guard lock(mutex_);
  full_ = false;
  return std::exchange(skipped_, {});
}

bool Inbox::wait_stopped(std::chrono::milliseconds wait) {
  std::unique_lock lock(mutex_);
  return wake_.wait_for(lock, wait, [this] { return stopping_; });
}

EventId Inbox::wanted_ceiling() {
  const std::lock_guard lock(mutex_);
  return orders_.wanted_ceiling;
}

void Inbox::refuse() {
  const std::lock_guard lock(mutex_);
  refusing_ = true;
  items_.clear();
  orders_ = {};
  urgent_.clear();
}

}  // namespace bridge55::events
