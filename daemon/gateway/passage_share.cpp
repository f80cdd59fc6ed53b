// Reads that are answered together.
#include "daemon/gateway/flight.hpp"
#include "daemon/gateway/headers.hpp"
#include "daemon/gateway/passage.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace bridge55::gateway {

namespace asio = boost::asio;
using local::Refusal;

// False: nothing is shared here, go alone.
net::awaitable<bool> Passage::share() {
  const config::Upstream& settings = upstream_->settings;
  if (settings.share.empty() && settings.cache.empty()) co_return false;
  std::vector<net::HttpField> fields;
  pass_up(exchange_.head, settings.auth_header, fields);
  std::vector<HeaderView> headers;
  for (const net::HttpField& field : fields)
    headers.emplace_back(field.name, field.value);
  Coalesce::Request request;
  request.method = exchange_.head.method;
  request.path = below_.classified;
  request.query = below_.raw;
  request.headers = headers;
  request.cache_control = exchange_.head.get("cache-control");
  const Coalesce::Asked asked = upstream_->shared.ask(request, started_);
  if (asked.way == Coalesce::Way::alone) {
    cache_status_ = asked.status;
    co_return false;
  }
  if (asked.way == Coalesce::Way::hit) {
    const Flight none;
    co_await respond(none, *asked.answer, asked.status);
    co_return true;
  }
  const std::shared_ptr<Flight> flight = co_await fly(asked);
  if (gone_) {
    exchange_.break_off();
    note(kAppGone);
    co_return true;
  }
  if (!flight->done) {
    Refusal late{504,
                 "TIMEOUT",
                 "the shared request to upstream `" + settings.name + "` took longer than this one may",
                 {},
                 {}};
    late.sent = "maybe";
    co_await refuse(std::move(late));
    co_return true;
  }
  const bool led = asked.way == Coalesce::Way::lead;
  if (!led && flight->outdated) co_return false;
  if (flight->answer) {
    const std::string status = asked.status + (led && flight->stored ? "; stored" : "");
    co_await respond(*flight, *flight->answer, status);
    co_return true;
  }
  if (!flight->refusal) co_return false;  // too large to be shared
  Refusal refusal = *flight->refusal;
  refusal.headers.emplace_back("X-Bridge-Attempts", std::to_string(flight->attempts));
  refusal.headers.emplace_back("Server-Timing", timing_value(flight->queued, flight->upstream));
  if (refusal.status == 0) refusal = stopping();
  co_await refuse(std::move(refusal));
  co_return true;
}

// Waits for a flight, its own or another's.
net::awaitable<std::shared_ptr<Flight>> Passage::fly(const Coalesce::Asked& asked) {
  std::shared_ptr<Flight> flight;
  if (asked.way == Coalesce::Way::lead) {
    flight = std::make_shared<Flight>();
    upstream_->flights.emplace(asked.flight, flight);
    FlightPlan plan;
    plan.wish = make_wish();
    plan.wish.deadline = started_ + upstream_->settings.timeouts.total;
    plan.wish.max_wait = upstream_->settings.max_wait;  // its leader's wishes are not the others'
    for (const net::HttpField& field : plan.wish.fields)
      plan.headers.emplace_back(field.name, field.value);
    plan.wish.fields.clear();
    asio::co_spawn(upstream_->io, gateway::fly(upstream_, std::move(plan), asked.flight, flight),
                   asio::detached);
  } else {
    const auto it = upstream_->flights.find(asked.flight);
    flight = it == upstream_->flights.end() ? std::make_shared<Flight>() : it->second;
  }
  asio::steady_timer timer(upstream_->io);
  timer.expires_at(deadline_);
  on_gone_ = [&timer] { timer.cancel(); };
  const auto place = flight->waiting.insert(flight->waiting.end(), &timer);
  while (!flight->done && !gone_ && SteadyClock::now() < deadline_) {
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  flight->waiting.erase(place);
  on_gone_ = nullptr;
  if (!flight->done && upstream_->shared.leave(asked.flight)) {
    upstream_->flights.erase(asked.flight);
    if (flight->errand) flight->errand->cancel();
  }
  co_return flight;
}

net::awaitable<void> Passage::respond(const Flight& flight, const SharedAnswer& answer,
                                      const std::string& cache_status) {
  std::string lines;
  for (const auto& [name, value] : answer.headers)
    append_line(lines, name, value);
  if (!cache_status.empty()) append_line(lines, "Cache-Status", cache_status);
  append_timing(lines, flight.attempts, flight.queued, flight.upstream);
  local::Exchange::Start start{answer.status, local::reason_of(answer.status), lines, answer.body.size(),
                               answer.status == 204 || answer.status == 304};
  if (start.bodiless) start.length.reset();
  exchange_.begin(start);
  exchange_.add(answer.body);
  note(answer.status);
  co_await exchange_.finish();
}

}  // namespace bridge55::gateway
