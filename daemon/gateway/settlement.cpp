#include "daemon/gateway/settlement.hpp"

#include <algorithm>

namespace bridge55::gateway {

using events::Fate;

Settlement::Settlement(std::vector<OrderState> orders, Start start, SettlementTiming timing)
    : timing_(timing),
      arrived_(start.arrived),
      deadline_(start.deadline),
      orders_(std::move(orders)),
      pause_(timing.first_pause) {
  give_up_ = std::max(arrived_ + timing_.lifetime, deadline_);
  for (std::size_t i = 0; i < orders_.size(); ++i) {
    Course course;
    const std::optional<SteadyTime> expires =
        i < start.expires.size() ? start.expires[i] : std::optional<SteadyTime>();
    course.dated = expires.has_value();
    course.expires = expires.value_or(arrived_ + timing_.lifetime);
    if (start.sent_before) {
      course.sends = 1;
      // Nobody knows when: not after the process that could have sent it had ended.
      course.last_sent = std::max(arrived_, deadline_);
    }
    give_up_ = std::max(give_up_, course.expires);
    courses_.push_back(course);
  }
  give_up_ += timing_.margin + timing_.give_up;
  if (start.sent_before) {
    sends_ = 1;
    app_waits_ = false;
    answered_ = true;
  }
}

bool Settlement::all_known() const {
  return std::none_of(orders_.begin(), orders_.end(), [](const auto& o) { return o.fate == Fate::open; });
}

std::vector<std::string> Settlement::uuids(Fate fate) const {
  std::vector<std::string> out;
  for (const OrderState& order : orders_) {
    if (order.fate == fate) out.push_back(order.uuid);
  }
  return out;
}

void Settlement::close_unsent() {
  for (OrderState& order : orders_) {
    if (order.fate == Fate::open) order.fate = Fate::unsent;
  }
}

Settlement::Step Settlement::next(SteadyTime now) {
  if (sends_ == 0 && (now >= deadline_ || !app_waits_)) close_unsent();
  gave_up_ = gave_up_ || (now >= give_up_ && !all_known());
  const bool ended = all_known() || gave_up_;
  if (!answered_ && (ended || now >= deadline_)) {
    answered_ = true;
    app_waits_ = false;
    return {Do::answer, {}, {}};
  }
  if (ended) return {Do::done, {}, {}};
  if (not_before_ && now < *not_before_) {
    return {Do::wait, {}, answered_ ? *not_before_ : std::min(*not_before_, deadline_)};
  }
  std::vector<std::size_t> to_send, open;
  for (std::size_t i = 0; i < orders_.size(); ++i) {
    if (orders_[i].fate != Fate::open) continue;
    open.push_back(i);
    if (sends_ == 0 || may_send(courses_[i], now)) to_send.push_back(i);
  }
  asked_at_ = left_at_ = now;
  const bool sends = !to_send.empty();
  asked_ = sends ? std::move(to_send) : std::move(open);
  return {sends ? Do::send : Do::look_up, asked_, sends ? leave_until() : SteadyTime()};
}

bool Settlement::may_send(const Course& course, SteadyTime now) const {
  return app_waits_ && course.absent && !course.refused && now < arrived_ + timing_.lifetime &&
         now < course.expires;
}

// What is sent for the first time may leave as long as the app waits.
SteadyTime Settlement::leave_until() const {
  if (sends_ == 0) return deadline_;
  SteadyTime until = std::min(deadline_, arrived_ + timing_.lifetime);
  for (const std::size_t i : asked_)
    until = std::min(until, courses_[i].expires);
  return until;
}

// From then on upstream's not knowing the order is the last word: what it received in time has become a row,
// and what it receives later has expired. Its own default lifetime begins with what was sent last.
SteadyTime Settlement::quiet_at(const Course& course) const {
  const SteadyTime end = course.dated ? course.expires : course.last_sent + timing_.lifetime;
  return std::max({end, course.last_sent, arrived_}) + timing_.margin;
}

void Settlement::pause(SteadyTime now) {
  const auto limit = answered_ ? timing_.background_pause : timing_.waiting_pause;
  not_before_ = now + std::min(pause_, limit);
  pause_ = std::min(pause_ * 2, limit);
  for (std::size_t i = 0; i < orders_.size(); ++i) {
    if (orders_[i].fate != Fate::open) continue;
    const SteadyTime quiet = quiet_at(courses_[i]);
    if (quiet > now) not_before_ = std::min(*not_before_, quiet);
  }
}

void Settlement::left() {
  ++sends_;
  not_before_.reset();
  for (const std::size_t i : asked_) {
    courses_[i].absent = false;
    courses_[i].last_sent = std::max(asked_at_, left_at_);
    ++courses_[i].sends;
  }
}

void Settlement::unsent(SteadyTime now) {
  if (sends_ == 0) return close_unsent();
  pause(now);
}

void Settlement::lost() {
  left();
}

void Settlement::answered(Answered answer) {
  left();
  reached_ = true;
  const bool again = sends_ > 1;
  const bool good = answer.status >= 200 && answer.status < 300;
  // 501 is documented: "Orders with `futureId` currently return `501 Not Implemented`". It says nothing of
  // the other orders of a batch.
  const bool unimplemented = answer.status == 501;
  const bool refused = (answer.status >= 400 && answer.status < 500 && answer.status != 409) || unimplemented;
  if (good && answer.read) take(*answer.read);
  if (refused) refuse_whole(!again && (!unimplemented || asked_.size() == 1), answer.status);
  undisturbed_ = !again && all_known();
  if (undisturbed_ || !good) said_ = std::move(answer);
}

// What was sent more than once may still arrive from before: then a refusal is only a reason not to send it
// again, and the look-ups have the last word.
void Settlement::refuse_whole(bool final, unsigned status) {
  for (const std::size_t i : asked_) {
    if (final) {
      orders_[i].fate = Fate::declined;
    } else if (status != 429) {
      courses_[i].refused = true;
    }
  }
}

void Settlement::take(const PlaceAnswer& read) {
  const auto said_in = [](const std::vector<Entry>& list, const std::string& uuid) {
    return std::find_if(list.begin(), list.end(), [&](const Entry& entry) { return entry.uuid == uuid; });
  };
  for (std::size_t i = 0; i < orders_.size(); ++i) {
    OrderState& order = orders_[i];
    if (order.fate != Fate::open) continue;
    const auto accepted = said_in(read.accepted, order.uuid);
    const auto declined = said_in(read.declined, order.uuid);
    const bool both = accepted != read.accepted.end() && declined != read.declined.end();
    if (both) continue;
    if (accepted != read.accepted.end()) {
      order.fate = Fate::placed;
      order.entry = accepted->text;
    } else if (declined != read.declined.end()) {
      order.entry = declined->text;
      if (!declined->duplicate && courses_[i].sends == 1) order.fate = Fate::declined;
      if (!declined->duplicate && courses_[i].sends > 1) courses_[i].refused = true;
    }
  }
}

void Settlement::looked_up(const std::vector<Entry>& found, bool whole, SteadyTime now) {
  for (const std::size_t i : asked_) {
    OrderState& order = orders_[i];
    const auto row = std::find_if(found.begin(), found.end(),
                                  [&](const Entry& entry) { return entry.uuid == order.uuid; });
    if (row != found.end()) {
      order.fate = Fate::placed;
      order.entry = row->text;
      settled_ = true;
    } else if (whole && asked_at_ >= quiet_at(courses_[i])) {
      order.fate = Fate::unplaced;
      settled_ = true;
    } else if (whole) {
      courses_[i].absent = true;
    }
  }
  pause(now);
}

Settlement::Verdict Settlement::verdict() const {
  if (undisturbed_) return Verdict::undisturbed;
  if (!all_known()) return Verdict::unknown;
  const auto is_unsent = [](const OrderState& order) { return order.fate == Fate::unsent; };
  if (std::all_of(orders_.begin(), orders_.end(), is_unsent)) return Verdict::unsent;
  const auto has_entry = [](const OrderState& order) { return !order.entry.empty(); };
  if (std::any_of(orders_.begin(), orders_.end(), has_entry)) return Verdict::composed;
  return said_.status != 0 ? Verdict::upstream_error : Verdict::not_placed;
}

}  // namespace bridge55::gateway
