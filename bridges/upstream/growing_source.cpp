#include "bridges/upstream/growing_source.hpp"

#include "bridges/upstream/make_source.hpp"
#include "bridges/upstream/reports.hpp"
#include "daemon/base/log.hpp"
#include "daemon/events/json.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace bridge55::upstream {
namespace {

using namespace std::chrono_literals;

// What was on its way to the first session when the second logged in has come by then.
constexpr auto kOverlap = 4s, kLongestOverlap = 30s;
constexpr auto kLook = 200ms;

}  // namespace

// One session, and the host as that sees it.
struct GrowingSource::Link final : bridges::SourceHost {
  Link(GrowingSource& source, unsigned at) : owner(source), slot(at) {}

  events::EventId publish(const events::Facts& facts, bool may_repeat) override {
    return owner.publish(*this, facts, may_repeat);
  }
  void say(std::string_view channel, std::string_view event, std::string_view payload,
           std::string_view) override {
    if (channel == "session") up = event == "UP";
    owner.take_word(*this, channel, event, payload);
  }
  void login_answered(std::string_view answer) override {
    channels.clear();
    json::elements(json::find(answer, "channels"), [this](std::string_view name) {
      channels.push_back(json::text(name));
      return true;
    });
    // What counts is what the session has that takes over.
    if (owner.joining_ && owner.joining_->up && this != owner.joining_.get()) return;
    owner.host_.login_answered(answer);
  }
  void flush() override { owner.host_.flush(); }
  bool must_pause() const override { return owner.host_.must_pause(); }

  GrowingSource& owner;
  const unsigned slot;
  bool up = false;
  std::vector<std::string> channels;  // as its login was answered
  std::unique_ptr<bridges::Source> session;
};

struct GrowingSource::Timer {
  explicit Timer(boost::asio::io_context& io) : overlap(io) {}
  boost::asio::steady_timer overlap;
};

GrowingSource::GrowingSource(const Parts& parts, config::Upstream settings)
    : io_(parts.io),
      host_(parts.host),
      metrics_(parts.metrics),
      settings_(std::move(settings)),
      timer_(std::make_unique<Timer>(parts.io)) {
  link_ = make_link(settings_, parts.opening_gap, 0);
}

GrowingSource::~GrowingSource() = default;

std::unique_ptr<GrowingSource::Link> GrowingSource::make_link(const config::Upstream& settings,
                                                              std::string opening_gap, unsigned slot) {
  auto link = std::make_unique<Link>(*this, slot);
  link->session = bridges::make_source(io_, settings, *link, metrics_, std::move(opening_gap), slot);
  return link;
}

void GrowingSource::start() {
  link_->session->start();
}

void GrowingSource::durable(events::EventId id) {
  durable_ = id;
  link_->session->durable(id);
  if (joining_) joining_->session->durable(id);
}

void GrowingSource::resume() {
  link_->session->resume();
  if (joining_) joining_->session->resume();
}

bridges::SessionStatus GrowingSource::status() const {
  return link_->session->status();
}

std::vector<bridges::SessionStatus> GrowingSource::statuses() const {
  std::vector<bridges::SessionStatus> all{link_->session->status()};
  if (joining_ && joining_->up) all.push_back(joining_->session->status());
  return all;
}

void GrowingSource::stop(std::function<void()> stopped) {
  stopped_ = std::move(stopped);
  stop_asked_ = true;
  log::info("upstream session stops", {{"source", settings_.name}});
  timer_->overlap.cancel();
  grown_ = nullptr;
  next_channels_ = nullptr;
  if (joining_) {
    // The first has no time left to bring what waits for it here.
    release_held();
    host_.flush();
    retire(std::move(joining_));
  }
  ++stopping_;
  link_->session->stop([this] { one_stopped(); });
}

void GrowingSource::one_stopped() {
  if (--stopping_ != 0 || !stopped_) return;
  const auto stopped = std::exchange(stopped_, nullptr);
  stopped();
}

void GrowingSource::grow(Channels channels, std::function<void(Grown)> done) {
  grown_ = std::move(done);
  if (!joining_) return begin_growing(channels());
  next_channels_ = std::move(channels);
}

void GrowingSource::begin_growing(std::vector<std::string> channels) {
  log::info("asking upstream for more channels, with a second session", {{"source", settings_.name}});
  config::Upstream settings = settings_;
  settings.channels = std::move(channels);
  hand_over_ = std::make_unique<HandOver>();
  joining_was_up_ = false;
  joining_ = make_link(settings, "", link_->slot == 0 ? 1 : 0);
  joining_->session->durable(durable_);
  joining_->session->start();
}

// ---- what the sessions bring

events::EventId GrowingSource::publish(Link& link, const events::Facts& facts, bool may_repeat) {
  const bool first = &link == link_.get();
  if (!first && &link != joining_.get()) return bridges::kProvisional;  // it goes: nothing is taken any more
  if (!hand_over_ && !last_) return pass_on(facts, may_repeat);
  const SteadyTime now = SteadyClock::now();
  if (first && last_ && !of_the_last(facts, now)) return last_id_;
  if (!hand_over_) return pass_on(facts, may_repeat);
  if (!first) return publish_joining(facts, now);
  const HandOver::Arrival arrival = hand_over_->first_brings(facts, now);
  if (!arrival.news) return last_id_;
  const events::EventId id = pass_on(facts, may_repeat);
  settle(arrival.ticket, id);
  return id;
}

events::EventId GrowingSource::publish_joining(const events::Facts& facts, SteadyTime now) {
  const HandOver::Arrival arrival = hand_over_->second_brings(facts, only_joining_has(facts.channel), now);
  if (arrival.ticket != 0) return bridges::kProvisional + arrival.ticket;
  // A first login is no return: what it brings has not been delivered to it before.
  return arrival.news ? pass_on(facts, false) : last_id_;
}

events::EventId GrowingSource::pass_on(const events::Facts& facts, bool may_repeat) {
  const events::EventId id = host_.publish(facts, may_repeat);
  last_id_ = std::max(last_id_, id);
  return id;
}

void GrowingSource::settle(std::uint64_t ticket, events::EventId id) {
  if (ticket == 0 || !joining_) return;
  joining_->session->settled(bridges::kProvisional + ticket, id != 0 ? id : last_id_);
}

// A session that took over may still bring what the one before it had brought.
bool GrowingSource::of_the_last(const events::Facts& facts, SteadyTime now) {
  if (now < last_until_) return last_->second_brings_late(facts, now);
  last_.reset();
  return true;
}

bool GrowingSource::only_joining_has(std::string_view channel) const {
  const auto has = [channel](const Link& link) {
    return std::ranges::find(link.channels, channel) != link.channels.end();
  };
  return has(*joining_) && !has(*link_);
}

void GrowingSource::release(const events::Facts& facts, std::uint64_t ticket) {
  settle(ticket, pass_on(facts, false));
}

void GrowingSource::release_held() {
  if (hand_over_) hand_over_->release_all(std::bind_front(&GrowingSource::release, this));
}

void GrowingSource::say(std::string_view channel, std::string_view event, std::string_view payload) {
  if (channel == "gap") {
    gap_open_ = event == "DETECTED";
    gap_reason_ = json::text(json::find(payload, "reason"));
  }
  host_.say(channel, event, payload, settings_.name);
}

void GrowingSource::take_word(Link& link, std::string_view channel, std::string_view event,
                              std::string_view payload) {
  if (channel != "session" && channel != "gap") return host_.say(channel, event, payload, settings_.name);
  if (&link == joining_.get()) return take_joining(channel, event, payload);
  if (&link != link_.get()) return;  // it goes, and that is nobody's business
  if (!joining_ || !joining_->up) return say(channel, event, payload);
  // Section 8: what another healthy session covers is no hole. One that broke has its successor already.
  if (channel != "session") return;
  boost::asio::post(io_, [this, alive = std::weak_ptr(alive_), successor = joining_.get()] {
    if (!alive.expired() && joining_.get() == successor) replace();
  });
}

void GrowingSource::take_joining(std::string_view channel, std::string_view event, std::string_view payload) {
  if (channel != "session") {
    if (!link_->up) say(channel, event, payload);
    return;
  }
  if (event == "CONNECTING") return;
  if (event == "UP") return joined(payload);
  const bool limit = json::find(payload, "cause") == R"("connection_limit")";
  // Its coroutine is on the stack: it is ended from the loop.
  boost::asio::post(io_, [this, alive = std::weak_ptr(alive_), limit, failed = joining_.get()] {
    if (!alive.expired() && joining_.get() == failed)
      not_joined(limit ? Grown::connection_limit : Grown::unavailable);
  });
}

// Where upstream does not say what it grants it is taken to grant all.
bool GrowingSource::joining_has_more() const {
  const std::vector<std::string>& channels = joining_->channels;
  return channels.empty() || std::ranges::any_of(channels, [this](const std::string& channel) {
           return std::ranges::find(link_->channels, channel) == link_->channels.end();
         });
}

// Its coroutine is on the stack: it is ended from the loop. What it brought comes from the first as well.
void GrowingSource::drop_joining() {
  boost::asio::post(io_, [this, alive = std::weak_ptr(alive_), useless = joining_.get()] {
    if (alive.expired() || joining_.get() != useless) return;
    if (!link_->up) return replace();
    log::info("upstream grants no more channels", {{"source", settings_.name}});
    retire(std::move(joining_));
    hand_over_.reset();
  });
  ended(Grown::done);
}

void GrowingSource::joined(std::string_view payload) {
  const bool covered = link_->up;
  if (covered && !joining_has_more()) return drop_joining();
  joining_was_up_ = true;
  say("session", "UP", payload);
  if (!covered && gap_open_) {
    Report report({settings_.name, joining_->slot});
    report.text("reason", gap_reason_);
    say("gap", "UNRECOVERED", std::move(report).take());
  }
  joined_at_ = SteadyClock::now();
  look_again(covered ? SteadyClock::duration(kLook) : SteadyClock::duration::zero());
  ended(Grown::done);
}

// Replaces the first session as soon as it has had its time and is not behind.
void GrowingSource::look_again(SteadyClock::duration in) {
  timer_->overlap.expires_after(in);
  timer_->overlap.async_wait([this, alive = std::weak_ptr(alive_)](boost::system::error_code error) {
    if (error || alive.expired() || !joining_) return;
    const SteadyTime now = SteadyClock::now();
    hand_over_->release_overdue(now, std::bind_front(&GrowingSource::release, this));
    host_.flush();
    const SteadyClock::duration since = now - joined_at_;
    const bool ready = (since >= kOverlap && hand_over_->caught_up(now)) || since >= kLongestOverlap;
    ready || !link_->up ? replace() : look_again(kLook);
  });
}

// Before it was up its failure is the end of the attempt; the few seconds after that it is the session.
void GrowingSource::not_joined(Grown why) {
  if (joining_was_up_) return replace();
  log::warning("upstream did not take the second session",
               {{"source", settings_.name}, {"reason", joining_->session->status().reason}});
  retire(std::move(joining_));
  hand_over_.reset();
  ended(why);
}

void GrowingSource::ended(Grown how) {
  boost::asio::post(io_, [this, alive = std::weak_ptr(alive_), how, grown = std::exchange(grown_, nullptr)] {
    if (!alive.expired() && !stop_asked_ && grown) grown(how);
  });
}

void GrowingSource::replace() {
  timer_->overlap.cancel();
  release_held();
  retire(std::exchange(link_, std::move(joining_)));
  last_ = std::move(hand_over_);
  last_until_ = SteadyClock::now() + Merge::kMemory;
  host_.flush();
  if (next_channels_) begin_growing(std::exchange(next_channels_, nullptr)());
  const bridges::SessionStatus now = link_->session->status();
  const bool up = now.state == bridges::SessionState::up;
  metrics_
      .gauge("bridge55_session_up", "Whether the upstream session is logged in.",
             {{"source", settings_.name}})
      .set(up ? 1 : 0);
  if (up) return;
  Report report({settings_.name, link_->slot});
  report.text("reason", now.reason);
  say("session", "DOWN", std::move(report).take());
}

// A session is destroyed from the loop, once it has said goodbye.
void GrowingSource::retire(std::unique_ptr<Link> link) {
  Link& gone = *link;
  leaving_.push_back(std::move(link));
  ++stopping_;
  gone.session->stop([this, &gone] {
    boost::asio::post(io_, [this, alive = std::weak_ptr(alive_), &gone] {
      if (alive.expired()) return;
      std::erase_if(leaving_, [&gone](const auto& one) { return one.get() == &gone; });
      one_stopped();
    });
  });
}

}  // namespace bridge55::upstream
