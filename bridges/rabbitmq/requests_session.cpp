#include "bridges/rabbitmq/requests_session.hpp"

#include "bridges/rabbitmq/receive.hpp"
#include "daemon/base/crash_point.hpp"

#include <algorithm>
#include <array>
#include <poll.h>
#include <utility>

namespace bridge55::rabbitmq {
namespace {

using namespace std::chrono_literals;

constexpr auto kPoliteClose = 500ms;
constexpr auto kForever = 24h;
constexpr auto kRetryAfter = 1s;
constexpr auto kConsumeWithin = 10s;  // a quorum queue without a leader forgets who asked
// A reply queue that refuses so often is full or broken; its request must not hold a place for ever.
constexpr unsigned kAttempts = 5;

}  // namespace

RequestsSession::RequestsSession(const Setting& setting, std::unique_ptr<Connection> connection)
    : in_(setting),
      connection_(std::move(connection)),
      reader_(connection_->frame_max()),
      deliveries_(setting.max_message),
      heartbeats_(connection_->heartbeat(), SteadyClock::now()),
      progress_at_(SteadyClock::now()) {}

std::optional<Trouble> RequestsSession::run() {
  if (connection_->blocked_early()) block(true, "");
  append_qos(out_, kPrefetch);
  append_consume(out_, in_.sink.requests->queue);
  while (!may_end(SteadyClock::now())) {
    auto trouble = turn();
    if (!report_.empty()) in_.box.report(std::exchange(report_, {}));
    if (!trouble) continue;
    close();
    return trouble;
  }
  close();
  return std::nullopt;
}

std::optional<Trouble> RequestsSession::turn() {
  for (RequestAnswered& answer : in_.box.collect())
    answered(std::move(answer));
  if (in_.box.paused() && consuming_ && !std::exchange(cancelled_, true)) append_cancel(out_);
  retry_refused(SteadyClock::now());
  auto unwritten = flush();
  // Also where the broker hung up on a write: it may have said why before it did.
  bool more = false;
  if (auto trouble = receive(more)) return trouble;
  if (unwritten) return unwritten;
  const SteadyTime now = SteadyClock::now();
  if (auto trouble = check_time(now)) return trouble;
  if (!report_.empty()) in_.box.report(std::exchange(report_, {}));
  if (!more && (out_.empty() || want_write_) && !may_end(now)) wait(now);
  return std::nullopt;
}

std::optional<Trouble> RequestsSession::flush() {
  want_write_ = false;
  std::size_t written = 0;
  std::optional<Trouble> trouble;
  while (written < out_.size() && !want_write_ && !trouble) {
    std::size_t count = 0;
    const iovec piece{out_.data() + written, out_.size() - written};
    const Connection::Io result = connection_->write({&piece, 1}, count);
    want_write_ = result == Connection::Io::again;
    if (result == Connection::Io::closed) trouble = Trouble{connection_->why_closed()};
    if (result != Connection::Io::done) break;
    written += count;
    heartbeats_.sent(SteadyClock::now());
  }
  out_.erase(0, written);
  return trouble;
}

std::optional<Trouble> RequestsSession::receive(bool& more) {
  const auto take = [this](const BrokerSaid& said) -> std::optional<Trouble> {
    if (auto trouble = heard(said)) return trouble;
    return content(said);
  };
  return receive_frames(*connection_, reader_, heartbeats_, more, take);
}

std::optional<Trouble> RequestsSession::heard(const BrokerSaid& said) {
  switch (said.what) {
    case BrokerFrame::ack:
    case BrokerFrame::nack:
      return confirmed(said);
    case BrokerFrame::returned:  // it is confirmed all the same
      report_.unroutable.push_back(std::string(said.routing_key) + ": " + std::string(said.text));
      break;
    case BrokerFrame::blocked:
      block(true, said.text);
      break;
    case BrokerFrame::unblocked:
      block(false, {});
      break;
    case BrokerFrame::connection_close:
      broker_closed_ = true;
      return closed_by_broker(said.code, said.text);
    case BrokerFrame::channel_close:
      return closed_by_broker(said.code, said.text);
    case BrokerFrame::connection_closed:
      closed_ = true;
      break;
    case BrokerFrame::heartbeat:
    case BrokerFrame::other:
      break;
  }
  return std::nullopt;
}

std::optional<Trouble> RequestsSession::content(const BrokerSaid& said) {
  switch (deliveries_.take(said)) {
    case DeliveryReader::Took::delivery:
      arrived(std::exchange(deliveries_.delivered(), {}));
      break;
    case DeliveryReader::Took::consuming:
      consuming_ = true;
      if (!blocked_) say(ConsumerState::up, {});
      break;
    case DeliveryReader::Took::cancelled:
      return Trouble{"the broker took the queue " + in_.sink.requests->queue + " away"};
    case DeliveryReader::Took::malformed:
      return Trouble{"the broker sent a message that is not whole"};
    case DeliveryReader::Took::nothing:
      break;
  }
  return std::nullopt;
}

// What comes after a pause stays with the broker: unacknowledged, it is delivered again.
void RequestsSession::arrived(Delivered message) {
  if (in_.box.paused()) return;
  taken_[message.tag] = {message.reply_to,
                         message.correlation_id.empty() ? message.message_id : message.correlation_id};
  report_.arrived.push_back({in_.number, std::move(message)});
}

void RequestsSession::answered(RequestAnswered answer) {
  if (answer.connection != in_.number) return;  // its request is delivered again
  const auto sender = taken_.find(answer.tag);
  if (sender == taken_.end()) return;
  const Sender to = std::move(sender->second);
  taken_.erase(sender);
  if (to.reply_to.empty()) return append_ack(out_, answer.tag);
  publish({answer.tag, {to.reply_to, to.correlation_id, std::move(answer.reply.text)}});
}

void RequestsSession::publish(ReplyOnItsWay reply) {
  if (confirms_.waiting() == 0) progress_at_ = SteadyClock::now();
  crash_point("requests.reply.before");
  append_reply(out_, reply.reply, connection_->frame_max());
  confirms_.published(std::move(reply));
}

std::optional<Trouble> RequestsSession::confirmed(const BrokerSaid& said) {
  ReplyConfirms::Answered answer = confirms_.answered(said.tag, said.multiple);
  if (answer.unknown) return Trouble{"the broker confirmed a message that was never published"};
  progress_at_ = SteadyClock::now();
  for (ReplyOnItsWay& each : answer.replies) {
    const bool good = said.what == BrokerFrame::ack;
    if (good) crash_point("requests.reply.confirmed");
    if (!good && each.attempts < kAttempts) {
      if (refused_.empty()) retry_at_ = progress_at_ + kRetryAfter;
      refused_.push_back(std::move(each));
      continue;
    }
    if (!good) report_.unroutable.push_back(each.reply.reply_to + ": the broker refused it again and again");
    append_ack(out_, each.request);
  }
  return std::nullopt;
}

void RequestsSession::retry_refused(SteadyTime now) {
  if (refused_.empty() || now < retry_at_) return;
  for (ReplyOnItsWay& each : std::exchange(refused_, {}))
    publish(std::move(each));
}

void RequestsSession::block(bool blocked, std::string_view why) {
  if (blocked_ == blocked) return;
  blocked_ = blocked;
  connection_->patient(blocked);
  progress_at_ = SteadyClock::now();
  if (blocked) {
    say(ConsumerState::blocked, std::string(why));
  } else if (consuming_) {
    say(ConsumerState::up, {});
  }
}

void RequestsSession::say(ConsumerState state, std::string why) {
  report_.states.emplace_back(state, std::move(why));
}

std::optional<Trouble> RequestsSession::check_time(SteadyTime now) {
  if (heartbeats_.dead(now)) return Trouble{"no sign of life from the broker within two heartbeats"};
  if (!blocked_ && now >= answer_due(now)) return Trouble{"the broker does not answer"};
  if (!out_.empty() || !heartbeats_.due(now)) return std::nullopt;
  append_heartbeat(out_);
  return flush();
}

// Until when the broker must have answered what it owes an answer.
SteadyTime RequestsSession::answer_due(SteadyTime now) const {
  if (!consuming_) return progress_at_ + std::min<config::Duration>(in_.sink.confirm_timeout, kConsumeWithin);
  return confirms_.waiting() != 0 ? progress_at_ + in_.sink.confirm_timeout : now + kForever;
}

SteadyTime RequestsSession::next_deadline(SteadyTime now) const {
  SteadyTime next = std::min<SteadyTime>(now + kForever, heartbeats_.next(out_.empty(), now + kForever));
  if (!blocked_) next = std::min(next, answer_due(now));
  if (!refused_.empty()) next = std::min(next, retry_at_);
  if (in_.box.stop_asked()) next = std::min(next, in_.box.stop_deadline());
  return next;
}

void RequestsSession::wait(SteadyTime now) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(next_deadline(now) - now);
  short events = POLLIN;
  if (want_write_) events = static_cast<short>(events | connection_->write_wants());
  std::array<pollfd, 2> fds{{{connection_->fd(), events, 0}, {in_.box.wake_fd(), POLLIN, 0}}};
  ::poll(fds.data(), fds.size(), static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
  in_.box.awake();
}

// After a stop: once what was taken is answered and acknowledged, where waiting is pointless, or at the
// deadline.
bool RequestsSession::may_end(SteadyTime now) const {
  if (!in_.box.stop_asked()) return false;
  const bool done = taken_.empty() && confirms_.waiting() == 0 && refused_.empty() && out_.empty();
  return done || blocked_ || now >= in_.box.stop_deadline();
}

// Ends the connection as the protocol asks, if that takes no longer than a moment; the socket is closed after
// it in any case.
void RequestsSession::close() {
  if (blocked_ || want_write_) return;
  if (broker_closed_) {
    append_close_ok(out_);
  } else {
    append_close(out_);
  }
  const SteadyTime until = SteadyClock::now() + kPoliteClose;
  bool more = false;
  while (!flush() && !broker_closed_ && !receive(more) && !closed_ && SteadyClock::now() < until) {
    pollfd fd{connection_->fd(), POLLIN, 0};
    ::poll(&fd, 1, 50);
  }
}

}  // namespace bridge55::rabbitmq
