#include "daemon/gateway/errand.hpp"

#include "daemon/local/exchange.hpp"
#include "daemon/local/text.hpp"

#include <algorithm>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace bridge55::gateway {
namespace {

namespace asio = boost::asio;
using local::Refusal;
using net::error_code;
using What = Outcome::What;

std::chrono::microseconds since(SteadyTime from) {
  return std::chrono::duration_cast<std::chrono::microseconds>(SteadyClock::now() - from);
}

std::string whole_seconds(std::chrono::milliseconds duration) {
  return std::to_string(std::max<std::int64_t>(1, (duration.count() + 999) / 1000));
}

bool changes_something(Kind kind) {
  return kind != Kind::read;
}

}  // namespace

Errand::Errand(UpstreamPtr upstream, Wish wish)
    : upstream_(std::move(upstream)), wish_(std::move(wish)), generation_(upstream_->generation) {}

Errand::~Errand() {
  if (probing_)
    upstream_->breaker(wish_.kind).abandoned(SteadyClock::now());  // it let this one through as its probe
  if (writing_) upstream_->shared.write_ended();
}

std::string Errand::build() {
  std::vector<net::HttpField> fields = wish_.fields;
  fields.push_back({upstream_->settings.auth_header, upstream_->settings.api_key.reveal()});
  if (!wish_.request_id.empty()) fields.push_back({"X-Request-Id", wish_.request_id});
  const std::string target = upstream_->target(wish_.target);
  net::HttpRequest request;
  request.method = wish_.method;
  request.target = target;
  request.host = upstream_->host_header;
  request.fields = fields;
  if (wish_.streamed) {
    request.content_length = wish_.length;
    request.chunked = !wish_.length;
  } else if (wish_.has_body) {
    request.content_length = wish_.body.size();
  }
  return std::string(net::build_request(request, built_));
}

net::awaitable<std::optional<Refusal>> Errand::obtain() {
  using Result = std::optional<Refusal>;
  const bool cancels = wish_.kind == Kind::cancel || wish_.kind == Kind::cancel_all || wish_.past_breaker;
  Breaker& breaker = upstream_->breaker(wish_.kind);
  while (!cancelled_) {
    if (!cancels && !allowed_) {
      const bool closed = breaker.state(SteadyClock::now()) == Breaker::State::closed;
      if (!breaker.may(SteadyClock::now())) {
        const std::string wait = whole_seconds(breaker.retry_after(SteadyClock::now()));
        Refusal refusal{503,
                        "BREAKER_OPEN",
                        "upstream `" + upstream_->settings.name +
                            "` has failed repeatedly; it is tried again in " + wait + " s",
                        {{"Retry-After", wait}},
                        {}};
        refusal.sent = sent_;
        co_return Result(std::move(refusal));
      }
      allowed_ = true;
      probing_ = !closed;
    }
    Place place;
    Result refused = co_await enter(place);
    if (refused) co_return refused;
    ++attempts_;
    std::optional<Failure> failure = co_await attempt(std::move(place));
    if (!failure) co_return Result{};
    if (failure->refusal.status == 0) co_return Result(std::move(failure->refusal));
    if (failure->again) continue;
    const auto delay = next_delay(failure->outcome);
    if (!delay) {
      // An answer that came is passed as it is; the call still holds it.
      if (failure->outcome.what == What::status && failure->outcome.status != 0) co_return Result{};
      co_return Result(std::move(failure->refusal));
    }
    call_.reset();
    const bool waited = co_await pause(*delay);
    if (!waited) break;
  }
  co_return Result(gone());
}

net::awaitable<std::optional<Refusal>> Errand::enter(Place& place) {
  using Result = std::optional<Refusal>;
  const SteadyTime asked = SteadyClock::now();
  SteadyTime until = std::min<SteadyTime>(wish_.deadline, asked + wish_.max_wait);
  if (repeats_too_late(until)) until = wish_.started + kCancelAllRetry;
  const Gate::Ask ask{wish_.rank, wish_.app, until};
  if (!upstream_->gate.enter(ask, asked, turn_, place)) place = co_await upstream_->gate.wait(turn_);
  const auto waited = since(asked);
  queue_time_ += waited;
  upstream_->queued(waited);
  if (place) co_return Result{};
  if (cancelled_) co_return Result(gone());
  const Limiter::Figures figures = upstream_->gate.figures(wish_.rank);
  const bool own_limit = SteadyClock::now() >= wish_.deadline;
  Refusal refusal{429,
                  wish_.max_wait.count() == 0 ? "RATE_LIMITED" : "QUEUE_TIMEOUT",
                  "the limit of upstream `" + upstream_->settings.name + "` is used up (" +
                      std::to_string(figures.limit) + " a window, " + std::to_string(figures.waiting) +
                      " waiting); " +
                      (wish_.max_wait.count() == 0 ? "this request does not wait"
                       : own_limit                 ? "the request's own time limit passed"
                                                   : "it waited " + std::to_string(wish_.max_wait.count()) +
                                         " ms, by X-Bridge-Max-Wait or max_wait"),
                  {{"Retry-After", whole_seconds(figures.retry_after)},
                   {"X-RateLimit-Limit", std::to_string(figures.limit)},
                   {"X-RateLimit-Remaining", std::to_string(figures.remaining)},
                   {"X-RateLimit-Reset", whole_seconds(figures.retry_after)}},
                  {}};
  refusal.sent = sent_;
  co_return Result(std::move(refusal));
}

// Nothing: an answer that is final.
net::awaitable<std::optional<Errand::Failure>> Errand::attempt(Place place) {
  using Result = std::optional<Failure>;
  const SteadyTime began = attempt_began_ = SteadyClock::now();
  // Built beside choosing the pool: a reload may have changed address and key while this one waited.
  const std::string fault = build();
  if (!fault.empty()) {
    place.unsent();
    co_return Result(final_failure(local::bad_request("this request cannot be passed on: " + fault)));
  }
  call_.emplace(*upstream_->pool);
  const net::HttpCall::Lease lease{wish_.beyond_cap, std::exchange(fresh_, false)};
  error_code error = co_await call_->open(lease, wish_.deadline);
  if (error) {
    place.unsent();
    co_return Result(connect_failure(error));
  }
  if (std::optional<Refusal> stop = last_look()) {
    place.unsent();
    co_return Result(final_failure(std::move(*stop)));
  }
  if (changes_something(wish_.kind) && !std::exchange(writing_, true)) upstream_->shared.write_began();
  place.sent();
  error = co_await send();
  if (!error || error == net::HttpError::answered) {
    if (sent_ == "no") sent_ = "maybe";
    const SteadyTime until = first_byte_deadline();
    error = co_await call_->read_head(until);
  }
  upstream_time_ += since(began);
  if (error && !call_->touched()) {
    place.unsent();
    co_return Result(connect_failure(error));
  }
  place.answered();
  if (error) co_return Result(send_failure(error));
  sent_ = "yes";
  co_return judge_head();
}

// A cancel of everything that comes late takes what was placed meanwhile.
bool Errand::repeats_too_late(SteadyTime when) const {
  return wish_.kind == Kind::cancel_all && attempts_ > 0 && when > wish_.started + kCancelAllRetry;
}

// Why it must not leave, although it has a place and a connection.
std::optional<Refusal> Errand::last_look() {
  if (wish_.kind == Kind::placement && upstream_->generation != generation_) {
    return Refusal{503,
                   "DRAINING",
                   "the upstream's settings were changed while this placement waited; nothing was sent",
                   {},
                   {}};
  }
  if (attempts_ > 1 && repeats_too_late(SteadyClock::now()))
    return Refusal{
        504, "TIMEOUT", "cancel-all-orders is not sent again later than 5 s after it was asked for", {}, {}};
  return wish_.last_look ? wish_.last_look() : std::nullopt;
}

Errand::Failure Errand::final_failure(Refusal refusal) const {
  refusal.sent = sent_;
  return {{What::status, 0, {}}, std::move(refusal), false};
}

net::awaitable<error_code> Errand::send() {
  const error_code error = co_await call_->send(built_, wish_.body, wish_.deadline);
  if (error || !wish_.streamed) co_return error;
  const error_code streamed = co_await stream_body();
  co_return streamed;
}

net::awaitable<error_code> Errand::stream_body() {
  for (;;) {
    const auto piece = co_await wish_.streamed->read_some(wish_.deadline);
    if (const auto* refusal = std::get_if<Refusal>(&piece)) {
      body_refusal_ = *refusal;
      co_return asio::error::operation_aborted;
    }
    const std::string_view bytes = std::get<std::string_view>(piece);
    if (bytes.empty()) break;
    const error_code error = co_await call_->send_body(bytes, wish_.deadline);
    if (error) co_return error;
  }
  if (wish_.length) co_return error_code{};
  const error_code error = co_await call_->end_body(wish_.deadline);
  co_return error;
}

net::awaitable<bool> Errand::pause(std::chrono::milliseconds delay) {
  if (!pause_) pause_.emplace(upstream_->io);
  pause_->expires_after(delay);
  const auto [error] = co_await pause_->async_wait(asio::as_tuple(asio::use_awaitable));
  co_return !error && !cancelled_;
}

SteadyTime Errand::first_byte_deadline() const {
  // A page that is fetched for an app takes as long as the app allows.
  if (upstream_->api->fetches_for_apps() || wish_.kind == Kind::placement) return wish_.deadline;
  return std::min<SteadyTime>(wish_.deadline, SteadyClock::now() + upstream_->settings.timeouts.first_byte);
}

SteadyTime Errand::body_deadline() const {
  const net::ResponseHead& head = call_->head();
  if (head.get("content-type").starts_with("text/event-stream")) return SteadyTime::max();
  return std::min<SteadyTime>(wish_.deadline, SteadyClock::now() + upstream_->settings.timeouts.idle);
}

void Errand::cancel() {
  cancelled_ = true;
  turn_.leave();
  if (pause_) pause_->cancel();
  if (call_) call_->cancel();
}

void Errand::app_gone() {
  // What changes something is heard to its end once it has left: the daemon wants to know what became of it.
  if (wish_.kind == Kind::read || sent_ != "maybe") cancel();
}

Refusal Errand::gone() const {
  Refusal refusal{0, {}, {}, {}, {}};
  refusal.sent = sent_;
  return refusal;
}

}  // namespace bridge55::gateway
