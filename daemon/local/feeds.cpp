#include "daemon/local/feeds.hpp"

#include "daemon/base/metrics.hpp"
#include "daemon/local/feed.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace bridge55::local {
namespace {

constexpr std::chrono::seconds kSweep{1};

}  // namespace

struct Feeds::Timer {
  boost::asio::steady_timer timer, held;
};

Feeds::Feeds(boost::asio::io_context& io, metrics::Registry& metrics)
    : timer_(std::make_unique<Timer>(Timer{boost::asio::steady_timer(io), boost::asio::steady_timer(io)})),
      batch_(std::make_unique<Batch>()) {
  for (const FeedKind kind : {FeedKind::sse, FeedKind::websocket, FeedKind::lines}) {
    const metrics::Labels labels{{"endpoint", std::string(endpoint_name(kind))}};
    gauges_[static_cast<std::size_t>(kind)] =
        &metrics.gauge("bridge55_consumers", "Streams that are connected.", labels);
    latency_[static_cast<std::size_t>(kind)] =
        &metrics.histogram("bridge55_delivery_seconds", "From receipt to delivery.", labels);
  }
}

Feeds::~Feeds() = default;

void Feeds::add(Feed& feed) {
  feeds_.push_back(&feed);
  turn_takers_ += feed.takes_turns();
  gauges_[static_cast<std::size_t>(feed.kind())]->add(1);
  if (feeds_.size() == 1) sweep();
}

void Feeds::remove(Feed& feed) {
  const auto it = std::find(feeds_.begin(), feeds_.end(), &feed);
  if (it == feeds_.end()) return;
  gauges_[static_cast<std::size_t>(feed.kind())]->add(-1);
  *it = feeds_.back();
  feeds_.pop_back();
  turn_takers_ -= feed.takes_turns();
  if (feeds_.empty()) timer_->timer.cancel();
}

void Feeds::sweep() {
  const SteadyTime at = SteadyClock::now();
  // A feed that ends leaves the list from its own coroutine, never from inside `tick`.
  for (Feed* feed : feeds_)
    feed->tick(at);
  timer_->timer.expires_after(kSweep);
  timer_->timer.async_wait([this](boost::system::error_code error) {
    if (!error && !feeds_.empty()) sweep();
  });
}

bool Feeds::leaves_for_later(std::uint64_t number, std::uint64_t published) {
  if (published != published_) {
    published_ = published;
    rounds_.begin(SteadyClock::now(), turn_takers_);
  }
  if (rounds_.takes_turn(number)) return false;
  if (!std::exchange(holding_, true)) pump_held_at(rounds_.began() + Rounds::kLongest);
  return true;
}

void Feeds::pump_held_at(SteadyTime at) {
  timer_->held.expires_at(at);
  timer_->held.async_wait([this](boost::system::error_code error) {
    if (!error) pump_held();
  });
}

// Where no round came in time; those that began to wait later are looked at when their time comes.
void Feeds::pump_held() {
  const SteadyTime now = SteadyClock::now();
  std::optional<SteadyTime> next;
  for (Feed* feed : feeds_) {
    const std::optional<SteadyTime> since = feed->held_since();
    if (!since) continue;
    if (now - *since >= Rounds::kLongest) {
      feed->pump_held();
    } else {
      next = std::min(next.value_or(*since), *since);
    }
  }
  holding_ = next.has_value();
  if (next) pump_held_at(*next + Rounds::kLongest);
}

std::string_view endpoint_name(FeedKind kind) {
  switch (kind) {
    case FeedKind::sse:
      return "sse";
    case FeedKind::websocket:
      return "websocket";
    case FeedKind::lines:
      return "unix";
  }
  return "";
}

}  // namespace bridge55::local
