#include "daemon/gateway/breaker.hpp"

#include <algorithm>

namespace bridge55::gateway {

bool Breaker::may(SteadyTime now) {
  if (state_ == State::closed) return true;
  if (now < probe_at_) return false;
  state_ = State::half_open;
  probe_at_ = now + settings_.open;  // heard of nothing until then, the probe is given up for another
  return true;
}

// What left before the breaker opened may still succeed: that ends the waiting, but a probe goes before all
// the others follow.
void Breaker::success(SteadyTime now) {
  failures_ = 0;
  if (state_ == State::open)
    probe_at_ = std::min(probe_at_, now);
  else
    state_ = State::closed;
}

// While it is open only what left before can fail: that does not make the waiting longer.
void Breaker::failure(SteadyTime now) {
  if (state_ == State::open) return;
  if (state_ == State::half_open || ++failures_ >= settings_.failures) {
    state_ = State::open;
    failures_ = 0;
    probe_at_ = now + settings_.open;
  }
}

void Breaker::abandoned(SteadyTime now) {
  if (state_ == State::half_open) probe_at_ = std::min(probe_at_, now);
}

Breaker::State Breaker::state(SteadyTime now) const {
  return state_ == State::open && now >= probe_at_ ? State::half_open : state_;
}

std::chrono::milliseconds Breaker::retry_after(SteadyTime now) const {
  if (state_ == State::closed || now >= probe_at_) return std::chrono::milliseconds(0);
  return std::chrono::ceil<std::chrono::milliseconds>(probe_at_ - now);
}

}  // namespace bridge55::gateway
