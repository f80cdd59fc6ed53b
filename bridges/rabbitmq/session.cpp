#include "bridges/rabbitmq/session.hpp"

#include "bridges/rabbitmq/receive.hpp"
#include "daemon/base/crash_point.hpp"

#include <algorithm>
#include <array>
#include <poll.h>
#include <utility>

namespace bridge55::rabbitmq {
namespace {

using namespace std::chrono_literals;

// One write: large enough that its system call costs nothing a message, small enough that confirms are never
// long in waiting.
constexpr std::size_t kBatchBytes = 128 << 10;
constexpr std::size_t kPieces = 512;
constexpr auto kPoliteClose = 500ms;
constexpr auto kForever = 24h;

}  // namespace

Session::Session(const Setting& setting, std::unique_ptr<Connection> connection)
    : in_(setting),
      connection_(std::move(connection)),
      reader_(connection_->frame_max()),
      batch_(connection_->frame_max()),
      heartbeats_(connection_->heartbeat(), SteadyClock::now()),
      progress_at_(SteadyClock::now()),
      nack_backoff_(50ms, 4s) {}

Session::~Session() = default;

std::optional<Trouble> Session::run() {
  if (!in_.prove_first || in_.backlog.empty()) say_up();
  if (connection_->blocked_early()) block(true, "");
  while (!may_end(SteadyClock::now())) {
    auto trouble = turn();
    if (!trouble) continue;
    // What was confirmed before the end is not published again.
    batch_.clear();
    settle();
    close();
    return trouble;
  }
  close();
  return std::nullopt;
}

std::optional<Trouble> Session::turn() {
  stop_seen_ = in_.mailbox.stop_asked();
  in_.mailbox.collect(in_.backlog);
  fill();
  auto unwritten = flush();
  // Also where the broker hung up on a write: it may have said why, and confirmed much, before it did.
  bool more = false;
  if (auto trouble = receive(more)) return trouble;
  if (unwritten) return unwritten;
  settle();
  const SteadyTime now = SteadyClock::now();
  if (auto trouble = check_time(now)) return trouble;
  retry_nacked(now);
  if (!more && !can_fill() && !may_end(now)) wait(now);
  return std::nullopt;
}

bool Session::can_fill() const {
  return batch_.empty() && !blocked_ && !confirms_.nacked() && confirms_.in_flight() < allowed_ &&
         confirms_.in_flight() < in_.backlog.size();
}

void Session::fill() {
  if (!can_fill()) return;
  if (confirms_.in_flight() == 0) progress_at_ = SteadyClock::now();
  const std::size_t unsent = std::min(in_.backlog.size(), allowed_);
  while (confirms_.in_flight() < unsent && batch_.pending_bytes() < kBatchBytes) {
    crash_point("rabbit.publish.before");
    batch_.add(in_.backlog[confirms_.in_flight()], in_.sink.exchange.name);
    confirms_.published();
  }
}

std::optional<Trouble> Session::flush() {
  want_write_ = false;
  while (!batch_.empty()) {
    std::size_t count = 0;
    const Connection::Io result = connection_->write(batch_.pieces(kPieces), count);
    if (result == Connection::Io::closed) return Trouble{connection_->why_closed()};
    if (result == Connection::Io::again) {
      want_write_ = true;
      return std::nullopt;
    }
    crash_point("rabbit.publish.after");
    batch_.written(count);
    heartbeats_.sent(SteadyClock::now());
  }
  return std::nullopt;
}

std::optional<Trouble> Session::receive(bool& more) {
  const auto take = [this](const BrokerSaid& said) -> std::optional<Trouble> { return heard(said); };
  return receive_frames(*connection_, reader_, heartbeats_, more, take);
}

std::optional<Trouble> Session::heard(const BrokerSaid& said) {
  switch (said.what) {
    case BrokerFrame::ack:
      return answered(confirms_.ack(said.tag, said.multiple));
    case BrokerFrame::nack:
      ++report_.nacked;
      return answered(confirms_.nack(said.tag, said.multiple));
    case BrokerFrame::returned:
      returned(said);
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

std::optional<Trouble> Session::answered(Confirms::Answer answer) {
  if (answer == Confirms::Answer::unknown)
    return Trouble{"the broker confirmed a message that was never published"};
  progress_at_ = SteadyClock::now();
  return std::nullopt;
}

// basic.return names no delivery tag, but returns come in the order of publishing.
void Session::returned(const BrokerSaid& said) {
  const auto& deliveries = in_.backlog;
  const std::size_t in_flight = confirms_.in_flight();
  std::size_t at = std::min(search_from_, in_flight);
  const auto is_it = [&](const bridges::Delivery& each) {
    const std::string& exchange = each.exchange.empty() ? in_.sink.exchange.name : each.exchange;
    return each.routing_key == said.routing_key && exchange == said.exchange;
  };
  while (at < in_flight && !is_it(deliveries[at]))
    ++at;
  if (at == in_flight) return;  // none of ours
  search_from_ = at + 1;
  report_.unroutable.push_back({deliveries[at].route, deliveries[at].routing_key, std::string(said.text)});
}

void Session::block(bool blocked, std::string_view why) {
  if (blocked_ == blocked) return;
  blocked_ = blocked;
  connection_->patient(blocked);
  progress_at_ = SteadyClock::now();
  if (blocked) {
    report_.states.emplace_back(bridges::SinkState::blocked, std::string(why));
    up_said_ = false;
  } else {
    say_up();
  }
}

void Session::say_up() {
  if (up_said_ || blocked_) return;
  up_said_ = true;
  report_.states.emplace_back(bridges::SinkState::up, "");
}

// Moves what is confirmed out of the backlog and tells the I/O thread.
void Session::settle() {
  // While a batch is on its way it still looks at its events; a broker's early confirm must not free them.
  const std::size_t done = batch_.empty() ? confirms_.take_done() : 0;
  for (std::size_t i = 0; i < done; ++i) {
    const bridges::Delivery& first = in_.backlog.front();
    report_.done_bytes += first.event->memory_bytes();
    if (first.last_of_event) report_.confirmed = first.event->id();
    in_.backlog.pop_front();
  }
  if (done != 0) {
    report_.done += done;
    search_from_ -= std::min(search_from_, done);
    allowed_ = kWindow;
    confirmed_any_ = true;
    nack_backoff_.reset();
    say_up();
    crash_point("rabbit.confirm.after");
  }
  if (!report_.empty()) in_.mailbox.report(std::exchange(report_, {}));
}

// A refused message and all after it are published again, so that order holds but for repetitions. One alone
// goes first: while the queue stays full, the others would only be refused, or overtake it, again.
void Session::retry_nacked(SteadyTime now) {
  if (!confirms_.nacked() || confirms_.unanswered() != 0 || !batch_.empty()) return;
  if (retry_at_ == SteadyTime{}) {
    retry_at_ = now + nack_backoff_.next(std::uniform_real_distribution<double>()(in_.random));
  }
  if (now < retry_at_) return;
  retry_at_ = {};
  settle();
  confirms_.rewind();
  search_from_ = 0;
  allowed_ = 1;
}

std::optional<Trouble> Session::check_time(SteadyTime now) {
  if (heartbeats_.dead(now)) return Trouble{"no sign of life from the broker within two heartbeats"};
  if (!blocked_ && confirms_.unanswered() != 0 && now - progress_at_ >= in_.sink.confirm_timeout) {
    return Trouble{"no confirm from the broker within confirm_timeout"};
  }
  if (!batch_.empty() || !heartbeats_.due(now)) return std::nullopt;
  batch_.add_heartbeat();
  return flush();
}

SteadyTime Session::next_deadline(SteadyTime now) const {
  SteadyTime next = std::min<SteadyTime>(now + kForever, heartbeats_.next(batch_.empty(), now + kForever));
  if (!blocked_ && confirms_.unanswered() != 0)
    next = std::min(next, progress_at_ + in_.sink.confirm_timeout);
  if (retry_at_ != SteadyTime{}) next = std::min(next, retry_at_);
  if (stop_seen_) next = std::min(next, in_.mailbox.stop_deadline());
  return next;
}

void Session::wait(SteadyTime now) {
  if (!in_.mailbox.may_sleep(stop_seen_)) return;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(next_deadline(now) - now);
  short events = POLLIN;
  if (want_write_) events = static_cast<short>(events | connection_->write_wants());
  std::array<pollfd, 2> fds{{{connection_->fd(), events, 0}, {in_.mailbox.wake_fd(), POLLIN, 0}}};
  ::poll(fds.data(), fds.size(), static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
  in_.mailbox.awake();
}

// After a stop: once all is confirmed, where waiting is pointless, or at the deadline.
bool Session::may_end(SteadyTime now) const {
  if (!stop_seen_) return false;
  return (in_.backlog.empty() && batch_.empty()) || blocked_ || now >= in_.mailbox.stop_deadline();
}

// Ends the connection as the protocol asks, if that takes no longer than a moment; the socket is closed after
// it in any case.
void Session::close() {
  if (!batch_.empty() || blocked_ || want_write_) return;
  if (broker_closed_) {
    batch_.add_close_ok();
  } else {
    batch_.add_close("bye");
  }
  const SteadyTime until = SteadyClock::now() + kPoliteClose;
  bool more = false;
  while (!flush() && !broker_closed_ && !receive(more) && !closed_ && SteadyClock::now() < until) {
    pollfd fd{connection_->fd(), POLLIN, 0};
    ::poll(&fd, 1, 50);
  }
}

}  // namespace bridge55::rabbitmq
