#include "bridges/scraping/standing/ledger.hpp"

#include "daemon/base/log.hpp"
#include "daemon/events/json.hpp"

#include <algorithm>
#include <random>

namespace bridge55::scraping::standing {
namespace {

using bridges::SessionState;

constexpr std::size_t kMaxWarned = 200, kMaxAbout = 200;

Now now() {
  return {SteadyClock::now(), wall_now()};
}

bool holds(const std::vector<Named>& all, const std::string& name) {
  return std::any_of(all.begin(), all.end(), [&](const Named& one) { return one.name == name; });
}

}  // namespace

Ledger::Ledger(Parts parts)
    : hub_(parts.hub),
      metrics_(parts.metrics),
      relay_(std::move(parts.relay)),
      secrets_(std::move(parts.secrets)),
      life_({parts.retry, *this, std::move(parts.opening_gap), std::random_device{}()}) {}

void Ledger::keep_names(const std::vector<Named>& names, std::string_view gone_for) {
  std::vector<Named> kept = names_;
  std::erase_if(kept, [&](const Named& one) { return !holds(names, one.name); });
  set_names(std::move(kept), gone_for);
}

void Ledger::set_names(std::vector<Named> names, std::string_view gone_for) {
  std::vector<Named> before = std::exchange(names_, std::move(names));
  for (const Named& one : before) {
    if (holds(names_, one.name)) continue;
    one.open->up = false;
    say_to(one, "session", "DOWN", text_member("reason", gone_for));
  }
  // Before the first attempt everybody hears what comes.
  if (life_.since() == 0) return;
  for (const Named& one : names_) {
    if (holds(before, one.name)) continue;
    const bool up = is_up();
    say_to(one, "session", up ? "UP" : "CONNECTING",
           up && !life_.node().empty() ? text_member("node_id", life_.node()) : std::string{});
  }
  show_up();
}

void Ledger::fall_silent() {
  silent_ = true;
  names_.clear();
}

void Ledger::trying() {
  const bool again = life_.since() != 0;
  life_.trying(now());
  if (!again || silent_) return;
  for (const Named& one : names_) {
    metrics_
        .counter("bridge55_relay_reconnects_total", "Attempts to open a standing relay again.",
                 {{"relay", one.name}})
        .add();
  }
}

void Ledger::came_up(std::string_view node) {
  heard();
  life_.came_up(now(), node);
  show_up();
}

config::Duration Ledger::ended(End end) {
  end.reason = masked(std::move(end.reason));
  const config::Duration delay = life_.ended(end, now(), heard_at_);
  show_up();
  return delay;
}

void Ledger::stopped() {
  life_.stopped(now());
  show_up();
}

void Ledger::paused() {
  life_.paused(now());
}
void Ledger::resumed() {
  life_.resumed(now());
}

void Ledger::show_up() {
  for (const Named& one : names_)
    one.open->up = is_up();
}

void Ledger::publish(events::Facts facts) {
  ++figures_.received;
  facts.source = relay_.upstream;
  facts.name = "MESSAGE";
  // An event without raw bytes has its payload's: that a text frame was empty has to be said.
  std::string marked;
  if (facts.raw.empty() && !facts.base64) {
    marked.append(facts.relay.substr(0, facts.relay.size() - 1)).append(kEmptyMark);
    facts.relay = marked;
  }
  for (const Named& one : names_) {
    facts.channel = one.name;
    hub_.publish(facts);
  }
  heard_at_ = figures_.last_event_at = wall_now();
}

void Ledger::quarantine(const Unfit& unfit) {
  ++figures_.quarantined;
  heard();
  std::string members = text_member("reason", unfit.reason) + number_member("size", unfit.size);
  members += unfit.is_text ? text_member("text", masked(std::string(unfit.bytes)))
                           : ",\"base64\":\"" + json::base64(unfit.bytes) + '"';
  say("quarantine", "MESSAGE", members);
  if (silent_) return;
  metrics_
      .counter("bridge55_session_quarantined_total", "Upstream frames that could not be understood.",
               {{"source", relay_.upstream}})
      .add();
}

void Ledger::polled(Polled what) {
  ++figures_.polls;
  if (what == Polled::unchanged) ++figures_.unchanged;
  if (what == Polled::blocked) ++figures_.blocked;
  if (what == Polled::failed) ++figures_.failed;
  if (what == Polled::fresh || what == Polled::unchanged) heard();
  if (silent_) return;
  for (const Named& one : names_) {
    metrics_
        .counter("bridge55_relay_polls_total", "Polls of standing fetch relays, by what became of them.",
                 {{"relay", one.name}, {"result", std::string(name_of(what))}})
        .add();
  }
}

void Ledger::flush() {
  if (!silent_) hub_.flush();
}

bool Ledger::must_pause() const {
  return !silent_ && hub_.must_pause();
}

void Ledger::warn_once(std::string_view topic, std::string_view about) {
  if (silent_ || warned_.size() >= kMaxWarned) return;
  const std::string said = masked(std::string(about.substr(0, kMaxAbout)));
  if (!warned_.insert(std::string(topic) + '\n' + said).second) return;
  log::warning(topic, {{"relay", names_.empty() ? "" : names_.front().name}, {"about", said}});
}

void Ledger::say(std::string_view channel, std::string_view event, std::string_view members) {
  for (const Named& one : names_)
    say_to(one, channel, event, members);
}

void Ledger::say_to(const Named& named, std::string_view channel, std::string_view event,
                    std::string_view members) {
  if (silent_) return;
  std::string payload = "{\"source\":" + json::quoted(relay_.upstream) + text_member("relay", named.name);
  payload.append(members).append("}");
  hub_.say(channel, event, payload, relay_.upstream);
  if (channel == "gap") {
    const char* result = event == "DETECTED" ? "detected" : "unrecovered";
    metrics_
        .counter("bridge55_gaps_total", "Gaps in what upstream told, by what became of them.",
                 {{"source", relay_.upstream}, {"result", result}})
        .add();
    log::warning(
        event == "DETECTED" ? "what the relay said may be missing" : "what the relay said meanwhile is lost",
        {{"relay", named.name}, {"reason", json::text(json::find(payload, "reason"))}});
  }
  if (channel != "session") return;
  const auto write = event == "DOWN" || event == "REJECTED" ? &log::warning : &log::info;
  const std::string message = "relay " + std::string(event);
  const std::string reason = json::text(json::find(payload, "reason"));
  if (reason.empty()) return write(message, {{"relay", named.name}, {"source", relay_.upstream}});
  write(message, {{"relay", named.name}, {"source", relay_.upstream}, {"about", reason}});
}

std::string Ledger::masked(std::string text) const {
  for (const std::string& secret : secrets_) {
    for (std::size_t at = text.find(secret); at != text.npos; at = text.find(secret, at + 3))
      text.replace(at, secret.size(), "***");
  }
  return text;
}

}  // namespace bridge55::scraping::standing
