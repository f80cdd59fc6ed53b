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
  added_.clear();
  // The session that was to grow is gone; who waits asks again once the next is up.
  growing_ = false;
  growing_by_.clear();
  wanted_.clear();
  not_before_ = SteadyTime::min();
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
    if (asked_->size() + wanted_.size() + growing_by_.size() >= kMostAsked) continue;  // not granted, then
    all = false;
    if (now < not_before_)
      return last_growth_ == Growth::connection_limit ? Asked::connection_limit : Asked::unavailable;
    if (!holds(growing_by_, channel) && !holds(wanted_, channel)) wanted_.push_back(channel);
  }
  if (all) return Asked::all;
  grow();
  return Asked::asking;
}

void Line::grow() {
  if (growing_ || wanted_.empty()) return;
  growing_ = true;
  growing_by_ = std::exchange(wanted_, {});
  std::vector<std::string> channels = *asked_;
  channels.insert(channels.end(), growing_by_.begin(), growing_by_.end());
  grow_(channels);
}

void Line::grown(Growth how, SteadyTime now) {
  if (!std::exchange(growing_, false)) return;
  last_growth_ = how;
  if (how == Growth::connection_limit) not_before_ = now + kAfterLimit;
  if (how == Growth::unavailable) not_before_ = now + kAfterFailure;
  const std::vector<std::string> by = std::exchange(growing_by_, {});
  const std::vector<Session*> all = sessions_;  // one that is refused may leave
  if (how == Growth::done && asked_) {
    asked_->insert(asked_->end(), by.begin(), by.end());
    added_.insert(added_.end(), by.begin(), by.end());
  }
  if (how == Growth::done) return grow();
  wanted_.clear();
  for (Session* session : all)
    session->proceed(now);
}

std::vector<std::string> Line::granted_of(const SignOn& asked) const {
  if (asked.all_channels)
    return granted_.tells_channels ? granted_.channels : asked_.value_or(std::vector<std::string>{});
  if (!granted_.tells_channels) return asked.channels;
  std::vector<std::string> channels;
  std::ranges::copy_if(asked.channels, std::back_inserter(channels),
                       [this](const std::string& name) { return holds(granted_.channels, name); });
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
