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

// Asks the record for orders that memory may have forgotten for want of room.
net::awaitable<std::optional<local::Refusal>> Desk::Impl::recall(Counter& counter, const DeskRequest& request,
                                                                 std::vector<std::string> uuids) {
  using Result = std::optional<local::Refusal>;
  const SteadyTime now = SteadyClock::now();
  counter.memory.expire(now);
  if (!counter.memory.has_forgotten(now)) co_return Result{};
  for (const std::string& uuid : uuids) {
    if (counter.memory.find(uuid, now) != nullptr) continue;
    const RecordRead read = co_await read_record(uuid, request.deadline);
    if (!read.done) {
      co_return Result(not_in_time(request.deadline,
                                   "the record could not say in time whether these orders were sent before; "
                                   "nothing was sent"));
    }
    const std::optional<TradeRecord>& record = read.record;
    if (!record || record->upstream != request.upstream) continue;
    if (counter.memory.find(uuid, now) != nullptr) continue;  // seen while the record was asked
    const auto age = std::chrono::microseconds(std::max<WallMicros>(0, wall_now() - record->at));
    if (age >= Memory::kKeep) continue;
    for (const events::TradeOrder& order : record->orders) {
      if (order.uuid != uuid || order.fate == Fate::unsent) continue;
      // As if seen now: the oldest are the first to be forgotten again.
      counter.memory.put(uuid, Memory::Known{record->app, record->id, order.fate, now});
    }
  }
  co_return Result{};
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
    out.followed = !trade->settlement.gave_up();
  } else {
    // Others of the batch may have been waited for until the deadline: what is on record is told all the
    // same.
    RecordRead read = co_await read_record(std::move(uuid), request.deadline + std::chrono::seconds(1));
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
      Outcome asked = co_await outcome(ids[i], uuid, request);
      trades.emplace(ids[i], std::move(asked));
    }
    const Outcome& outcome_now = trades[ids[i]];
    const std::optional<TradeRecord>& record = outcome_now.record;
    Settlement::OrderState state{uuid, Fate::open, {}};
    if (record) {
      known.settled = known.settled || record->settled;
      for (const events::TradeOrder& one : record->orders) {
        if (one.uuid == uuid) state = Settlement::OrderState{uuid, one.fate, one.entry};
      }
    }
    if (state.fate == Fate::open && !outcome_now.followed) (record ? known.given_up : known.unread) = true;
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

net::awaitable<Desk::Impl::RecordRead> Desk::Impl::read_record(std::string uuid, SteadyTime deadline) {
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
  const SteadyTime until = std::min(deadline, SteadyClock::now() + options.look_up_within);
  co_await reading->bell.wait(std::move(there), until);
  co_return std::move(reading->read);
}

// The latest trade under way with this order that the app may see.
TradePtr Desk::Impl::find_live(const std::string& uuid, const std::string& app, bool admin) const {
  TradePtr found;
  for (const auto& [id, trade] : live) {
    const auto& orders = trade->settlement.orders();
    const bool has_it =
        std::any_of(orders.begin(), orders.end(), [&](const auto& order) { return order.uuid == uuid; });
    if (has_it && (admin || trade->app == app) && (!found || found->id < id)) found = trade;
  }
  return found;
}

// While a trade is under way the desk knows more than what was stored, and needs no record to tell it.
net::awaitable<Story> Desk::Impl::story(std::string uuid, std::string app, bool admin) {
  Story story;
  if (const TradePtr trade = find_live(uuid, app, admin)) {
    story.json = story_of(trade->record(), uuid);
    co_return story;
  }
  const RecordRead read = co_await read_record(uuid);
  story.asked = read.done;
  if (read.record && (admin || read.record->app == app)) story.json = story_of(*read.record, uuid);
  co_return story;
}

}  // namespace bridge55::gateway
