#include "daemon/dropin/line.hpp"

#include "daemon/dropin/session.hpp"

#include <algorithm>
#include <utility>

namespace bridge55::dropin {
namespace {

bool holds(const std::vector<std::string>& list, const std::string& name) {
  return std::ranges::find(list, name) != list.end();
}

}  // namespace

Line::Line(std::string source, std::unique_ptr<const Dialect> dialect, Grow grow)
    : source_(std::move(source)), dialect_(std::move(dialect)), grow_(std::move(grow)) {}

void Line::configured(const config::Upstream& settings) {
  asked_ = dialect_->asks_for(settings);
  // Nobody brings these any more: who has them logs in again, and so asks again.
  std::erase_if(added_, [this](const std::string& channel) { return !asked_ || holds(*asked_, channel); });
  for (Session* session : sessions_)
    session->channels_dropped(added_);
  added_.clear();
  // The session that was to grow is gone; who waits asks again once the next is up.
  growing_ = false;
  growing_by_.clear();
  wanted_.clear();
  denied_.clear();
  not_before_ = SteadyTime::min();
}

// What an app had added and upstream grants no more is not asked for with the next growth either.
void Line::granted(Granted granted, SteadyTime now) {
  granted_ = std::move(granted);
  if (!asked_ || !granted_.tells_channels) return;
  for (const std::string& channel : added_) {
    if (holds(granted_.channels, channel)) continue;
    if (std::erase(*asked_, channel) != 0) denied_.add(channel, now);
  }
}

void Line::went_down(SteadyTime now) {
  if (!std::exchange(up_, false)) return;
  down_since_ = now;
}

void Line::lost_events() {
  for (Session* session : sessions_)
    session->events_lost();
}

void Line::admit(SteadyTime now) {
  if (!up_ || gone_) return;
  const std::vector<Session*> all = sessions_;  // one that is refused may leave
  for (Session* session : all)
    session->proceed(now);
}

void Line::close_all() {
  gone_ = true;
  up_ = false;
  const std::vector<Session*> all = sessions_;
  for (Session* session : all)
    session->upstream_gone();
}

bool Line::was_asked(const std::string& channel) const {
  return !asked_ || holds(*asked_, channel) || holds(granted_.channels, channel);
}

bool Line::was_added(std::string_view channel) const {
  return std::ranges::find(added_, channel) != added_.end();
}

Line::Asked Line::ask(const std::vector<std::string>& channels, SteadyTime now) {
  bool all = true;
  for (const std::string& channel : channels) {
    if (was_asked(channel)) continue;
    const Chance chance = chance_of(channel, now);
    if (chance == Chance::no) continue;
    all = false;
    if (now < not_before_)
      return last_growth_ == Growth::connection_limit ? Asked::connection_limit : Asked::unavailable;
    if (chance == Chance::now && !holds(growing_by_, channel) && !holds(wanted_, channel))
      wanted_.push_back(channel);
  }
  if (all) return Asked::all;
  grow();
  return Asked::asking;
}

// What apps make up must not keep a channel that exists from others: only names outside the vendor's docs are
// counted.
Line::Chance Line::chance_of(const std::string& channel, SteadyTime now) const {
  if (!may_be_channel(channel) || denied_.holds(channel, now)) return Chance::no;
  if (holds(growing_by_, channel) ||
      std::ranges::find(dialect_->words().channels, channel) != dialect_->words().channels.end())
    return Chance::now;
  if (asked_->size() >= kMostAsked || denied_.often_in_vain(now)) return Chance::no;
  return wanted_.size() + growing_by_.size() < kMostPending ? Chance::now : Chance::later;
}

void Line::grow() {
  if (growing_ || wanted_.empty()) return;
  growing_ = true;
  grow_();
}

std::vector<std::string> Line::next_channels() {
  growing_by_ = std::exchange(wanted_, {});
  std::vector<std::string> channels = asked_.value_or(std::vector<std::string>{});
  channels.insert(channels.end(), growing_by_.begin(), growing_by_.end());
  return channels;
}

void Line::grown(Growth how, SteadyTime now) {
  if (!std::exchange(growing_, false)) return;
  last_growth_ = how;
  if (how == Growth::connection_limit) not_before_ = now + kAfterLimit;
  if (how == Growth::unavailable) not_before_ = now + kAfterFailure;
  const std::vector<std::string> by = std::exchange(growing_by_, {});
  const std::vector<Session*> all = sessions_;  // one that is refused may leave
  if (how == Growth::done) {
    take_grown(by, now);
    return grow();
  }
  wanted_.clear();
  for (Session* session : all)
    session->proceed(now);
}

void Line::take_grown(const std::vector<std::string>& channels, SteadyTime now) {
  if (!asked_) return;
  bool in_vain = true;
  for (const std::string& channel : channels) {
    if (granted_.tells_channels && !holds(granted_.channels, channel)) {
      denied_.add(channel, now);
      continue;
    }
    in_vain = false;
    asked_->push_back(channel);
    if (!holds(added_, channel)) added_.push_back(channel);
  }
  if (in_vain) denied_.in_vain(now);
}

std::vector<std::string> Line::granted_of(const SignOn& asked) const {
  if (asked.all_channels)
    return granted_.tells_channels ? granted_.channels : asked_.value_or(std::vector<std::string>{});
  std::vector<std::string> channels;
  std::ranges::copy_if(asked.channels, std::back_inserter(channels), [this](const std::string& name) {
    return granted_.tells_channels ? holds(granted_.channels, name) : was_asked(name);
  });
  return channels;
}

std::string_view Line::head(std::string_view channel, std::string_view event) {
  for (const auto& head : heads_) {
    if (head->channel == channel && head->event == event) return head->text;
  }
  if (heads_.size() >= kMostHeads) heads_.erase(heads_.begin());
  heads_.push_back(std::make_unique<Head>(Head{std::string(channel), std::string(event), {}}));
  Head& head = *heads_.back();
  head.text = data_head(dialect_->words().data, channel, event);
  return head.text;
}

}  // namespace bridge55::dropin
