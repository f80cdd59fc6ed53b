#include "daemon/gateway/retry.hpp"

#include <algorithm>
#include <cmath>

namespace bridge55::gateway {

namespace {

using What = Outcome::What;

// What may reach upstream a second time though it may have reached it before.
bool repeatable(RetryKind kind) {
  return kind != RetryKind::write && kind != RetryKind::placement;
}

bool worth_it(RetryKind kind, const Outcome& outcome) {
  if (outcome.what == What::connect_failed) return true;
  if (!repeatable(kind)) return false;
  if (outcome.what == What::lost_after_send) return true;
  switch (outcome.status) {
    case 429:
    case 502:
    case 503:
      return true;
    case 504:
      return kind == RetryKind::read_vendor;
    default:
      return false;
  }
}

}  // namespace

std::optional<std::chrono::milliseconds> retry(RetryKind kind, const Outcome& outcome,
                                               const RetryState& state, const config::Retry& settings) {
  if (state.attempt >= settings.attempts || !worth_it(kind, outcome)) return std::nullopt;
  const double doubled = static_cast<double>(settings.backoff.count()) *
                         std::exp2(std::min(state.attempt > 0 ? state.attempt - 1 : 0, 30u));
  const double ceiling = std::min(doubled, static_cast<double>(settings.max_backoff.count()));
  std::chrono::milliseconds delay(static_cast<std::int64_t>(ceiling * std::clamp(state.unit, 0.0, 1.0)));
  if (outcome.retry_after) delay = std::max(delay, *outcome.retry_after);
  SteadyTime last = state.deadline;
  if (kind == RetryKind::cancel_all) last = std::min(last, state.started + kCancelAllRetry);
  // At the deadline itself there is no time left for an answer.
  if (state.now + delay >= last) return std::nullopt;
  return delay;
}

}  // namespace bridge55::gateway
