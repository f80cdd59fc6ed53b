// Which request is acknowledged after which confirm: a reply is on its way until the broker has confirmed it,
// and only then its request is done. Pure. See https://www.rabbitmq.com/confirms.html
#pragma once

#include "bridges/rabbitmq/requests_frames.hpp"

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace bridge55::rabbitmq {

struct ReplyOnItsWay {
  std::uint64_t request = 0;  // the delivery tag of its request
  ReplyMessage reply;
  unsigned attempts = 0;
};

class ReplyConfirms {
 public:
  // To be called for each message published, in order: the broker counts them from 1 on each new channel.
  void published(ReplyOnItsWay reply) {
    ++reply.attempts;
    waiting_.emplace(next_++, std::move(reply));
  }

  struct Answered {
    std::vector<ReplyOnItsWay> replies;  // that this answer settles, in the order they were published
    bool unknown = false;                // a tag that was never published: the peer cannot be trusted
  };
  // Of an ack and of a nack alike. AMQP 0-9-1, basic.ack: tag zero with `multiple` means all outstanding.
  Answered answered(std::uint64_t tag, bool multiple) {
    Answered out;
    if (tag == 0 && multiple) tag = next_ - 1;
    out.unknown = tag >= next_ || (tag == 0 && !multiple);
    if (out.unknown) return out;
    const auto end = waiting_.upper_bound(tag);
    auto at = multiple ? waiting_.begin() : waiting_.find(tag);
    while (at != waiting_.end() && at != end) {
      out.replies.push_back(std::move(at->second));
      at = waiting_.erase(at);
    }
    return out;
  }

  std::size_t waiting() const { return waiting_.size(); }

 private:
  std::uint64_t next_ = 1;
  std::map<std::uint64_t, ReplyOnItsWay> waiting_;
};

}  // namespace bridge55::rabbitmq
