#include "tests/sim/session.hpp"

#include <algorithm>
#include <charconv>

#include <nlohmann/json.hpp>

namespace bridge55::sim {
namespace {

using nlohmann::json;

void append_number(std::string& out, std::int64_t value) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, end);
}

constexpr std::size_t kLoginsKept = 50;

/// The login as received, its key masked, for GET /stats.
std::string for_display(json message) {
  for (const char* field : {"apiKey", "api_key"}) {
    if (message.contains(field) && message[field].is_string())
      message[field] = masked(message[field].get<std::string>());
  }
  return message.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

Session::Session(Vendor& vendor, ClientLink& link, Api api, TimePoint now)
    : vendor_(vendor), link_(link), api_(api), connected_(now) {}

Session::~Session() {
  release();
}

void Session::release() {
  if (key_ == nullptr) return;
  --key_->connections;
  if (reliable_) {
    for (auto* queue : {&unacked_, &waiting_}) {
      for (auto& held : *queue) {
        held.again = held.again || held.seq != 0;
        held.seq = 0;
        key_->undelivered.push_back(std::move(held));
      }
      queue->clear();
    }
  }
  key_ = nullptr;
  subscribed_ = false;
}

void Session::error(std::string_view message) {
  ++vendor_.stats_of(api_).errors_out;
  control(json{{"type", "error"}, {"message", message}}.dump(-1, ' ', false, json::error_handler_t::replace));
}

void Session::refuse(std::string_view message, std::uint16_t code) {
  ++vendor_.stats_of(api_).refused;
  error(message);
  closing_ = true;
  link_.close(code, message);
}

void Session::on_message(std::string_view text, TimePoint now) {
  if (closing_) return;
  const json message = json::parse(text, nullptr, false);
  if (message.is_discarded()) return error("Invalid JSON");
  const auto type = message.is_object() ? message.find("type") : message.end();
  if (!message.is_object() || type == message.end() || !type->is_string())
    return error("Missing message type");
  const auto name = type->get<std::string>();
  if (name == "login" || name == "subscribe") {
    auto& logins = vendor_.stats_of(api_).last_logins;
    logins.push_back(for_display(message));
    if (logins.size() > kLoginsKept) logins.pop_front();
  }
  if (api_ == Api::abp) return abp_message(name, text, now);
  mm_message(name, text, now);
}

/// An absent or empty list means every channel; names that the API does not have are ignored.
bool Session::read_channels(std::string_view text, std::uint64_t& filter) {
  const json message = json::parse(text);
  const auto channels = channels_of(api_);
  filter = ~std::uint64_t{0};
  const auto given = message.find("channels");
  if (given == message.end() || given->is_null()) return true;
  if (!given->is_array()) return false;
  if (given->empty()) return true;
  filter = std::uint64_t{1} << kUnknownChannel;
  for (const auto& name : *given) {
    if (!name.is_string()) return false;
    for (std::size_t i = 0; i < channels.size(); ++i) {
      if (channels[i].name == name.get<std::string>()) filter |= std::uint64_t{1} << i;
    }
  }
  return true;
}

bool Session::take_slot(const Login& login) {
  KeyEntry* entry = vendor_.find_key(api_, login.key);
  if (entry->connections >= vendor_.options.connections_per_key) return false;
  key_ = entry;
  ++entry->connections;
  filter_ = login.filter;
  if (api_ == Api::abp && vendor_.options.abp_earlier_events)
    filter_ &= ~(std::uint64_t{1} << 5);  // no betslip then
  reliable_ = login.reliable;
  camel_ = login.camel;
  subscription_ = ++vendor_.last_subscription;
  next_seq_ = 1;
  subscribed_ = true;
  ++vendor_.stats_of(api_).logins;
  return true;
}

std::string Session::channels_json() const {
  std::string text = "[";
  const auto channels = channels_of(api_);
  for (std::size_t i = 0; i < channels.size(); ++i) {
    if ((filter_ >> i & 1) == 0) continue;
    if (text.size() > 1) text += ", ";
    text += '"';
    text += channels[i].name;
    text += '"';
  }
  return text + "]";
}

bool Session::wants(const Message& message) const {
  if ((filter_ >> message.channel & 1) == 0) return false;
  if (message.client.empty()) return true;
  const auto channels = channels_of(api_);
  const bool global = message.channel >= channels.size() || channels[message.channel].global;
  return global || message.client == key_->key.client;
}

void Session::deliver(const Message& message) {
  if (!subscribed_ || closing_ || !wants(message)) return;
  if (lose_ > 0) {
    --lose_;
    ++next_seq_;
    return;
  }
  const auto limit = vendor_.options.queue;
  if (limit != 0 && link_.queued() + waiting_.size() >= limit) {
    auto& stats = vendor_.stats_of(api_);
    if (link_.stalled()) {  // a frozen vendor closes nothing, but its buffer is as full
      ++stats.dropped;
      ++next_seq_;
      return;
    }
    ++stats.overflows;
    closing_ = true;
    return link_.close(1013, "Output queue full");
  }
  Held held{0, message.channel, message.ts_ms, {}, false};
  if (reliable_) {
    held.body = message.body;
    if (!waiting_.empty() || unacked_.size() >= vendor_.options.window) {
      waiting_.push_back(std::move(held));
      return;
    }
    return emit(std::move(held));
  }
  ++vendor_.stats_of(api_).sent[message.channel];
  tail_.clear();
  if (api_ == Api::abp) {
    tail_ += ",\"ts\":";
    append_number(tail_, message.ts_ms);
    tail_ += ",\"seq\":";
    append_number(tail_, static_cast<std::int64_t>(next_seq_));
  }
  ++next_seq_;
  tail_ += '}';
  if (!vendor_.options.bench) last_data_.assign(message.body).append(tail_);
  link_.send("data", message.body, tail_);
}

void Session::emit(Held&& held) {
  held.seq = next_seq_++;
  tail_.assign(",\"ts\":");
  append_number(tail_, held.ts_ms);
  tail_ += ",\"seq\":";
  append_number(tail_, static_cast<std::int64_t>(held.seq));
  tail_ += ",\"requireAck\":true}";
  auto& stats = vendor_.stats_of(api_);
  ++stats.sent[held.channel];
  if (held.again) ++stats.redelivered;
  if (!vendor_.options.bench) last_data_.assign(held.body).append(tail_);
  link_.send(held.again ? "redelivered" : "data", held.body, tail_);
  unacked_.push_back(std::move(held));
}

void Session::send_waiting() {
  while (!waiting_.empty() && unacked_.size() < vendor_.options.window) {
    Held held = std::move(waiting_.front());
    waiting_.pop_front();
    emit(std::move(held));
  }
}

void Session::redeliver() {
  auto& left = key_->undelivered;
  std::deque<Held> others;
  for (auto& held : left) {
    const bool wanted = (filter_ >> held.channel & 1) != 0;
    (wanted ? waiting_ : others).push_back(std::move(held));
  }
  left = std::move(others);
  send_waiting();
}

void Session::seq_hole(std::uint64_t size, bool lose) {
  if (lose) {
    lose_ += size;
  } else {
    next_seq_ += size;
  }
}

void Session::duplicate() {
  if (!last_data_.empty()) link_.send("duplicate", last_data_, {});
}

void Session::tick(TimePoint now) {
  if (closing_) return;
  if (!subscribed_ && subscription_ == 0) {
    if (now - connected_ < vendor_.options.times.login) return;
    ++vendor_.stats_of(api_).login_timeouts;
    closing_ = true;
    return link_.close(1008, api_ == Api::abp ? "Login timeout" : "Subscribe timeout");
  }
  if (api_ == Api::abp) return tick_abp(now);
  if (!subscribed_ || now < next_beat_) return;
  next_beat_ = now + vendor_.options.times.heartbeat;
  control(R"({"type": "heartbeat"})");
}

}  // namespace bridge55::sim
