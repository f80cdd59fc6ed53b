#include "bridges/scraping/standing/script.hpp"

#include "bridges/scraping/connect_message.hpp"

#include <algorithm>

namespace bridge55::scraping::standing {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t kPolicy = 1008, kInternal = 1011, kNone = 1005;
// The vendor watches the target's silence, too: where it does, its words are the better ones.
constexpr auto kIdleSlack = 2s;
// Less than this without a whole message is a trickle, not a slow transfer.
constexpr std::size_t kRealProgress = 64u << 10;
constexpr std::size_t kLongestError = 4096;

std::string seconds_of(config::Duration duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(duration).count()) + " s";
}

}  // namespace

Script::Script(const Parts& parts)
    : relay_(parts.relay), keep_alive_(parts.keep_alive), actions_(parts.actions) {}

void Script::opened(SteadyTime now) {
  open_ = true;
  end_.reset();
  last_error_.clear();
  unfinished_bytes_ = 0;
  heard_at_ = message_at_ = pinged_at_ = now;
  for (const std::string& frame : relay_.on_connect)
    actions_.answer(ws::Kind::text, frame);
}

void Script::received(const ws::Message& message, SteadyTime now) {
  if (end_) return;
  heard_at_ = now;
  unfinished_bytes_ = 0;
  switch (message.kind) {
    case ws::Kind::ping:
      return actions_.answer(ws::Kind::pong, message.data);
    case ws::Kind::pong:
      return;
    case ws::Kind::close:
      return broke(end_of_close(message));
    case ws::Kind::text:
      message_at_ = now;
      return take_text(message);
    case ws::Kind::binary:
    case ws::Kind::too_large:
      message_at_ = now;
      last_error_.clear();
      return actions_.take(message);
  }
}

void Script::take_text(const ws::Message& message) {
  last_error_.clear();
  // The vendor says why in a message before it closes, in the place of the target's frames.
  if (message.data.size() <= kLongestError && message.data.find("\"error\"") != message.data.npos) {
    const auto answer = read_relay_answer(message.data);
    if (answer && std::holds_alternative<RelayError>(*answer))
      last_error_ = std::get<RelayError>(*answer).message;
  }
  actions_.take(message);
  for (const config::RelayReply& reply : relay_.reply) {
    if (reply.when == message.data) return actions_.answer(ws::Kind::text, reply.send);
  }
}

End Script::end_of_close(const ws::Message& message) const {
  End end;
  end.close_code = message.close_code;
  const bool vendors_code = message.close_code == kPolicy || message.close_code == kInternal;
  const std::string with =
      message.close_code == kNone ? " without a code" : " with " + std::to_string(message.close_code);
  const std::string words = message.data.empty() ? std::string{} : ": " + std::string(message.data);
  if (vendors_code && !last_error_.empty()) {
    end.cause = speaks_of_limit(last_error_) ? Cause::limited
                : speaks_of_key(last_error_) ? Cause::refused
                                             : Cause::agent;
    end.reason = "the scraping network ended the relay" + with + ": " + last_error_;
  } else if (message.close_code == kInternal) {
    end.cause = Cause::agent;
    end.reason = "the agent failed, or the target says so: closed" + with + words;
  } else {
    end.cause = Cause::target;
    end.reason = "the target closed" + with + words;
  }
  return end;
}

void Script::progress(std::size_t bytes, SteadyTime now) {
  unfinished_bytes_ += bytes;
  if (unfinished_bytes_ < kRealProgress) return;
  unfinished_bytes_ = 0;
  heard_at_ = message_at_ = now;
}

void Script::read_again(SteadyTime now) {
  heard_at_ = message_at_ = now;
}

SteadyTime Script::idle_until() const {
  return relay_.idle_timeout.count() > 0 ? message_at_ + relay_.idle_timeout + kIdleSlack : SteadyTime::max();
}

SteadyTime Script::next_tick() const {
  const SteadyTime ping = std::max(pinged_at_, heard_at_) + keep_alive_.interval;
  return std::min({heard_at_ + keep_alive_.dead_after, ping, idle_until()});
}

void Script::tick(SteadyTime now) {
  if (end_) return;
  if (now >= idle_until()) {
    return broke({Cause::idle, "no message of the target for " + seconds_of(relay_.idle_timeout), 0, {}});
  }
  if (now >= heard_at_ + keep_alive_.dead_after) {
    return broke({Cause::silent, "no traffic for " + seconds_of(keep_alive_.dead_after), 0, {}});
  }
  if (now < std::max(pinged_at_, heard_at_) + keep_alive_.interval) return;
  pinged_at_ = now;
  actions_.answer(ws::Kind::ping, "bridge55");
}

void Script::broke(End end) {
  if (end_) return;
  open_ = false;
  end_ = std::move(end);
}

}  // namespace bridge55::scraping::standing
