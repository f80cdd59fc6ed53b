#include "daemon/gateway/vendor_line.hpp"

#include "daemon/gateway/flight.hpp"
#include "daemon/gateway/headers.hpp"

#include <algorithm>
#include <functional>
#include <utility>

namespace bridge55::gateway {
namespace {

using local::Refusal;

// A page of orders, or a placement's answer: what is larger is no answer of the vendor's.
constexpr std::size_t kLargestAnswer = 8u << 20;

Reply reply_of(const Refusal& refusal) {
  Reply reply;
  reply.code = refusal.status == 0 ? "DRAINING" : refusal.code;
  reply.message = refusal.status == 0 ? "the daemon is stopping" : refusal.message;
  for (const auto& [name, value] : refusal.headers) {
    if (name == "Retry-After") reply.retry_after = std::chrono::seconds(std::stoll(value));
    if (name.starts_with("X-RateLimit-")) reply.headers.emplace_back(name, value);
  }
  return reply;
}

// In reach of those who may end it.
struct Listed {
  Listed(std::shared_ptr<std::set<Errand*>> all, std::shared_ptr<TakeBack> back, Errand& errand)
      : calls(std::move(all)), take_back(std::move(back)), one(&errand) {
    calls->insert(one);
    if (take_back) take_back->now = [errand = one] { errand->cancel(); };
  }
  Listed(const Listed&) = delete;
  Listed& operator=(const Listed&) = delete;
  ~Listed() {
    calls->erase(one);
    if (take_back) take_back->now = nullptr;
  }
  std::shared_ptr<std::set<Errand*>> calls;
  std::shared_ptr<TakeBack> take_back;
  Errand* one;
};

Refusal late(std::string message) {
  return Refusal{503, "TIMEOUT", std::move(message), {}, {}};
}

// Why this placement may not leave now.
std::optional<Refusal> last_look(const Upstream& upstream, const Placing& placing) {
  if (std::optional<Refusal> stop = upstream.stopped(placing.app)) return stop;
  if (placing.gone && placing.gone()) return late("nobody waits any more");
  if (SteadyClock::now() >= placing.leave_until) return late("it could not leave in its time");
  return std::nullopt;
}

}  // namespace

net::awaitable<Reply> VendorLine::perform(Wish wish, std::shared_ptr<TakeBack> take_back) {
  Errand errand(upstream_, std::move(wish));
  const Listed listed(calls_, std::move(take_back), errand);
  const std::optional<Refusal> refusal = co_await errand.obtain();
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
      mask_key(reply.body, upstream_->settings.api_key.reveal());  // it goes on record
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
  wish.request_id = placing.request_id;
  wish.has_body = true;
  wish.body = std::move(placing.body);
  wish.started = SteadyClock::now();
  wish.deadline = placing.deadline;
  wish.max_wait =
      std::max(std::chrono::milliseconds(0),
               std::chrono::duration_cast<std::chrono::milliseconds>(placing.wait_until - wish.started));
  wish.beyond_cap = true;
  wish.last_look = [upstream = upstream_, &placing] {
    std::optional<Refusal> stop = last_look(*upstream, placing);
    if (stop) return stop;
    // What leaves is heard to its end, whoever waits.
    if (placing.take_back) placing.take_back->now = nullptr;
    if (placing.leaving) placing.leaving();
    return stop;
  };
  Reply reply = co_await perform(std::move(wish), placing.take_back);
  if (!reply.answered() && !reply.sent && placing.gone && placing.gone()) {
    reply.code = "TIMEOUT";
    reply.message = "nobody waits any more";
  }
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
  Reply reply = co_await perform(std::move(wish), nullptr);
  co_return reply;
}

std::string VendorLine::account() const {
  const config::Upstream& settings = upstream_->settings;
  return settings.url + ' ' + std::to_string(std::hash<std::string>()(settings.api_key.reveal()));
}

void VendorLine::close() {
  for (Errand* errand : *calls_)
    errand->cancel();
}

}  // namespace bridge55::gateway
