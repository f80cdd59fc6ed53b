#include "daemon/upstreams.hpp"

#include "daemon/base/countdown.hpp"
#include "daemon/base/log.hpp"
#include "daemon/base/metrics.hpp"
#include "daemon/events/json.hpp"

#include <algorithm>
#include <iterator>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace bridge55 {

struct Upstreams::Entry : bridges::SourceHost {
  Entry(Upstreams& upstreams, config::Upstream wanted) : owner(upstreams), settings(std::move(wanted)) {}

  events::EventId publish(const events::Facts& facts, bool may_repeat) override {
    const events::EventPtr event = owner.hub_.publish(facts, may_repeat);
    if (facts.channel == "emergency" && owner.watch_.emergency)
      owner.watch_.emergency(settings.name, facts.payload);
    return event ? event->id() : 0;
  }
  void say(std::string_view channel, std::string_view event, std::string_view payload,
           std::string_view about) override {
    if (channel == "session" && event == "UP") owner.hub_.session_began(about);
    // One that is being replaced speaks for its successor no more.
    if (channel == "session" && owner.serves(*this) && owner.watch_.session)
      owner.watch_.session(settings.name, event == "UP");
    if (channel == "session" && event == "DOWN" && owner.watch_.ended) owner.watch_.ended(settings.name);
    if (channel == "gap") {
      if (event == "DETECTED") {
        owner.gaps_[std::string(about)] = {std::string(about), json::text(json::find(payload, "reason")),
                                           wall_now()};
      } else {
        owner.gaps_.erase(std::string(about));
      }
      log::warning(event == "DETECTED" ? "events may be missing" : "what was missed cannot be read back",
                   {{"source", about}, {"reason", json::text(json::find(payload, "reason"))}});
      if (event == "UNRECOVERED" && owner.watch_.events_lost) owner.watch_.events_lost(settings.name);
    }
    owner.hub_.say(channel, event, payload, about);
  }
  void login_answered(std::string_view answer) override {
    if (owner.serves(*this) && owner.watch_.login_answered)
      owner.watch_.login_answered(settings.name, answer);
  }
  void flush() override { owner.hub_.flush(); }
  bool must_pause() const override { return owner.hub_.must_pause(); }

  Upstreams& owner;
  config::Upstream settings;
  std::unique_ptr<upstream::GrowingSource> source;
};

Upstreams::Upstreams(boost::asio::io_context& io, events::Hub& hub, metrics::Registry& metrics, Watch watch)
    : io_(io), hub_(hub), metrics_(metrics), watch_(std::move(watch)) {}
Upstreams::~Upstreams() = default;

void Upstreams::apply(const std::vector<config::Upstream>& wanted, const std::string& opening_gap) {
  std::vector<std::unique_ptr<Entry>> before;
  before.swap(entries_);
  for (const config::Upstream& settings : wanted) {
    if (settings.kind == config::UpstreamKind::scraping) continue;  // no event session of its own
    const auto same = std::find_if(before.begin(), before.end(),
                                   [&](const auto& entry) { return entry && entry->settings == settings; });
    if (same != before.end()) {
      entries_.push_back(std::move(*same));
      continue;
    }
    auto entry = std::make_unique<Entry>(*this, settings);
    const bool replaces = std::any_of(before.begin(), before.end(),
                                      [&](const auto& e) { return e && e->settings.name == settings.name; });
    const upstream::GrowingSource::Parts parts{io_, *entry, metrics_, replaces ? "reload" : opening_gap};
    entry->source = std::make_unique<upstream::GrowingSource>(parts, settings);
    if (replaces && watch_.session) watch_.session(settings.name, false);
    entries_.push_back(std::move(entry));
    entries_.back()->source->start();
  }
  for (auto& entry : before) {
    if (entry) remove(std::move(entry), [] {});
  }
}

void Upstreams::remove(std::unique_ptr<Entry> entry, std::function<void()> removed) {
  const std::string name = entry->settings.name;
  upstream::GrowingSource& source = *entry->source;
  auto shared = std::make_shared<std::unique_ptr<Entry>>(std::move(entry));
  source.stop([this, name, shared, removed = std::move(removed)] {
    // The source may be on the stack here: it is destroyed from the loop.
    boost::asio::post(io_, [this, name, shared, removed] {
      shared->reset();
      const bool replaced = std::any_of(entries_.begin(), entries_.end(),
                                        [&](const auto& e) { return e && e->settings.name == name; });
      if (!replaced) {
        gaps_.erase(name);
        metrics_.drop("source", name);
        hub_.forget_counters();
      }
      removed();
    });
  });
}

bool Upstreams::serves(const Entry& entry) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const auto& one) { return one.get() == &entry; });
}

void Upstreams::grow(std::string_view source, upstream::GrowingSource::Channels channels,
                     std::function<void(upstream::Grown)> done) {
  for (auto& entry : entries_) {
    if (entry->settings.name == source) return entry->source->grow(std::move(channels), std::move(done));
  }
  boost::asio::post(io_, [done = std::move(done)] { done(upstream::Grown::unavailable); });
}

void Upstreams::durable(events::EventId id) {
  for (auto& entry : entries_)
    entry->source->durable(id);
}

void Upstreams::resume() {
  for (auto& entry : entries_)
    entry->source->resume();
}

void Upstreams::stop(std::function<void()> stopped) {
  const auto one_done = countdown(entries_.size() + 1, std::move(stopped));
  std::vector<std::unique_ptr<Entry>> before;
  before.swap(entries_);
  for (auto& entry : before)
    remove(std::move(entry), one_done);
  one_done();
}

std::vector<bridges::SessionStatus> Upstreams::status() const {
  std::vector<bridges::SessionStatus> all;
  for (const auto& entry : entries_)
    std::ranges::copy(entry->source->statuses(), std::back_inserter(all));
  return all;
}

std::vector<Upstreams::Gap> Upstreams::open_gaps() const {
  std::vector<Gap> all;
  for (const auto& [source, gap] : gaps_)
    all.push_back(gap);
  return all;
}

}  // namespace bridge55
