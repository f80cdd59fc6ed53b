// Orders that were seen before: what memory forgot, what the record says, what is told again.
#include "daemon/gateway/desk_impl.hpp"

#include <algorithm>
#include <utility>

namespace bridge55::gateway {
namespace {

using events::Fate;
using events::TradeRecord;

// The stored answer as it was told.
DeskAnswer stored_answer(TradeRecord record) {
  DeskAnswer answer;
  answer.status = record.status;
  if (!record.content_type.empty())
    answer.headers.emplace_back("Content-Type", std::move(record.content_type));
  if (record.settled) answer.headers.emplace_back("X-Bridge-Settled", "true");
  answer.body = std::move(record.answer);
  return answer;
}

}  // namespace

// Asks the record for orders that memory may have forgotten for want of room. False: it did not answer.
net::awaitable<bool> Desk::Impl::recall(Counter& counter, const DeskRequest& request,
                                        std::vector<std::string> uuids) {
  const SteadyTime now = SteadyClock::now();
  counter.memory.expire(now);
  if (!counter.memory.has_forgotten(now)) co_return true;
  for (const std::string& uuid : uuids) {
    if (counter.memory.find(uuid, now) != nullptr) continue;
    const RecordRead read = co_await read_record(uuid);
    if (!read.done) co_return false;
    const std::optional<TradeRecord>& record = read.record;
    if (!record || record->upstream != request.upstream) continue;
    if (counter.memory.find(uuid, now) != nullptr) continue;  // seen while the record was asked
    const auto age = std::chrono::microseconds(std::max<WallMicros>(0, wall_now() - record->at));
    if (age >= Memory::kKeep) continue;
    for (const events::TradeOrder& order : record->orders) {
      if (order.uuid != uuid) continue;
      // As if seen now: the oldest are the first to be forgotten again.
      counter.memory.put(uuid, Memory::Known{record->app, record->id, order.fate, now});
    }
  }
  co_return true;
}

// The trade as it is known now; while it is under way, as it is known at the deadline.
net::awaitable<Desk::Impl::Outcome> Desk::Impl::outcome(std::uint64_t id, std::string uuid,
                                                        const DeskRequest& request) {
  Outcome out;
  if (const auto it = live.find(id); it != live.end()) {
    const TradePtr trade = it->second;
    co_await wait_for(trade, request.deadline, request.gone, true);
    out.record = trade->record();
    out.unsent = trade->not_sent;
  } else {
    RecordRead read = co_await read_record(std::move(uuid));
    if (read.record && (id == 0 || read.record->id == id)) out.record = std::move(read.record);
  }
  co_return out;
}

// The answer to a request of which some orders, or all, were seen before; `ids`: the trade of each.
net::awaitable<DeskAnswer> Desk::Impl::repeat(const DeskRequest& request, const Placement& placement,
                                              const std::vector<std::uint64_t>& ids, TradePtr fresh) {
  std::map<std::uint64_t, Outcome> trades;
  Known known;
  for (std::size_t i = 0; i < placement.orders.size(); ++i) {
    const std::string& uuid = placement.orders[i].uuid;
    if (!trades.contains(ids[i])) {
      Outcome outcome_now = co_await outcome(ids[i], uuid, request);
      trades.emplace(ids[i], std::move(outcome_now));
    }
    const std::optional<TradeRecord>& record = trades[ids[i]].record;
    Settlement::OrderState state{uuid, Fate::open, {}};
    if (record) {
      known.settled = known.settled || record->settled;
      for (const events::TradeOrder& one : record->orders) {
        if (one.uuid == uuid) state = Settlement::OrderState{uuid, one.fate, one.entry};
      }
    }
    known.orders.push_back(std::move(state));
  }
  Outcome& first = trades.begin()->second;
  if (trades.size() == 1 && first.unsent) {
    DeskAnswer refused;
    refused.refusal = std::move(first.unsent);
    co_return refused;
  }
  if (trades.size() == 1 && first.record) {
    const bool same_set = first.record->orders.size() == placement.orders.size();
    const bool told = first.record->status != 0 && !first.record->open && !is_own_answer(*first.record);
    if (told && (same_set || first.record->status >= 400)) co_return stored_answer(std::move(*first.record));
  }
  known.reached = fresh && fresh->settlement.reached();
  DeskAnswer answer = compose_answer(known, *counters.at(request.upstream).dialect);
  if (fresh) answer.attempts = fresh->settlement.sends();
  co_return answer;
}

net::awaitable<Desk::Impl::RecordRead> Desk::Impl::read_record(std::string uuid) {
  struct Reading {
    explicit Reading(boost::asio::io_context& io) : bell(io) {}
    Bell bell;
    RecordRead read;
  };
  const auto reading = std::make_shared<Reading>(io);
  records.read(std::move(uuid), [reading](std::optional<TradeRecord> record) {
    reading->read = RecordRead{true, std::move(record)};
    reading->bell.ring();
  });
  std::function<bool()> there = [this, reading] { return reading->read.done || stopped; };
  co_await reading->bell.wait(std::move(there), SteadyClock::now() + options.look_up_within);
  co_return std::move(reading->read);
}

}  // namespace bridge55::gateway
