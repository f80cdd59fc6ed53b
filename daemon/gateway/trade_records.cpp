#include "daemon/gateway/trade_records.hpp"

#include <algorithm>

namespace bridge55::gateway {

Records TradeRecords::records() {
  const auto self = shared_from_this();
  return {[self](events::TradeRecord record, std::function<void()> durable) {
            self->store(std::move(record), std::move(durable));
          },
          [self](std::string uuid, std::function<void(std::optional<events::TradeRecord>)> then) {
            self->read(std::move(uuid), std::move(then));
          }};
}

void TradeRecords::store(events::TradeRecord record, std::function<void()> durable) {
  if (durable) {  // somebody waits for it: an intent
    journal_.store_trade(std::move(record), std::move(durable));
    return;
  }
  const std::uint64_t id = record.id;
  // What is known is stored at once, and that it is over behind the events.
  events::TradeRecord known = record;
  known.open = true;
  journal_.store_trade(std::move(known), {});
  if (record.open) return;
  Waiting& waiting = waiting_[id];
  waiting.record = std::move(record);
  const unsigned version = ++waiting.version;
  journal_.barrier([self = shared_from_this(), id, version] { self->store_now(id, version); });
}

void TradeRecords::store_now(std::uint64_t id, unsigned version) {
  const auto it = waiting_.find(id);
  if (it == waiting_.end() || it->second.version != version) return;  // a newer word is on its way
  journal_.store_trade(std::move(it->second.record), {});
  waiting_.erase(it);
}

void TradeRecords::read(std::string uuid, std::function<void(std::optional<events::TradeRecord>)> then) {
  for (auto it = waiting_.rbegin(); it != waiting_.rend(); ++it) {
    const auto& orders = it->second.record.orders;
    const bool holds =
        std::any_of(orders.begin(), orders.end(), [&](const auto& order) { return order.uuid == uuid; });
    if (holds) return then(it->second.record);
  }
  journal_.read_trade(std::move(uuid), std::move(then));
}

}  // namespace bridge55::gateway
