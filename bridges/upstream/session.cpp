#include "bridges/upstream/session.hpp"

#include "bridges/upstream/reports.hpp"
#include "daemon/events/json.hpp"

#include <algorithm>

namespace bridge55::upstream {
namespace {

using namespace std::chrono_literals;

// A redelivery comes right behind the login.
constexpr auto kRepeatWindow = 10s;
// Vendor docs, ABP WebSocket, "Connection limits": 100 messages wait for their acknowledgement; a few more,
// because nobody says whether the window is checked before or after a send.
constexpr std::uint64_t kWindow = 100, kWindowSlack = 4;
constexpr auto kStallAfter = 10s;
// A feed may be quiet at its hundredth message: how much longer than its usual pause makes it a stall.
constexpr int kStallPauses = 20;
constexpr auto kStallAtLast = 10min;
constexpr std::string_view kStallReason =
    "stalled at 100 unacknowledged messages; logging in without reliable delivery";
// Less than this without a whole message is a trickle, not a slow transfer.
constexpr std::size_t kRealProgress = 64u << 10;
constexpr std::size_t kMaxNotes = 200;

std::string seconds_of(config::Duration duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(duration).count()) + " s";
}

}  // namespace

Session::Session(const Parts& parts)
    : settings_(parts.settings),
      slot_(parts.slot),
      protocol_(parts.protocol),
      actions_(parts.actions),
      acks_(parts.settings.ack) {}

void Session::opened(Now now) {
  up_ = restart_announced_ = had_seq_ = false;
  end_.reset();
  subscription_.clear();
  last_error_.clear();
  acks_.restart(false, false);
  tracker_.restart();
  received_at_ = sent_at_ = data_at_ = now.steady;
  last_traffic_at_ = now.wall;
  login_until_ = now.steady + settings_.timeouts.login;
  unfinished_bytes_ = 0;
  data_since_login_ = 0;
  const std::string login = protocol_.login(asks_reliable());
  if (!login.empty()) send(login, now);
  if (!protocol_.login_is_answered()) come_up(now);
}

void Session::come_up(Now now) {
  up_ = true;
  up_since_ = data_at_ = now.steady;
  actions_.logged_in(subscription_, in_.channels);
}

void Session::progress(std::size_t bytes, Now now) {
  unfinished_bytes_ += bytes;
  if (unfinished_bytes_ < kRealProgress) return;
  unfinished_bytes_ = 0;
  received_at_ = now.steady;
}

void Session::read_again(Now now) {
  received_at_ = now.steady;
}

void Session::received(const ws::Message& message, Now now) {
  if (end_) return;
  received_at_ = now.steady;
  last_traffic_at_ = now.wall;
  unfinished_bytes_ = 0;
  switch (message.kind) {
    case ws::Kind::ping:
      sent_at_ = now.steady;
      return actions_.send_control(ws::Kind::pong, message.data);
    case ws::Kind::pong:
      return;
    case ws::Kind::close: {
      End end = end_of_close({message.close_code, message.data, last_error_, up_});
      return finish(std::move(end));
    }
    case ws::Kind::too_large:
      return quarantine("too large", message);
    case ws::Kind::binary:
      if (protocol_.takes_binary()) return take_binary(message.data, now);
      return quarantine("binary frame", message);
    case ws::Kind::text:
      if (!message.valid_utf8) return quarantine("not UTF-8", message);
      take_text(message.data, now);
      if (in_.type == Incoming::Type::broken) quarantine(in_.reason, message);
  }
}

void Session::take_text(std::string_view frame, Now now) {
  protocol_.read(frame, in_);
  switch (in_.type) {
    case Incoming::Type::data:
      return take_data(in_, now);
    case Incoming::Type::ready:
      return take_ready(in_, now);
    case Incoming::Type::ping:
      return send(protocol_.pong(), now);
    case Incoming::Type::alive:
    case Incoming::Type::broken:
      return;
    case Incoming::Type::error:
      return take_error(in_.message);
    case Incoming::Type::reconnect:
      restart_announced_ = true;
      return actions_.log(false, "upstream announces that it will close and be back", in_.message);
    case Incoming::Type::other:
      actions_.count(Counter::ignored);
      return note_once("message of a type that is not known, ignored", in_.type_name);
  }
}

void Session::take_data(Incoming& in, Now now) {
  events::Facts& facts = in.facts;
  facts.source = settings_.name;
  facts.subscription = subscription_;
  ++data_since_login_;
  data_at_ = now.steady;
  if (!check_seq(in, now)) return;
  const bool may_repeat = acks_.on() && now.steady < up_since_ + kRepeatWindow;
  const events::EventId id = actions_.publish(facts, may_repeat);
  last_event_at_ = now.wall;
  if (!acks_.on() || facts.seq.empty() || !in.require_ack) return;
  if (id != 0) {
    acks_.taken(id, facts.seq, facts.channel, subscription_);
    send_acks(0, now);  // what another session brought may be durable already
  } else {
    actions_.count(Counter::duplicate);
    acks_.repeated(facts.seq, facts.channel, subscription_);
    send_acks(0, now);
  }
}

// False where the frame is a duplicate and goes no further.
bool Session::check_seq(const Incoming& in, Now now) {
  using Verdict = SeqTracker::Verdict;
  const events::Facts& facts = in.facts;
  const Verdict verdict = tracker_.see(facts.seq, facts.raw);
  if (!facts.seq.empty() && verdict != Verdict::unreadable) last_seq_ = facts.seq;
  switch (verdict) {
    case Verdict::fine:
    case Verdict::late:
      had_seq_ = true;
      return true;
    case Verdict::absent:
      if (had_seq_) note_once("data frame without seq", facts.channel);
      return true;
    case Verdict::unreadable:
      note_once("seq that is no counter", facts.seq.substr(0, 64));
      return true;
    case Verdict::altered:
      note_once("seq repeated with other bytes: taken as an event of its own", facts.seq);
      return true;
    case Verdict::hole:
      say_hole("seq", now);
      return true;
    case Verdict::reset:
      say_hole("seq_reset", now);
      return true;
    case Verdict::duplicate:
      actions_.count(Counter::duplicate);
      if (in.require_ack) acks_.repeated(facts.seq, facts.channel, subscription_);
      send_acks(0, now);
      return false;
  }
  return true;
}

// Nothing can be read back yet, so a hole is closed as unrecovered at once.
void Session::say_hole(std::string_view reason, Now now) {
  SeqHole hole;
  hole.reason = reason;
  hole.subscription = subscription_;
  hole.expected = tracker_.expected();
  hole.received = tracker_.received();
  hole.from = last_event_at_ != 0 ? last_event_at_ : now.wall;
  hole.to = now.wall;
  const std::string payload = seq_gap_json({settings_.name, slot_}, hole);
  actions_.count(Counter::gap_detected);
  actions_.say("gap", "DETECTED", payload);
  actions_.count(Counter::gap_unrecovered);
  actions_.say("gap", "UNRECOVERED", payload);
}

void Session::take_binary(std::string_view bytes, Now now) {
  const std::string payload = "\"" + json::base64(bytes) + "\"";
  events::Facts facts;
  facts.source = facts.channel = settings_.name;
  facts.name = "MESSAGE";
  facts.payload = payload;
  facts.base64 = true;
  actions_.publish(facts, false);
  last_event_at_ = now.wall;
}

void Session::take_ready(const Incoming& in, Now now) {
  subscription_ = in.subscription;
  tracker_.restart();
  acks_.restart(in.acknowledgments && asks_reliable(), in.batch_ack);
  data_since_login_ = 0;
  actions_.answered(in.answer);
  if (!up_) come_up(now);
}

// After the login only a refusal ends a session: an answer to a message that the server does not know must
// not.
void Session::take_error(const std::string& text) {
  last_error_ = masked(text, settings_.api_key.reveal());
  const Cause cause = cause_of_words(text, up_ ? Cause::error : Cause::login);
  if (!up_ || cause != Cause::error) return finish({cause, last_error_, 0, {}});
  note_once("error message from upstream", last_error_);
}

void Session::quarantine(std::string_view reason, const ws::Message& message) {
  actions_.count(Counter::quarantined);
  QuarantinedFrame frame;
  frame.reason = reason;
  frame.bytes = message.data;
  frame.is_text = message.valid_utf8 && message.kind != ws::Kind::binary;
  frame.size = message.size;
  actions_.say("quarantine", "MESSAGE",
               quarantine_json({settings_.name, slot_}, frame, settings_.api_key.reveal()));
}

void Session::durable(events::EventId id, Now now) {
  send_acks(id, now);
}

void Session::settled(events::EventId provisional, events::EventId id, Now now) {
  acks_.settled(provisional, id);
  send_acks(0, now);
}

void Session::send_acks(events::EventId id, Now now) {
  const std::vector<std::string> messages = acks_.durable(id);
  if (end_) return;
  for (const std::string& message : messages)
    send(message, now);
}

void Session::send(std::string_view text, Now now) {
  sent_at_ = now.steady;
  actions_.send(text);
}

bool Session::may_be_stalled() const {
  return acks_.on() && acks_.open() == 0 && data_since_login_ >= kWindow &&
         data_since_login_ <= kWindow + kWindowSlack;
}

SteadyTime Session::stalled_from() const {
  const auto pause =
      (data_at_ - up_since_) / static_cast<std::int64_t>(std::max<std::uint64_t>(data_since_login_, 1));
  return data_at_ + std::clamp<SteadyClock::duration>(pause * kStallPauses, kStallAfter, kStallAtLast);
}

// On a busy feed the peer's queue overflows behind a window that does not move, and it closes before a
// silence can be noticed: once with 1013 (try again later), or twice in a row in any way.
void Session::judge_stall(End& end) {
  if (!acks_.on() || data_since_login_ == 0) return;
  if (!may_be_stalled()) {
    ends_at_window_ = 0;
  } else if (++ends_at_window_ >= 2 || end.close_code == 1013) {
    reliable_off_ = true;
    end.reason = std::string(kStallReason) + " (" + end.reason + ")";
    end.cause = Cause::stall;
  }
}

SteadyTime Session::next_tick() const {
  SteadyTime next =
      std::min(received_at_ + settings_.keep_alive.dead_after, sent_at_ + settings_.keep_alive.interval);
  if (!up_) next = std::min(next, login_until_);
  if (may_be_stalled()) next = std::min(next, stalled_from());
  return next;
}

void Session::tick(Now now) {
  if (end_) return;
  if (!up_ && now.steady >= login_until_) {
    return finish(
        {Cause::login, "no answer to the login within " + seconds_of(settings_.timeouts.login), 0, {}});
  }
  if (now.steady >= received_at_ + settings_.keep_alive.dead_after) {
    return finish({Cause::silent, "no traffic for " + seconds_of(settings_.keep_alive.dead_after), 0, {}});
  }
  if (may_be_stalled() && now.steady >= stalled_from()) {
    reliable_off_ = true;
    return finish({Cause::stall, std::string(kStallReason), 0, {}});
  }
  // Also while data flows: a peer may want to hear from us (vendor docs, MM WebSocket: client pings every 30
  // s).
  if (now.steady < sent_at_ + settings_.keep_alive.interval) return;
  if (!protocol_.ping().empty()) return send(protocol_.ping(), now);
  sent_at_ = now.steady;
  actions_.send_control(ws::Kind::ping, "bridge55");
}

void Session::broke(End end) {
  finish(std::move(end));
}

void Session::finish(End end) {
  if (end_) return;
  const bool from_outside = end.cause == Cause::closed || end.cause == Cause::reset;
  if (restart_announced_ && up_ && from_outside) end.cause = Cause::server_restart;
  if (from_outside) judge_stall(end);
  if (!last_error_.empty() && end.cause == Cause::reset) end.reason += " after: " + last_error_;
  end.reason = masked(end.reason, settings_.api_key.reveal());
  end_ = std::move(end);
  up_ = false;
}

void Session::note_once(std::string_view topic, std::string_view about) {
  if (noted_.size() >= kMaxNotes) return;
  std::string note = std::string(topic) + "\n" + std::string(about.substr(0, 200));
  if (noted_.insert(std::move(note)).second) actions_.log(true, topic, about.substr(0, 200));
}

}  // namespace bridge55::upstream
