#include "daemon/base/crash_point.hpp"
#include "daemon/base/metrics.hpp"
#include "daemon/events/journal_writer.hpp"

#include <algorithm>
#include <chrono>

namespace bridge55::events {
namespace {

using namespace std::chrono_literals;

constexpr WallMicros kCeilingAhead = 2'000'000;
// How much is appended before retention looks again: small steps, but not a page touched for each event.
constexpr std::size_t kRetainBytes = 256u << 10;
constexpr std::size_t kRetainRowsLeast = 256, kRetainRowsMost = 8192;
constexpr auto kForcedAgain = 10s;
constexpr std::size_t kLookAfter = 32;  // events, between two looks for what is urgent

}  // namespace

// How many events of the slice it took: fewer where something urgent came meanwhile.
std::size_t Writer::commit(Slice slice, bool with_orders) {
  const auto began = SteadyClock::now();
  const WallMicros now = wall_now();
  Progress next = progress_;
  store_.begin();
  put_urgent(next, 0);
  const Retention::Outcome outcome = retain(next, now);
  CommitRow row;
  row.at = now;
  row.received_from = INT64_MAX;
  const std::size_t taken = add_some(slice, row, next);
  crash_point("journal.append.after");
  if (row.count > 0) {
    row.appended = next.appended += row.count;
    if (next.oldest_id == 0) next.oldest_id = row.first_id;
    store_.insert_commit(row);
  }
  if (with_orders) put_orders(next, now);
  store_.put_progress(next, progress_);
  if (!journal_.noted) store_.put_note("clean", 0);
  crash_point("journal.commit.before");
  store_.commit();
  crash_point("journal.commit.after");
  committed(next, outcome, row);
  metrics_.commit_seconds->record_micros(
      std::chrono::duration_cast<std::chrono::microseconds>(SteadyClock::now() - began).count());
  return taken;
}

std::size_t Writer::add_some(Slice slice, CommitRow& row, Progress& next) {
  const std::size_t urgent = urgent_.size();
  std::size_t taken = 0;
  while (taken < slice.size() && (taken % kLookAfter != 0 || !inbox_.urgent()))
    add(slice[taken++], row, next);
  if (!inbox_.urgent()) return taken;
  inbox_.take_urgent(urgent_);
  put_urgent(next, urgent);
  return taken;
}

void Writer::put_urgent(Progress& next, std::size_t from) {
  for (; from < urgent_.size(); ++from) {
    const UrgentItem& item = urgent_[from];
    if (item.trade != nullptr) {
      next.trade_bytes += static_cast<std::uint64_t>(store_.trades().put(*item.trade));
      crash_point("journal.trade.stored");
    } else if (item.request != nullptr) {
      next.trade_bytes += static_cast<std::uint64_t>(store_.requests().put(*item.request));
      crash_point("journal.request.stored");
    } else {
      store_.put_switch(item.name, item.value);
      crash_point("journal.switch.stored");
    }
  }
}

void Writer::add(const InboxItem& item, CommitRow& row, Progress& next) {
  const Event& event = *item.event;
  store_.insert(event, next.last_id);
  retention_.appended(event);
  next.last_id = event.id();
  unretained_bytes_ += event.raw().size();
  ++unretained_rows_;
  if (row.count++ == 0) row.first_id = event.id();
  row.last_id = event.id();
  row.received_from = std::min(row.received_from, event.received_at());
  row.received_to = std::max(row.received_to, event.received_at());
  if (item.fingerprint != 0)
    row.fingerprints.append(reinterpret_cast<const char*>(&item.fingerprint), sizeof item.fingerprint);
}

void Writer::put_orders(Progress& next, WallMicros now) {
  for (const auto& [sink, id] : orders_.cursors) {
    if (id) {
      store_.put_cursor(sink, *id);
    } else {
      store_.drop_cursor(sink);
    }
    crash_point("journal.cursor.stored");
  }
  for (const auto& [name, record] : orders_.consumers) {
    if (record) {
      store_.put_consumer(*record);
    } else {
      store_.drop_consumer(name);
    }
    crash_point("journal.consumer.stored");
  }
  if (orders_.wanted_ceiling > next.ceiling) {
    next.ceiling = std::max(orders_.wanted_ceiling, static_cast<EventId>(now + kCeilingAhead));
    crash_point("journal.ceiling.raised");
  }
}

// Deletes about as much again as was appended since the last time, so that it keeps pace with any rate.
Retention::Outcome Writer::retain(Progress& next, WallMicros now) {
  const auto clock = SteadyClock::now();
  if (!more_to_delete_ && unretained_bytes_ < kRetainBytes && clock - retained_at_ < 1s) return {};
  const std::size_t rows = std::clamp(unretained_rows_ * 2, kRetainRowsLeast, kRetainRowsMost);
  unretained_rows_ = unretained_bytes_ = 0;
  retained_at_ = clock;
  Retention::Outcome outcome = retention_.step(next, limits(), now, rows);
  outcome.more |= sweep_trades(next, now);
  return outcome;
}

bool Writer::sweep_trades(Progress& next, WallMicros now) {
  const TradeWriter::Swept swept = store_.trades().sweep(trades_through(now), now);
  const RequestWriter::Swept requests = store_.requests().sweep(now);
  const auto bytes = static_cast<std::uint64_t>(swept.bytes + requests.bytes);
  next.trade_bytes -= std::min(next.trade_bytes, bytes);
  return swept.more || requests.more;
}

void Writer::committed(const Progress& next, const Retention::Outcome& outcome, const CommitRow& row) {
  if (next.ceiling != progress_.ceiling) journal_.lock->keep_ceiling(next.ceiling, false);
  progress_ = next;
  journal_.noted = true;
  more_to_delete_ = outcome.more;
  if (next.ceiling > ceiling()) ceiling_.store(next.ceiling, std::memory_order_release);
  metrics_.events->add(static_cast<std::int64_t>(row.count));
  publish_stats(stats_.trouble);
  stored();
  if (row.count > 0) signals_.durable(row.last_id);
  if (outcome.forced_through != 0 && SteadyClock::now() >= forced_again_at_) {
    forced_again_at_ = SteadyClock::now() + kForcedAgain;
    signals_.forced(outcome.forced_through, "the journal's size limit left no other way");
  }
}

void Writer::stored() {
  if (urgent_.empty()) return;
  std::size_t bytes = 0;
  for (const UrgentItem& item : urgent_)
    bytes += item.bytes();
  inbox_.release(bytes);
  signals_.stored(urgent_.size());
  urgent_.clear();
}

}  // namespace bridge55::events
