#include "bridges/upstream/lifecycle.hpp"

#include "bridges/upstream/reports.hpp"

#include <algorithm>

namespace bridge55::upstream {
namespace {

using namespace std::chrono_literals;
using bridges::SessionState;

constexpr auto kAfterRefusal = 60s;  // contract, section 8
constexpr auto kStable = 5s;         // a session that held so long begins its backoff anew
constexpr auto kAtOnceEvery = 10s;   // a server that restarts all the time gets no tight loop
constexpr std::size_t kMaxReasons = 16;

}  // namespace

Lifecycle::Lifecycle(const Parts& parts)
    : settings_(parts.settings),
      slot_(parts.slot),
      actions_(parts.actions),
      random_(parts.seed),
      backoff_(parts.settings.retry.backoff, parts.settings.retry.max_backoff) {
  status_.source = settings_.name;
  status_.slot = slot_;
  gap_reason_ = parts.opening_gap;  // said with the first attempt
}

void Lifecycle::trying(Now now) {
  const bool first = !ever_tried_;
  ever_tried_ = true;
  if (!first) ++status_.reconnects;
  // Once an outage: later attempts change nothing that anybody needs to hear of.
  if (status_.state == SessionState::rejected || !said_.insert("").second) return;
  change(SessionState::connecting, "", now);
  Report report({settings_.name, slot_});
  say_state("CONNECTING", std::move(report).take());
  if (first && !gap_reason_.empty()) open_gap(std::string(gap_reason_), 0);
}

void Lifecycle::came_up(Now now, std::string_view subscription, std::string_view channels) {
  was_up_ = true;
  up_since_ = now.steady;
  said_.clear();
  change(SessionState::up, "", now);
  Report report({settings_.name, slot_});
  report.token("subscription", subscription).token("channels", channels);
  say_state("UP", std::move(report).take());
  close_gap(now);
}

config::Duration Lifecycle::ended(const End& end, Now now, WallMicros last_traffic) {
  const config::Duration delay = delay_after(end, now);
  const bool refused = end.cause == Cause::refused_key || end.cause == Cause::connection_limit;
  const SessionState before = status_.state;
  change(refused ? SessionState::rejected : SessionState::down, end.reason, now);
  const bool changed = before == SessionState::connecting || before == SessionState::up ||
                       (before == SessionState::rejected) != refused;
  const bool news = said_.size() < kMaxReasons && said_.insert(end.reason).second;
  if (changed || news) {
    Report report({settings_.name, slot_});
    report.text("reason", end.reason).text("cause", name_of(end.cause));
    if (end.close_code != 0) report.number("close_code", end.close_code);
    // This process holds one connection a session, and the refused one is not among them.
    if (end.cause == Cause::connection_limit) report.number("ours", 0);
    report.number("retry_in_ms", static_cast<std::uint64_t>(delay.count()));
    say_state(refused ? "REJECTED" : "DOWN", std::move(report).take());
  }
  if (was_up_ && gap_reason_.empty()) open_gap("disconnected", last_traffic);
  was_up_ = false;
  return delay;
}

config::Duration Lifecycle::delay_after(const End& end, Now now) {
  const bool held = was_up_ && now.steady >= up_since_ + kStable;
  if (held) backoff_.reset();
  if (end.cause == Cause::refused_key || end.cause == Cause::connection_limit) return kAfterRefusal;
  const bool may_return = was_up_ && (!returned_at_once_ || now.steady >= returned_at_ + kAtOnceEvery);
  if ((end.cause == Cause::server_restart || end.cause == Cause::stall) && may_return) {
    returned_at_once_ = true;
    returned_at_ = now.steady;
    return 0ms;
  }
  const double unit = std::uniform_real_distribution<double>()(random_);
  return std::max<config::Duration>(backoff_.next(unit), end.retry_after);
}

void Lifecycle::stopped(Now now) {
  change(SessionState::down, "stopped", now);
  Report report({settings_.name, slot_});
  report.text("reason", "stopped");
  actions_.say("session", "DOWN", std::move(report).take());  // who stopped it knows, and logs what it means
}

void Lifecycle::paused(Now now) {
  if (gap_reason_.empty()) open_gap("paused", now.wall);
}

void Lifecycle::resumed(Now now) {
  if (gap_reason_ == "paused") close_gap(now);
}

void Lifecycle::change(SessionState state, std::string reason, Now now) {
  if (status_.state != state || status_.since == 0) status_.since = now.wall;
  status_.state = state;
  status_.reason = std::move(reason);
}

void Lifecycle::say_state(std::string_view event, std::string payload) {
  actions_.say("session", event, payload);
  actions_.log(event == "DOWN" || event == "REJECTED", "session " + std::string(event), status_.reason);
}

void Lifecycle::open_gap(std::string_view reason, WallMicros from) {
  gap_reason_ = reason;
  gap_from_ = from;
  Report report({settings_.name, slot_});
  report.text("reason", reason).time("from", from);
  actions_.count(Counter::gap_detected);
  actions_.say("gap", "DETECTED", std::move(report).take());
}

// Nothing can be read back yet: the hole stays, and that is said.
void Lifecycle::close_gap(Now now) {
  if (gap_reason_.empty()) return;
  Report report({settings_.name, slot_});
  report.text("reason", gap_reason_).time("from", gap_from_).time("to", now.wall);
  gap_reason_.clear();
  actions_.count(Counter::gap_unrecovered);
  actions_.say("gap", "UNRECOVERED", std::move(report).take());
}

}  // namespace bridge55::upstream
