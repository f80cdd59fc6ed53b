// What waits for the journal's next commit: the one place where the I/O thread and the writer meet, under one
// short lock.
#pragma once

#include "daemon/base/metrics.hpp"
#include "daemon/events/journal.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace bridge55::events {

struct InboxItem {
  EventPtr event;
  Fingerprint fingerprint = 0;
};

// What goes ahead of every event that waits: a trade, a request, else a switch.
struct UrgentItem {
  std::shared_ptr<const TradeRecord> trade;
  std::string name, value;  // of the switch
  std::shared_ptr<const RequestRecord> request = nullptr;

  std::size_t bytes() const;
};

// What a commit carries besides events; of equal names the latest wins, nothing stands for "dropped".
struct Orders {
  std::map<std::string, std::optional<EventId>> cursors;
  std::map<std::string, std::optional<ConsumerRecord>> consumers;
  std::vector<std::function<void()>> barriers;
  EventId wanted_ceiling = 0;

  bool any() const {
    return !cursors.empty() || !consumers.empty() || !barriers.empty() || wanted_ceiling != 0;
  }
};

// Events that were not taken while the disk was full.
struct Skipped {
  EventId first = 0, last = 0;
  std::uint64_t count = 0;
};

class Inbox {
 public:
  // `bytes` is where the sum is kept: the gauge bridge55_journal_inbox_bytes.
  Inbox(std::size_t limit, metrics::Value& bytes) : limit_(limit), bytes_(bytes) { bytes_.set(0); }

  // I/O thread.
  void append(EventPtr event, Fingerprint fingerprint);
  void order(const std::function<void(Orders&)>& change);
  void hurry(UrgentItem item);
  std::size_t bytes() const { return static_cast<std::size_t>(bytes_.get()); }
  void stop();

  // Writer. Swaps what is there into the (empty) arguments; waits for it up to `wait`. True once the journal
  // is closing.
  bool take(std::vector<InboxItem>& items, Orders& orders, std::chrono::milliseconds wait);
  bool urgent() const { return urgent_waits_.load(std::memory_order_acquire); }
  void take_urgent(std::vector<UrgentItem>& items);  // adds what came, in order
  void release(std::size_t bytes) { bytes_.add(-static_cast<std::int64_t>(bytes)); }
  // While the disk is full, what exceeds the limit is skipped: from the first that did not fit, so that the
  // hole is one range.
  void disk_full();
  Skipped disk_usable();
  bool wait_stopped(std::chrono::milliseconds wait);  // true: the journal is closing
  EventId wanted_ceiling();                           // 0: none; stays wanted
  void refuse();                                      // the journal has failed: what comes is not kept

 private:
  const std::size_t limit_;
  metrics::Value& bytes_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<InboxItem> items_;
  Orders orders_;
  std::vector<UrgentItem> urgent_;
  std::atomic<bool> urgent_waits_{false};
  Skipped skipped_;
  bool full_ = false, stopping_ = false, refusing_ = false;
};

}  // namespace bridge55::events
