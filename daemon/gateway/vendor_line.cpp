#include "daemon/gateway/vendor_line.hpp"

#include "daemon/gateway/flight.hpp"

#include <utility>

namespace bridge55::gateway {
namespace {

// A page of orders, or a placement's answer: what is larger is no answer of the vendor's.
constexpr std::size_t kLargestAnswer = 32u << 20;

Reply reply_of(const local::Refusal& refusal) {
  Reply reply;
  reply.code = refusal.status == 0 ? "DRAINING" : refusal.code;
  reply.message = refusal.status == 0 ? "the daemon is stopping" : refusal.message;
  for (const auto& [name, value] : refusal.headers) {
    if (name == "Retry-After") reply.retry_after = std::chrono::seconds(std::stoll(value));
  }
  return reply;
}

struct Listed {
  Listed(std::set<Errand*>& all, Errand& errand) : calls(all), one(&errand) { calls.insert(one); }
  ~Listed() { calls.erase(one); }
  std::set<Errand*>& calls;
  Errand* one;
};

}  // namespace

net::awaitable<Reply> VendorLine::perform(Wish wish) {
  Errand errand(upstream_, std::move(wish));
  const Listed listed(calls_, errand);
  const std::optional<local::Refusal> refusal = co_await errand.obtain();
  Reply reply;
  if (refusal) {
    reply = reply_of(*refusal);
  } else {
    const net::ResponseHead& head = errand.call().head();
    const unsigned status = head.status;
    reply.headers = owned_headers(head);
    const net::error_code error = co_await collect(errand, kLargestAnswer, reply.body);
    if (error) {
      reply = Reply{};
      reply.code = "BAD_GATEWAY";
      reply.message = "the answer was cut: " + error.message();
    } else {
      reply.status = status;
    }
  }
  reply.sent = errand.sent() != "no";
  reply.queued = errand.queue_time();
  reply.upstream = errand.upstream_time();
  co_return reply;
}

net::awaitable<Reply> VendorLine::place(Placing placing) {
  Wish wish;
  wish.kind = Kind::placement;
  wish.rank = Rank::placement;
  wish.method = std::move(placing.method);
  wish.target = std::move(placing.target);
  for (const auto& [name, value] : placing.headers)
    wish.fields.push_back({name, value});
  wish.app = placing.app;  // `placing` stays in this frame
  wish.has_body = true;
  wish.body = std::move(placing.body);
  wish.started = SteadyClock::now();
  wish.deadline = placing.deadline;
  wish.max_wait =
      std::max(std::chrono::milliseconds(0),
               std::chrono::duration_cast<std::chrono::milliseconds>(placing.wait_until - wish.started));
  wish.beyond_cap = true;
  wish.last_look = [this, &placing, said = false]() mutable {
    std::optional<local::Refusal> stop = upstream_->stopped(placing.app);
    if (!stop && placing.gone && placing.gone())
      stop = local::Refusal{503, "TIMEOUT", "nobody waits any more", {}, {}};
    if (!stop && placing.leaving && !std::exchange(said, true)) placing.leaving();
    return stop;
  };
  Reply reply = co_await perform(std::move(wish));
  co_return reply;
}

net::awaitable<Reply> VendorLine::look_up(std::string target, SteadyTime deadline) {
  Wish wish;
  wish.rank = Rank::urgent;
  wish.target = std::move(target);
  wish.started = SteadyClock::now();
  wish.deadline = deadline;
  wish.max_wait = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - wish.started);
  wish.once = wish.beyond_cap = wish.past_breaker = true;
  Reply reply = co_await perform(std::move(wish));
  co_return reply;
}

void VendorLine::close() {
  for (Errand* errand : calls_)
    errand->cancel();
}

}  // namespace bridge55::gateway
