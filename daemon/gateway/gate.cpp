#include "daemon/gateway/gate.hpp"

#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace bridge55::gateway {

namespace asio = boost::asio;

Place& Place::operator=(Place&& other) noexcept {
  if (this == &other) return *this;
  answered();
  gate_ = std::exchange(other.gate_, nullptr);
  ticket_ = other.ticket_;
  slot_ = other.slot_;
  return *this;
}

void Place::sent() {
  if (gate_) gate_->limiter_.sent(ticket_, SteadyClock::now());
}

void Place::answered() {
  Gate* gate = std::exchange(gate_, nullptr);
  if (!gate) return;
  gate->limiter_.answered(ticket_, SteadyClock::now());
  gate->sent_->answered(slot_, wall_now());
  gate->pump();
}

void Place::unsent() {
  Gate* gate = std::exchange(gate_, nullptr);
  if (!gate) return;
  gate->limiter_.unsent(ticket_, SteadyClock::now());
  gate->sent_->dropped(slot_);
  gate->pump();
}

// Its coroutine may be destroyed while it waits: what it held goes back.
Turn::~Turn() {
  leave();
  if (state_ == State::granted) gate_->limiter_.unsent(ticket_, SteadyClock::now());
}

void Turn::leave() {
  if (state_ != State::waiting) return;
  state_ = State::left;
  gate_->waiting_.erase(ticket_);
  gate_->limiter_.leave(ticket_);
  if (timer_) timer_->cancel();
}

Gate::Gate(asio::io_context& io, std::string ring, const Limiter::Settings& settings,
           std::shared_ptr<SentWindow> sent)
    : io_(io), ring_(std::move(ring)), limiter_(settings), sent_(std::move(sent)), timer_(io) {
  limiter_.restore(sent_->recovered(ring_), SteadyClock::now());
}

Gate::~Gate() = default;

void Gate::configure(const Limiter::Settings& settings) {
  limiter_.configure(settings);
  pump();
}

Place Gate::place(Limiter::Ticket ticket) {
  return {*this, ticket, sent_->begin(ring_, wall_now())};
}

bool Gate::enter(const Ask& ask, SteadyTime now, Turn& turn, Place& into) {
  const Limiter::Asked asked = limiter_.ask(ask.rank, ask.app, ask.until, now);
  if (asked.granted) {
    into = place(asked.ticket);
    return true;
  }
  turn.gate_ = this;
  turn.ticket_ = asked.ticket;
  turn.state_ = Turn::State::waiting;
  waiting_.emplace(asked.ticket, &turn);
  pump();
  return false;
}

net::awaitable<Place> Gate::wait(Turn& turn) {
  if (!turn.timer_) turn.timer_.emplace(io_);
  turn.timer_->expires_at(SteadyTime::max());
  while (turn.state_ == Turn::State::waiting) {
    co_await turn.timer_->async_wait(asio::as_tuple(asio::use_awaitable));
  }
  if (std::exchange(turn.state_, Turn::State::idle) != Turn::State::granted) co_return Place{};
  co_return place(turn.ticket_);
}

void Gate::pump() {
  if (waiting_.empty()) return;
  turn_.granted.clear();
  turn_.expired.clear();
  limiter_.poll(SteadyClock::now(), turn_);
  const auto tell = [this](Limiter::Ticket ticket, Turn::State state) {
    const auto it = waiting_.find(ticket);
    if (it == waiting_.end()) return;
    Turn& turn = *it->second;
    waiting_.erase(it);
    turn.state_ = state;
    if (turn.timer_) turn.timer_->cancel();
  };
  for (const Limiter::Ticket ticket : turn_.granted)
    tell(ticket, Turn::State::granted);
  for (const Limiter::Ticket ticket : turn_.expired)
    tell(ticket, Turn::State::expired);
  arm();
}

void Gate::arm() {
  const auto next = limiter_.next(SteadyClock::now());
  if (!next || waiting_.empty()) return;
  if (*next == armed_for_) return;
  armed_for_ = *next;
  timer_.expires_at(*next);
  timer_.async_wait([weak = std::weak_ptr(self_)](boost::system::error_code error) {
    const auto self = weak.lock();
    if (error || !self) return;
    (*self)->armed_for_ = SteadyTime::max();
    (*self)->pump();
  });
}

void Gate::observed(const LimitHeaders& headers) {
  limiter_.observed(headers, SteadyClock::now());
  pump();
}

void Gate::refused(std::optional<std::chrono::milliseconds> retry_after) {
  limiter_.refused(retry_after, SteadyClock::now());
  pump();
}

void Gate::usage(const Limiter::Usage& usage) {
  limiter_.usage(usage, SteadyClock::now());
  pump();
}

Limiter::Figures Gate::figures(Rank rank) const {
  return limiter_.figures(rank, SteadyClock::now());
}

}  // namespace bridge55::gateway
