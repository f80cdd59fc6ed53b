#include "bridges/scraping/standing/life.hpp"

#include "daemon/events/json.hpp"

#include <algorithm>

namespace bridge55::scraping::standing {
namespace {

using namespace std::chrono_literals;
using bridges::SessionState;

constexpr auto kAfterRefusal = 60s;  // contract, section 8
constexpr auto kStable = 5s;         // a relay that held so long begins its backoff anew
constexpr std::size_t kMaxReasons = 16;

}  // namespace

std::string text_member(std::string_view name, std::string_view value) {
  return ',' + json::quoted(name) + ':' + json::quoted(value);
}
std::string number_member(std::string_view name, std::uint64_t value) {
  return ',' + json::quoted(name) + ':' + std::to_string(value);
}
std::string time_member(std::string_view name, WallMicros value) {
  return value == 0 ? std::string{} : text_member(name, rfc3339(value));
}

Life::Life(const Parts& parts)
    : voice_(parts.voice),
      random_(parts.seed),
      backoff_(parts.retry.backoff, parts.retry.max_backoff),
      opening_gap_(parts.opening_gap) {}

void Life::trying(Now now) {
  const bool first = !std::exchange(ever_tried_, true);
  if (!first) ++reconnects_;
  // Once an outage: later attempts change nothing that anybody needs to hear of.
  if (state_ == SessionState::rejected || !said_.insert("").second) return;
  change(SessionState::connecting, now);
  voice_.say("session", "CONNECTING", {});
  if (first && !opening_gap_.empty()) open_gap(opening_gap_, 0, now);
}

void Life::came_up(Now now, std::string_view node) {
  was_up_ = true;
  up_since_ = now.steady;
  node_ = node;
  said_.clear();
  change(SessionState::up, now);
  voice_.say("session", "UP", node.empty() ? std::string{} : text_member("node_id", node));
  close_gap(now);
}

config::Duration Life::ended(const End& end, Now now, WallMicros heard) {
  const config::Duration delay = delay_after(end, now);
  const bool refused = end.cause == Cause::refused;
  const SessionState before = state_;
  change(refused ? SessionState::rejected : SessionState::down, now);
  reason_ = end.reason;
  const bool changed = before == SessionState::connecting || before == SessionState::up ||
                       (before == SessionState::rejected) != refused;
  const bool news = said_.size() < kMaxReasons && said_.insert(end.reason).second;
  if (changed || news) {
    std::string members = text_member("reason", end.reason) + text_member("cause", name_of(end.cause));
    if (end.close_code != 0) members += number_member("close_code", end.close_code);
    members += number_member("retry_in_ms", static_cast<std::uint64_t>(delay.count()));
    voice_.say("session", refused ? "REJECTED" : "DOWN", members);
  }
  if (was_up_ && gap_.empty()) open_gap("disconnected", heard, now);
  was_up_ = false;
  return delay;
}

config::Duration Life::delay_after(const End& end, Now now) {
  if (was_up_ && now.steady >= up_since_ + kStable) backoff_.reset();
  if (end.cause == Cause::refused) return std::max<config::Duration>(kAfterRefusal, end.retry_after);
  const double unit = std::uniform_real_distribution<double>()(random_);
  return std::max<config::Duration>(backoff_.next(unit), end.retry_after);
}

void Life::stopped(Now now) {
  change(SessionState::down, now);
  reason_ = "stopped";
  voice_.say("session", "DOWN", text_member("reason", "stopped"));
}

void Life::paused(Now now) {
  if (gap_.empty()) open_gap("paused", now.wall, now);
}

void Life::resumed(Now now) {
  if (gap_ == "paused") close_gap(now);
}

void Life::change(SessionState state, Now now) {
  if (state_ != state || since_ == 0) since_ = now.wall;
  state_ = state;
}

void Life::open_gap(std::string_view reason, WallMicros from, Now now) {
  gap_ = reason;
  gap_from_ = from;
  gap_since_ = now.wall;
  voice_.say("gap", "DETECTED", text_member("reason", reason) + time_member("from", from));
}

// Neither a target's frames nor the vendor's temporary queue can be read again: the hole stays, and that is
// said.
void Life::close_gap(Now now) {
  if (gap_.empty()) return;
  const std::string members =
      text_member("reason", gap_) + time_member("from", gap_from_) + time_member("to", now.wall);
  gap_.clear();
  voice_.say("gap", "UNRECOVERED", members);
}

}  // namespace bridge55::scraping::standing
