// Signing on, what the app says, keep-alive and outages; events are in session_events.cpp.
#include "daemon/dropin/session.hpp"

#include "config/config.hpp"
#include "daemon/local/refusal.hpp"

#include <algorithm>
#include <utility>

namespace bridge55::dropin {
namespace {

using namespace std::chrono_literals;

constexpr auto kSignOnWithin = 30s, kWaitForUpstream = 30s;
constexpr unsigned kScope = static_cast<unsigned>(config::Scope::events);
constexpr std::uint16_t kPolicy = 1008, kInternal = 1011, kRestart = 1012;
// Vendor docs, MM WebSocket, "Error messages"; ABP Error Handling, 503.
constexpr std::string_view kLimit = "Connection limit exceeded", kUnavailable = "Service unavailable";
constexpr std::string_view kPong = R"({"type":"pong"})";

}  // namespace

Session::Session(std::shared_ptr<Line> line)
    : line_(std::move(line)),
      words_(line_->dialect().words()),
      endpoint_("/" + line_->source() + std::string(words_.path)) {
  line_->add(*this);
}

Session::~Session() {
  line_->remove(*this);
}

void Session::begin(local::Voice& voice, SteadyTime now) {
  voice_ = &voice;
  until_ = now + kSignOnWithin;
  if (line_->gone()) close(kRestart, "this upstream is not in the config any more");
}

void Session::error(std::string_view message) {
  voice_->say(error_text(message));
}

void Session::refuse(std::string_view message, std::uint16_t code) {
  error(message);
  close(code, message);
}

void Session::close(std::uint16_t code, std::string_view reason) {
  state_ = State::closed;
  if (voice_ != nullptr) voice_->close(code, reason);
}

// ---- what the app says

void Session::heard(std::string_view text, SteadyTime now) {
  if (state_ == State::closed) return;
  Message message = read_message(text, line_->dialect());
  using Type = Message::Type;
  switch (message.type) {
    case Type::ping:
      return voice_->say(kPong);
    case Type::pong:
      awaits_pong_ = false;
      return;
    case Type::sign_on:
      return take_sign_on(std::move(message), now);
    case Type::ack:
      return take_ack(message);
    case Type::unsubscribe:
      return unsubscribe();
    case Type::unknown:
    case Type::broken:
      return error(message.trouble);
  }
}

void Session::heard_binary(std::string_view, SteadyTime) {
  if (state_ != State::closed) error("Invalid JSON");
}

void Session::heard_too_much(std::uint64_t, SteadyTime) {
  if (state_ != State::closed) error("Message too large");
}

void Session::take_sign_on(Message message, SteadyTime now) {
  if (state_ != State::new_app && state_ != State::idle) return error(words_.twice);
  SignOn& asked = message.sign_on;
  const auto known = voice_->sign_in(asked.key, kScope);
  if (const auto* refusal = std::get_if<local::Refusal>(&known)) {
    const Stranger why = refusal->status == 403 ? Stranger::forbidden : Stranger::unknown;
    return refuse(line_->dialect().refusal(asked, why), kPolicy);
  }
  if (!message.trouble.empty()) return refuse(message.trouble, kPolicy);
  asked_ = std::move(asked);
  asked_.key.clear();  // it is not ours to keep
  state_ = State::waiting;
  until_ = now + kWaitForUpstream;
  proceed(now);
}

void Session::take_ack(const Message& message) {
  if (state_ != State::live) return error(words_.required);
  if (!asked_.acknowledges()) return error("Reliable delivery is not enabled");
  const events::EventId through = message.cumulative ? unacked_.acknowledge_through(message.seqs.front())
                                                     : unacked_.acknowledge(message.seqs);
  if (through != 0 && !asked_.consumer.empty()) voice_->acknowledge(through);
  voice_->go_on();
}

void Session::unsubscribe() {
  if (state_ != State::live && state_ != State::waiting) return error(words_.required);
  if (state_ == State::live) voice_->stop_listening();
  state_ = State::idle;
  unacked_.clear();
  voice_->say(line_->dialect().unsubscribed(asked_, subscription_));
}

// ---- upstream

void Session::proceed(SteadyTime now) {
  if (state_ != State::waiting || !line_->up()) return;
  using Asked = Line::Asked;
  switch (line_->ask(asked_.channels, now)) {
    case Asked::all:
      return admit(now);
    case Asked::asking:
      return;
    case Asked::connection_limit:
      return refuse(kLimit, kPolicy);
    case Asked::unavailable:
      return refuse(kUnavailable, kInternal);
  }
}

void Session::admit(SteadyTime now) {
  if (asked_.consumer.empty()) {
    voice_->listen();
  } else if (!voice_->listen_as(asked_.consumer)) {
    state_ = State::closed;
    return;
  }
  channels_ = line_->granted_of(asked_);
  subscription_ = line_->next_subscription();
  voice_->say(
      line_->dialect().confirmation(Confirmation{asked_, line_->granted(), channels_, subscription_}));
  state_ = State::live;
  seq_ = offered_seq_ = 0;
  lost_events_ = awaits_pong_ = false;
  unacked_.clear();
  next_beat_ = now + words_.beat_every;
  voice_->go_on();
}

// The close comes with the next tick: what upstream told behind the hole shows it in `seq` first.
void Session::events_lost() {
  if (state_ == State::live) lost_events_ = true;
}

void Session::channels_dropped(const std::vector<std::string>& channels) {
  if (std::ranges::find_first_of(channels_, channels) != channels_.end()) events_lost();
}

void Session::upstream_gone() {
  if (state_ != State::closed) close(kRestart, "this upstream is not in the config any more");
}

void Session::tick(SteadyTime now) {
  switch (state_) {
    case State::new_app:
      if (now >= until_) close(kPolicy, words_.timed_out);
      return;
    case State::waiting:
      if (now >= until_) refuse(kUnavailable, kInternal);
      return;
    case State::live:
      if (lost_events_) return close(kRestart, "events were lost; log in again");
      if (line_->out(now)) return close(kRestart, "upstream is down; log in again");
      return beat(now);
    case State::idle:
    case State::closed:
      return;
  }
}

// An app that does not read has not seen the question: its time runs once it took what was sent.
void Session::beat(SteadyTime now) {
  if (!voice_->flows()) {
    if (awaits_pong_) asked_at_ = now;
    return;
  }
  const bool wants_pong = words_.pong_within > 0s;
  if (wants_pong && awaits_pong_ && now >= asked_at_ + words_.pong_within)
    return close(kPolicy, "Pong timeout");
  if (now < next_beat_) return;
  next_beat_ = now + words_.beat_every;
  if (!awaits_pong_) asked_at_ = now;
  awaits_pong_ = wants_pong;
  voice_->say(words_.beat);
  voice_->go_on();
}

}  // namespace bridge55::dropin
