// Following one trade to its end: what Settlement decides is done here.
#include "daemon/base/crash_point.hpp"
#include "daemon/events/json.hpp"
#include "daemon/gateway/desk_impl.hpp"
#include "daemon/local/answer.hpp"
#include "daemon/local/text.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace bridge55::gateway {

using events::Fate;
using Verdict = Settlement::Verdict;

// Begins after the caller has said that it waits.
void Desk::Impl::follow(const TradePtr& trade) {
  boost::asio::post(io, [self = shared_from_this(), trade] {
    boost::asio::co_spawn(
        self->io, [self, trade] { return self->run(trade); }, boost::asio::detached);
  });
}

net::awaitable<void> Desk::Impl::run(TradePtr trade) {
  while (!stopped) {
    if (!trade->somebody_waits()) trade->settlement.app_gone();
    Settlement::Step step = trade->settlement.next(SteadyClock::now());
    if (step.what == Settlement::Do::done) break;
    if (step.what == Settlement::Do::send) {
      co_await send(trade, std::move(step));
    } else if (step.what == Settlement::Do::look_up) {
      co_await look_up(trade, std::move(step.orders));
    } else if (step.what == Settlement::Do::answer) {
      answer(*trade);
    } else {
      std::function<bool()> there = [this] { return stopped; };
      co_await bell.wait(std::move(there), step.until);
    }
  }
  if (!stopped) finish(*trade);
  trade->ended = true;
  live.erase(trade->id);
  trade->bell.ring();
}

net::awaitable<void> Desk::Impl::send(TradePtr trade, Settlement::Step step) {
  const Counter& counter = counters.at(trade->upstream);
  const SteadyTime now = SteadyClock::now();
  std::vector<std::string> uuids;
  for (const std::size_t i : step.orders)
    uuids.push_back(trade->placement.orders[i].uuid);
  Placing placing;
  placing.app = trade->app;
  placing.request_id = trade->request_id;
  placing.body = counter.dialect->subset(trade->placement, step.orders);
  // An answer that is packed could not be read.
  std::erase_if(trade->headers, [](const auto& header) {
    return local::same_ignoring_case(header.first, "accept-encoding");
  });
  placing.headers = trade->headers;
  placing.headers.emplace_back("Accept-Encoding", "identity");
  placing.method = trade->method;
  placing.target = trade->target;
  placing.leave_until = step.until;
  placing.wait_until = std::min(now + trade->max_wait, step.until);
  // Some of the app's time is kept for a look-up, should the answer not come.
  const auto reserve =
      std::min<SteadyClock::duration>(std::chrono::seconds(2), (trade->deadline - trade->arrived) / 4);
  placing.deadline = std::max(trade->deadline - reserve, now + (trade->deadline - now) / 2);
  placing.gone = [trade] { return !trade->somebody_waits(); };
  const std::string body = placing.body;
  const auto said = std::make_shared<bool>(false);
  placing.leaving = [self = shared_from_this(), trade, uuids, body, said] {
    trade->settlement.leaving(SteadyClock::now());
    if (!std::exchange(*said, true)) self->sent(*trade, uuids, body);
  };
  placing.take_back = trade->take_back;
  Reply reply = co_await ask_line(trade, std::move(placing));
  if ((reply.sent || reply.answered()) && !std::exchange(*said, true)) {
    trade->settlement.leaving(SteadyClock::now());
    sent(*trade, uuids, body);
  }
  crash_point("desk.sent");
  take(*trade, std::move(reply));
}

// A reload may have put another account in the place of the one that was sent to.
bool Desk::Impl::same_account(const Trade& trade) const {
  const Line* const line = counters.at(trade.upstream).line;
  return line != nullptr && line->account() == trade.account;
}

net::awaitable<Reply> Desk::Impl::ask_line(TradePtr trade, Placing placing) {
  Line* const line = counters.at(trade->upstream).line;
  Reply failed;
  if (line == nullptr) {
    failed.code = "DRAINING";
    failed.message = "this upstream is not served at the moment; nothing was sent";
    co_return failed;
  }
  if (trade->settlement.sends() == 0) trade->account = line->account();
  if (!same_account(*trade)) {
    failed.code = "DRAINING";
    failed.message = "the upstream's settings were changed; it is not sent again";
    co_return failed;
  }
  try {
    Reply reply = co_await line->place(std::move(placing));
    co_return reply;
  } catch (const std::exception&) {
    failed.sent = true;  // nobody knows: it is looked up
  }
  co_return failed;
}

void Desk::Impl::sent(Trade& trade, const std::vector<std::string>& uuids, const std::string& body) {
  trade.step("SENT", R"(,"uuids":)" + quoted_list(uuids));
  say("SENT", event_payload(trade, uuids, body, {}));
}

void Desk::Impl::take(Trade& trade, Reply reply) {
  trade.queued += reply.queued;
  trade.upstream_time += reply.upstream;
  if (reply.answered()) {
    trade.step("ANSWERED", R"(,"status":)" + std::to_string(reply.status));
    tell(trade, "ANSWERED", answer_member(reply.status, reply.body));
    Settlement::Answered answered{reply.status, std::move(reply.headers), std::move(reply.body), {}};
    if (answered.status >= 200 && answered.status < 300) {
      answered.read = counters.at(trade.upstream).dialect->read_answer(answered.body);
    }
    trade.settlement.answered(std::move(answered));
    crash_point("desk.answered");
  } else if (reply.sent) {
    trade.step("LOST", R"(,"code":)" + json::quoted(reply.code));
    trade.settlement.lost();
  } else {
    trade.refused = std::move(reply);
    trade.settlement.unsent(SteadyClock::now());
  }
  trade.bell.ring();
}

net::awaitable<void> Desk::Impl::look_up(TradePtr trade, std::vector<std::size_t> which) {
  SteadyTime deadline = SteadyClock::now() + options.look_up_within;
  if (!trade->answer && !trade->resumed) deadline = std::min(deadline, trade->deadline);
  LookedUp found;
  const bool same_before = same_account(*trade);
  if (const auto look_ups = counters.at(trade->upstream).look_ups) {
    std::vector<std::string> uuids = trade->spelled(which);
    found = co_await look_ups->find(std::move(uuids), deadline);
  }
  if (stopped) co_return;
  found.whole = found.whole && same_before && same_account(*trade);
  trade->settlement.looked_up(found.rows, found.whole, SteadyClock::now());
  remember(*trade);
  trade->bell.ring();
}

void Desk::Impl::tell(Trade& trade, std::string_view event, const std::string& members) {
  std::string fates = R"(,"orders":[)";
  for (const auto& order : trade.settlement.orders()) {
    if (fates.back() == '}') fates += ',';
    fates +=
        R"({"requestUuid":")" + order.uuid + R"(","fate":")" + std::string(name_of(order.fate)) + R"("})";
  }
  const bool final_word = event != "ANSWERED";
  say(event, event_payload(trade, trade.uuids(), trade.placement.body,
                           final_word ? fates + ']' + members : members));
}

// The app is told now, whatever is known.
void Desk::Impl::answer(Trade& trade) {
  const Verdict verdict = trade.settlement.verdict();
  trade.answer = answer_of(trade, *counters.at(trade.upstream).dialect);
  const DeskAnswer& answer = *trade.answer;
  if (verdict == Verdict::unsent) {
    end_unsent(trade, *answer.refusal);
    return;
  }
  const local::Answer own = answer.refusal ? local::answer_of(*answer.refusal) : local::Answer{};
  trade.status = answer.refusal ? own.status : answer.status;
  trade.told = answer.refusal ? own.body : answer.body;
  trade.content_type = answer.refusal ? own.content_type : std::string();
  for (const auto& [name, value] : answer.headers) {
    if (local::same_ignoring_case(name, "content-type")) trade.content_type = value;
  }
  trade.open_end = verdict == Verdict::unknown;
  if (verdict != Verdict::undisturbed) {
    const std::string_view event = verdict == Verdict::unknown ? "UNKNOWN" : "SETTLED";
    trade.step(event, R"(,"status":)" + std::to_string(trade.status));
    tell(trade, event, answer_member(trade.status, trade.told));
    crash_point("desk.settled");
  }
  remember(trade);
  records.store(trade.record(), {});
  trade.bell.ring();
}

// Nobody needs to follow it any more. What the app was told in time is on record already.
void Desk::Impl::finish(Trade& trade) {
  const bool told = trade.answer && !trade.open_end;
  if (told || trade.settlement.verdict() == Verdict::unsent) return;
  const bool known = trade.settlement.all_known();
  const std::string_view event = known ? "SETTLED" : "UNKNOWN";
  std::string members = trade.resumed ? R"(,"resumed":true)" : "";
  if (!known) members += R"(,"gave_up":true)";
  trade.step(event, members);
  tell(trade, event, members + (trade.status == 0 ? "" : answer_member(trade.status, trade.told)));
  crash_point("desk.settled");
  remember(trade);
  records.store(trade.record(), {});
}

void Desk::Impl::end_unsent(Trade& trade, const local::Refusal& refusal) {
  trade.settlement.app_gone();
  trade.settlement.next(SteadyClock::now());  // nothing was sent: that ends it
  trade.not_sent = refusal;
  const local::Answer own = local::answer_of(refusal);
  trade.status = own.status;
  trade.content_type = own.content_type;
  trade.told = own.body;
  trade.step("REFUSED", R"(,"code":)" + json::quoted(refusal.code));
  tell(trade, "REFUSED",
       R"(,"code":)" + json::quoted(refusal.code) + answer_member(trade.status, trade.told));
  for (const std::string& uuid : trade.uuids())
    counters.at(trade.upstream).memory.erase(uuid, trade.id);
  // Behind the intent, should that become durable late.
  if (trade.on_record) records.store(trade.record(), {});
  trade.ended = true;
  live.erase(trade.id);
  trade.bell.ring();
}

void Desk::Impl::remember(const Trade& trade) {
  Memory& memory = counters.at(trade.upstream).memory;
  for (const auto& order : trade.settlement.orders())
    memory.set_fate(order.uuid, trade.id, order.fate);
}

// Looked up until it is known, never sent.
void Desk::Impl::resume(events::TradeRecord record) {
  if (live.contains(record.id)) return;
  const auto counter = counters.try_emplace(record.upstream, options.memory).first;
  if (counter->second.dialect == nullptr) {
    counter->second.dormant.push_back(std::move(record));
    return;
  }
  const SteadyTime now = SteadyClock::now();
  const WallMicros wall = wall_now();
  const SteadyTime arrived = now - std::chrono::microseconds(std::max<WallMicros>(0, wall - record.at));
  ReadPlacement read = counter->second.dialect->read(record.body, record.at);
  Settlement::Start start{arrived, now, {}, true};
  std::vector<Settlement::OrderState> orders;
  for (const events::TradeOrder& one : record.orders) {
    std::optional<SteadyTime> expires;
    for (const Order& order : read.placement ? read.placement->orders : std::vector<Order>()) {
      if (order.uuid == one.uuid && order.expires_at) {
        expires = arrived + std::chrono::microseconds(*order.expires_at - record.at);
      }
    }
    orders.push_back(Settlement::OrderState{one.uuid, one.fate, one.entry});
    start.expires.push_back(expires);
  }
  auto trade =
      std::make_shared<Trade>(io, Settlement(std::move(orders), std::move(start), options.settlement));
  trade->id = record.id;
  trade->upstream = record.upstream;
  trade->app = record.app;
  trade->request_id = record.request_id;
  trade->at = record.at;
  trade->arrived = trade->deadline = arrived;
  if (read.placement) trade->placement = std::move(*read.placement);
  trade->placement.body = std::move(record.body);
  trade->resumed = true;
  if (counter->second.line != nullptr) trade->account = counter->second.line->account();
  trade->status = record.status;
  trade->content_type = std::move(record.content_type);
  trade->told = std::move(record.answer);
  if (record.steps.size() > 2) trade->steps = record.steps.substr(1, record.steps.size() - 2);
  last_trade = std::max(last_trade, trade->id);
  for (const auto& order : trade->settlement.orders()) {
    if (counter->second.memory.find(order.uuid, now) == nullptr) {
      counter->second.memory.put(order.uuid, Memory::Known{trade->app, trade->id, order.fate, arrived});
    }
  }
  live.emplace(trade->id, trade);
  follow(trade);
}

}  // namespace bridge55::gateway
