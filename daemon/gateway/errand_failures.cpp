// What an errand's answer or failure means: for limits, for breakers, and for another try.
#include "daemon/base/log.hpp"
#include "daemon/gateway/errand.hpp"
#include "daemon/gateway/limit_headers.hpp"

#include <algorithm>
#include <random>

#include <boost/asio/error.hpp>

namespace bridge55::gateway {
namespace {

namespace asio = boost::asio;
using local::Refusal;
using net::error_code;
using What = Outcome::What;

double random_unit() {
  static std::mt19937_64 engine{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(engine);
}

// A failure of upstream itself (contract, section 6, "Circuit breaker").
bool upstream_failed(const Upstream& upstream, unsigned status) {
  if (status == 501 || status < 500) return false;
  return !(upstream.api->fetches_for_apps() && (status == 502 || status == 504));
}

RetryKind retry_kind(const Upstream& upstream, Kind kind) {
  switch (kind) {
    case Kind::read:
      return upstream.api->fetches_for_apps() ? RetryKind::read_scraping : RetryKind::read_vendor;
    case Kind::cancel:
      return RetryKind::cancel;
    case Kind::cancel_all:
      return RetryKind::cancel_all;
    case Kind::placement:
      return RetryKind::placement;
    case Kind::start:
    case Kind::write:
      break;
  }
  return RetryKind::write;
}

}  // namespace

// What the head of an answer says about limits, health and another try.
std::optional<Errand::Failure> Errand::judge_head() {
  const net::ResponseHead& head = call_->head();
  LimitHeaders limits;
  bool told = false;
  for (const net::HttpField& field : head.fields) {
    const char first = field.name.empty() ? '\0' : field.name[0];
    if (first != 'x' && first != 'X' && first != 'r' && first != 'R') continue;
    limits.read(field.name, field.value, wall_now());
    told = true;
  }
  if (told && (limits.limit || limits.remaining)) upstream_->gate.observed(limits);
  if (head.status == 429) upstream_->gate.refused(limits.pause());
  tell_breaker(upstream_failed(*upstream_, head.status));
  if (head.status != 429 && head.status < 500) return {};
  return Failure{
      {What::status, head.status, limits.retry_after}, Refusal{head.status, {}, {}, {}, {}}, false};
}

void Errand::tell_breaker(bool failed) {
  Breaker& breaker = upstream_->breaker(wish_.kind);
  const SteadyTime now = SteadyClock::now();
  const auto before = breaker.state(now);
  allowed_ = probing_ = false;
  failed ? breaker.failure(now) : breaker.success(now);
  if (breaker.state(now) == before) return;
  const bool open = breaker.state(now) == Breaker::State::open;
  log::warning(
      open ? "upstream fails again and again; requests are refused for a while" : "upstream answers again",
      {{"upstream", upstream_->settings.name}, {"class", name_of(wish_.kind)}});
}

Errand::Failure Errand::connect_failure(error_code error) {
  if (cancelled_ || error == asio::error::operation_aborted) return {{}, gone(), false};
  if (error == net::HttpError::crowded) {
    return final_failure(
        {429,
         "QUEUE_TIMEOUT",
         "as many requests as may be are under way to upstream `" + upstream_->settings.name + "`",
         {{"Retry-After", "1"}},
         {}});
  }
  const bool late = error == asio::error::timed_out;
  if (!late || waited(upstream_->settings.timeouts.connect)) tell_breaker(true);
  Refusal refusal{late ? 504u : 502u,
                  late ? "TIMEOUT" : "UNREACHABLE",
                  "no connection to upstream `" + upstream_->settings.name + "`: " + call_->trouble(),
                  {},
                  {}};
  refusal.sent = sent_;
  return {{What::connect_failed, 0, {}}, std::move(refusal), false};
}

// The request, or some of it, may have reached upstream.
Errand::Failure Errand::send_failure(error_code error) {
  if (sent_ == "no") sent_ = "maybe";
  if (body_refusal_) {
    Refusal refusal = *body_refusal_;
    refusal.sent = sent_;
    return {{What::lost_after_send, 0, {}}, std::move(refusal), false};
  }
  if (cancelled_ || error == asio::error::operation_aborted) return {{}, gone(), false};
  const bool stale = error == net::HttpError::stale;
  const bool late = error == asio::error::timed_out;
  if (!stale && (!late || waited(usual_patience()))) tell_breaker(true);
  Refusal refusal{late ? 504u : 502u,
                  late ? "TIMEOUT" : "BAD_GATEWAY",
                  "no answer from upstream `" + upstream_->settings.name + "`: " + call_->trouble(),
                  {},
                  {}};
  refusal.sent = sent_;
  const bool repeatable = wish_.kind == Kind::read || wish_.kind == Kind::cancel;
  Failure failure{{What::lost_after_send, 0, {}}, std::move(refusal), false};
  // Upstream closed an idle connection in the very moment: an ordinary thing, and no sign of trouble.
  if (stale && repeatable && !wish_.once && !wish_.streamed) failure.again = fresh_ = true;
  if (late) failure.outcome = {What::status, 0, {}};  // waiting again would take as long again
  return failure;
}

// Whether upstream had its time: an app that gave it less says nothing about upstream.
bool Errand::waited(std::chrono::milliseconds patience) const {
  return SteadyClock::now() - attempt_began_ >= patience;
}

std::chrono::milliseconds Errand::usual_patience() const {
  const config::Timeouts& timeouts = upstream_->settings.timeouts;
  if (upstream_->api->fetches_for_apps()) return timeouts.total;
  return wish_.kind == Kind::placement
             ? std::min<std::chrono::milliseconds>(timeouts.first_byte, kPlacementTime)
             : timeouts.first_byte;
}

net::awaitable<std::optional<Refusal>> Errand::body_failed(error_code error) {
  using Result = std::optional<Refusal>;
  Failure failure = send_failure(error);
  if (failure.refusal.status == 0) co_return Result(std::move(failure.refusal));
  const auto delay = next_delay(failure.outcome);
  if (!delay) co_return Result(std::move(failure.refusal));
  call_.reset();
  const bool waited = co_await pause(*delay);
  if (!waited) co_return Result(gone());
  co_return Result{};
}

std::optional<std::chrono::milliseconds> Errand::next_delay(const Outcome& outcome) const {
  if (wish_.once || wish_.streamed) return {};
  if (outcome.what == What::status && outcome.status == 0) return {};
  const RetryState state{std::max(attempts_, 1u), wish_.started, wish_.deadline, SteadyClock::now(),
                         random_unit()};
  return retry(retry_kind(*upstream_, wish_.kind), outcome, state, upstream_->settings.retry);
}

}  // namespace bridge55::gateway
