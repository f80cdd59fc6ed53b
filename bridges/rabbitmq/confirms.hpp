// Which published messages the broker has answered: the arithmetic of publisher confirms, where answers come
// one by one, in bunches
// (`multiple`), out of order, twice or for tags that never were. Pure. See
// https://www.rabbitmq.com/confirms.html
//
// Delivery tags count from 1 on each new channel. A message is done once it and everything before it is
// acknowledged, so that the sink's cursor, which is one number, never passes a message that may be lost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bridge55::rabbitmq {

class Confirms {
 public:
  enum class Answer {
    taken,    // something new was answered
    nothing,  // a tag that was answered before
    unknown,  // a tag that was never published: the peer cannot be trusted
  };

  // `window`: how many messages may be published and not yet done; a power of two.
  explicit Confirms(std::size_t window);

  bool room() const { return next_ - first_ < states_.size(); }
  // Counts one more published message and returns its delivery tag. Precondition: room().
  std::uint64_t published();

  Answer ack(std::uint64_t tag, bool multiple) { return answer(tag, multiple, State::acked); }
  Answer nack(std::uint64_t tag, bool multiple) { return answer(tag, multiple, State::nacked); }

  // Forgets the leading messages that are acknowledged and says how many they were.
  std::size_t take_done();

  std::size_t in_flight() const {
    return static_cast<std::size_t>(next_ - first_);
  }  // published and not done
  std::size_t unanswered() const { return unanswered_; }
  bool nacked() const { return nacked_; }  // since the last rewind

  // Everything in flight will be published again on the same channel; late answers to it count for nothing.
  void rewind();

 private:
  enum class State : std::uint8_t { unanswered, acked, nacked };
  Answer answer(std::uint64_t tag, bool multiple, State state);
  State& at(std::uint64_t tag) { return states_[tag & (states_.size() - 1)]; }

  std::vector<State> states_;  // of the tags [first_, next_), at tag modulo size
  std::uint64_t first_ = 1, next_ = 1;
  std::size_t unanswered_ = 0;
  bool nacked_ = false;
};

}  // namespace bridge55::rabbitmq
