#include "daemon/gateway/desk.hpp"

#include "daemon/base/crash_point.hpp"
#include "daemon/events/json.hpp"
#include "daemon/gateway/desk_impl.hpp"
#include "daemon/local/answer.hpp"
#include "daemon/local/text.hpp"

#include <algorithm>
#include <utility>

namespace bridge55::gateway {
namespace {

using events::Fate;
using events::TradeRecord;
using local::Refusal;

// Of a body that is no placement, in the event that says so.
constexpr std::size_t kTellableGarbage = 4096;
// Intents that wait for the disk: beyond them there is no journal to speak of.
constexpr std::size_t kMostUndurable = 1024;

Refusal bad_request(unsigned status, std::string message) {
  return Refusal{status, "BAD_REQUEST", std::move(message), {}, {}};
}

DeskAnswer own(Refusal refusal) {
  DeskAnswer answer;
  answer.refusal = std::move(refusal);
  return answer;
}

bool has_content_encoding(const DeskRequest& request) {
  return std::any_of(request.headers.begin(), request.headers.end(), [](const auto& header) {
    return local::same_ignoring_case(header.first, "content-encoding");
  });
}

Refusal draining(std::string message) {
  return Refusal{503, "DRAINING", std::move(message), {}, {}};
}

std::vector<std::string> uuids_of(const Placement& placement) {
  std::vector<std::string> out;
  for (const Order& order : placement.orders)
    out.push_back(order.uuid);
  return out;
}

}  // namespace

net::awaitable<DeskAnswer> Desk::Impl::place(DeskRequest request) {
  const auto counter = counters.find(request.upstream);
  std::optional<Refusal> refusal;
  ReadPlacement read;
  if (stopped || counter == counters.end() || counter->second.dialect == nullptr) {
    refusal = draining("placements are not taken at the moment; nothing was sent");
  } else if (has_content_encoding(request)) {
    refusal = bad_request(422, "a placement must come without Content-Encoding; nothing was sent");
  } else {
    read = counter->second.dialect->read(request.body, wall_now());
    if (!read.placement) refusal = bad_request(422, read.fault + "; nothing was sent");
  }
  if (refusal) {
    refuse(request, {}, request.body.substr(0, kTellableGarbage), *refusal);
    co_return own(std::move(*refusal));
  }
  const std::vector<std::string> uuids = uuids_of(*read.placement);
  refusal = co_await recall(counter->second, request, uuids);
  if (refusal) {
    refuse(request, uuids, request.body, *refusal);
    co_return own(std::move(*refusal));
  }
  DeskAnswer answer = co_await place_read(request, std::move(*read.placement));
  co_return answer;
}

// From here to `open_trade` nothing is awaited: between looking and claiming no other request gets in.
net::awaitable<DeskAnswer> Desk::Impl::place_read(DeskRequest& request, Placement placement) {
  Counter& counter = counters.at(request.upstream);
  Sorted sorted = sort(counter, request, placement);
  if (!sorted.refusal && !sorted.fresh.empty() && request.stopped) sorted.refusal = request.stopped();
  if (!sorted.refusal && !sorted.fresh.empty()) sorted.refusal = guard(request, placement, sorted.fresh);
  if (sorted.refusal) {
    refuse(request, uuids_of(placement), placement.body, *sorted.refusal);
    co_return own(std::move(*sorted.refusal));
  }
  TradePtr fresh;
  std::vector<std::uint64_t> trades;  // of each order
  const auto note_trades = [&] {
    for (const Order& order : placement.orders) {
      const Memory::Known* seen = counter.memory.find(order.uuid, SteadyClock::now());
      trades.push_back(seen == nullptr ? 0 : seen->trade);
    }
  };
  if (sorted.fresh.empty()) {
    note_trades();
  } else {
    ReadPlacement part = counter.dialect->read(counter.dialect->subset(placement, sorted.fresh), wall_now());
    fresh = open_trade(counter, request, std::move(*part.placement));
    note_trades();
    std::optional<Refusal> refusal = co_await record_intent(fresh);
    if (refusal) {
      end_unsent(*fresh, *refusal);
      co_return own(std::move(*refusal));
    }
    follow(fresh);
    co_await wait_for(fresh, request.deadline, request.gone, false);
    const bool unsent = fresh->settlement.verdict() == Settlement::Verdict::unsent;
    if (fresh->answer && (sorted.seen.empty() || unsent)) co_return *fresh->answer;
  }
  DeskAnswer answer = co_await repeat(request, placement, trades, fresh);
  co_return answer;
}

Desk::Impl::Sorted Desk::Impl::sort(const Counter& counter, const DeskRequest& request,
                                    const Placement& placement) {
  Sorted sorted;
  const SteadyTime now = SteadyClock::now();
  for (std::size_t i = 0; i < placement.orders.size(); ++i) {
    const Memory::Known* known = counter.memory.find(placement.orders[i].uuid, now);
    if (known == nullptr || known->fate == Fate::unsent) {
      sorted.fresh.push_back(i);
    } else if (known->app == request.app) {
      sorted.seen.push_back(i);
    } else {
      sorted.refusal =
          bad_request(409, "orders[" + std::to_string(i) + "].requestUuid: " + placement.orders[i].uuid +
                               " is another app's; nothing was sent, each order needs a UUID of its own");
      break;
    }
  }
  return sorted;
}

std::optional<Refusal> Desk::Impl::guard(const DeskRequest& request, const Placement& placement,
                                         const std::vector<std::size_t>& fresh) {
  std::vector<const Order*> orders;
  for (const std::size_t i : fresh)
    orders.push_back(&placement.orders[i]);
  const SteadyTime now = SteadyClock::now();
  for (const Guard& rail : request.guards) {
    if (auto refusal = check_orders(rail, orders)) return refusal;
    if (auto refusal = check_rate(rail, orders.size(), minutes[rail.owner], now)) return refusal;
  }
  for (const Guard& rail : request.guards) {
    if (rail.rules.max_orders_per_minute) minutes[rail.owner].add(orders.size(), now);
  }
  return std::nullopt;
}

TradePtr Desk::Impl::open_trade(Counter& counter, const DeskRequest& request, Placement placement) {
  const SteadyTime now = SteadyClock::now();
  const WallMicros wall = wall_now();
  Settlement::Start start{now, request.deadline, {}, false};
  std::vector<Settlement::OrderState> orders;
  for (const Order& order : placement.orders) {
    orders.push_back(Settlement::OrderState{order.uuid, Fate::open, {}});
    start.expires.push_back(order.expires_at
                                ? std::optional(now + std::chrono::microseconds(*order.expires_at - wall))
                                : std::nullopt);
  }
  auto trade =
      std::make_shared<Trade>(io, Settlement(std::move(orders), std::move(start), options.settlement));
  last_trade =
      std::max<std::uint64_t>(last_trade + 1, static_cast<std::uint64_t>(std::max<WallMicros>(wall, 0)));
  trade->id = last_trade;
  trade->upstream = request.upstream;
  trade->app = request.app;
  trade->request_id = request.request_id;
  trade->at = wall;
  trade->arrived = now;
  trade->deadline = request.deadline;
  trade->max_wait = request.max_wait;
  trade->placement = std::move(placement);
  trade->headers = request.headers;
  trade->method = request.method;
  trade->target = request.target;
  for (const Order& order : trade->placement.orders)
    counter.memory.put(order.uuid, Memory::Known{trade->app, trade->id, Fate::open, now});
  live.emplace(trade->id, trade);
  return trade;
}

Refusal Desk::Impl::not_in_time(SteadyTime deadline, std::string message) const {
  if (stopped) return draining("the daemon is stopping; nothing was sent");
  if (SteadyClock::now() >= deadline)
    return Refusal{504, "TIMEOUT", "the request's own time limit passed first: " + message, {}, {}};
  return Refusal{503, "JOURNAL_UNAVAILABLE", std::move(message), {}, {}};
}

// Nothing once it is durable, else why it must not be sent.
net::awaitable<std::optional<Refusal>> Desk::Impl::record_intent(TradePtr trade) {
  using Result = std::optional<Refusal>;
  const std::string late = "the placement could not be put on record in time; nothing was sent";
  if (*undurable >= kMostUndurable) co_return Result(not_in_time(SteadyTime::max(), late));
  crash_point("desk.intent.before");
  trade->step("INTENT");
  ++*undurable;
  records.store(trade->record(), [weak = std::weak_ptr<Trade>(trade), count = undurable] {
    --*count;
    const TradePtr still = weak.lock();
    if (!still) return;
    still->durable = true;
    still->bell.ring();
  });
  trade->on_record = true;
  const SteadyTime until = std::min(trade->deadline, SteadyClock::now() + options.intent_within);
  std::function<bool()> there = [this, trade] { return trade->durable || stopped; };
  co_await trade->bell.wait(std::move(there), until);
  if (!trade->durable || stopped) co_return Result(not_in_time(trade->deadline, late));
  say("INTENT", event_payload(*trade, trade->uuids(), trade->placement.body, {}));
  crash_point("desk.intent.after");
  co_return Result{};
}

// Until it is answered, or until nothing of it is unknown (`to_the_end`).
net::awaitable<void> Desk::Impl::wait_for(TradePtr trade, SteadyTime deadline, std::function<bool()> gone,
                                          bool to_the_end) {
  struct Listed {
    TradePtr trade;
    std::list<std::function<bool()>>::iterator at;
    ~Listed() { trade->waiting.erase(at); }
  };
  trade->waiting.push_back(std::move(gone));
  const Listed listed{trade, std::prev(trade->waiting.end())};
  // The one whose request it is gets the trade's own word at its deadline, which may come a moment late.
  const SteadyTime until = to_the_end ? deadline : deadline + std::chrono::seconds(1);
  std::function<bool()> there = [this, trade, to_the_end] {
    return stopped || trade->ended ||
           (to_the_end ? trade->settlement.all_known() : trade->answer.has_value());
  };
  co_await trade->bell.wait(std::move(there), until);
}

void Desk::Impl::refuse(const DeskRequest& request, const std::vector<std::string>& uuids,
                        const std::string& body, const Refusal& refusal) {
  Trade words(io, Settlement({}, {}));
  words.upstream = request.upstream;
  words.app = request.app;
  words.request_id = request.request_id;
  const std::string members = R"(,"code":)" + json::quoted(refusal.code) +
                              answer_member(refusal.status, local::answer_of(refusal).body);
  say("REFUSED", event_payload(words, uuids, body, members));
}

Desk::Desk(boost::asio::io_context& io, Records records, Say say, DeskOptions options)
    : impl_(std::make_shared<Impl>(io, std::move(records), std::move(say), options)) {}

Desk::~Desk() {
  stop();
}

void Desk::attach(const std::string& upstream, Line& line, const Dialect& dialect) {
  Counter& counter = impl_->counters.try_emplace(upstream, impl_->options.memory).first->second;
  counter.line = &line;
  counter.dialect = &dialect;
  if (!counter.look_ups) {
    counter.look_ups = std::make_shared<LookUps>(impl_->io, dialect, impl_->options.look_up_within);
  }
  counter.look_ups->set_line(&line);
  for (TradeRecord& record : std::exchange(counter.dormant, {}))
    impl_->resume(std::move(record));
}

void Desk::detach(const std::string& upstream) {
  const auto counter = impl_->counters.find(upstream);
  if (counter == impl_->counters.end()) return;
  counter->second.line = nullptr;
  counter->second.look_ups->set_line(nullptr);
}

void Desk::restore(const std::vector<events::TradeMemory>& memory, std::uint64_t last_trade) {
  const SteadyTime now = SteadyClock::now();
  const WallMicros wall = wall_now();
  impl_->last_trade = std::max(impl_->last_trade, last_trade);
  for (const events::TradeMemory& one : memory) {
    Counter& counter = impl_->counters.try_emplace(one.upstream, impl_->options.memory).first->second;
    const SteadyTime at = now - std::chrono::microseconds(std::max<WallMicros>(0, wall - one.at));
    impl_->last_trade = std::max(impl_->last_trade, one.trade);
    if (one.fate == Fate::unsent) continue;  // as if it had not been seen
    counter.memory.put(one.uuid, Memory::Known{one.app, one.trade, one.fate, at});
  }
}

void Desk::resume(std::vector<TradeRecord> open) {
  for (TradeRecord& record : open)
    impl_->resume(std::move(record));
}

net::awaitable<DeskAnswer> Desk::place(DeskRequest request) {
  const std::shared_ptr<Impl> impl = impl_;
  DeskAnswer answer = co_await impl->place(std::move(request));
  co_return answer;
}

net::awaitable<Story> Desk::story(std::string uuid, std::string app, bool admin) {
  const std::shared_ptr<Impl> impl = impl_;
  Story story = co_await impl->story(local::lower(uuid), std::move(app), admin);
  co_return story;
}

void Desk::someone_left() {
  std::vector<std::function<void()>> calls;
  for (const auto& [id, trade] : impl_->live) {
    if (trade->take_back->now && !trade->somebody_waits()) calls.push_back(trade->take_back->now);
  }
  for (const auto& call : calls)
    call();
}

std::size_t Desk::open() const {
  return impl_->live.size();
}

void Desk::stop() {
  impl_->stopped = true;
  impl_->bell.ring();
  for (auto& [name, counter] : impl_->counters) {
    if (counter.look_ups) counter.look_ups->stop();
  }
  const auto live = impl_->live;
  for (const auto& [id, trade] : live)
    trade->bell.ring();
}

}  // namespace bridge55::gateway
