#include "bridges/rabbitmq/confirms.hpp"

#include <cassert>

namespace bridge55::rabbitmq {

Confirms::Confirms(std::size_t window) : states_(window) {
  assert(window != 0 && (window & (window - 1)) == 0);
}

std::uint64_t Confirms::published() {
  assert(room());
  at(next_) = State::unanswered;
  ++unanswered_;
  return next_++;
}

Confirms::Answer Confirms::answer(std::uint64_t tag, bool multiple, State state) {
  // AMQP 0-9-1, basic.ack: tag zero with `multiple` means all outstanding messages.
  if (tag == 0 && multiple) tag = next_ - 1;
  if (tag == 0 || tag >= next_) return Answer::unknown;
  Answer result = Answer::nothing;
  for (std::uint64_t each = multiple ? first_ : tag; each <= tag; ++each) {
    if (each < first_ || at(each) != State::unanswered) continue;
    at(each) = state;
    --unanswered_;
    if (state == State::nacked) nacked_ = true;
    result = Answer::taken;
  }
  return result;
}

std::size_t Confirms::take_done() {
  const std::uint64_t from = first_;
  while (first_ != next_ && at(first_) == State::acked)
    ++first_;
  return static_cast<std::size_t>(first_ - from);
}

void Confirms::rewind() {
  first_ = next_;
  unanswered_ = 0;
  nacked_ = false;
}

}  // namespace bridge55::rabbitmq
