#include "bridges/upstream/acks.hpp"

#include "daemon/events/json.hpp"

#include <algorithm>
#include <stdexcept>

namespace bridge55::upstream {
namespace {

events::JsonTemplate compile(std::string_view text) {
  auto compiled = events::JsonTemplate::compile(text);
  if (const auto* wrong = std::get_if<std::string>(&compiled)) throw std::invalid_argument("ack: " + *wrong);
  return std::get<events::JsonTemplate>(std::move(compiled));
}

std::string_view digits(std::string_view token) {
  return json::is_string(token) ? token.substr(1, token.size() - 2) : token;
}

// By value: the highest seq is the one that a batch acknowledgement names.
bool below(std::string_view a, std::string_view b) {
  a = digits(a);
  b = digits(b);
  return json::looks_like_number(a) && json::looks_like_number(b) && json::compare_numbers(a, b) < 0;
}

}  // namespace

Acks::Acks(std::string_view ack_template) : template_(compile(ack_template)) {}

void Acks::restart(bool on, bool batch) {
  on_ = on;
  batch_ = batch;
  open_.clear();
}

void Acks::taken(events::EventId id, std::string_view seq, std::string_view channel,
                 std::string_view subscription) {
  last_taken_ = id;
  if (on_) open_.push_back({id, std::string(seq), json::quoted(channel), std::string(subscription)});
}

void Acks::repeated(std::string_view seq, std::string_view channel, std::string_view subscription) {
  if (on_) open_.push_back({last_taken_, std::string(seq), json::quoted(channel), std::string(subscription)});
}

void Acks::settled(events::EventId provisional, events::EventId id) {
  if (last_taken_ == provisional) last_taken_ = id;
  for (Open& message : open_) {
    if (message.id == provisional) message.id = id;
  }
}

std::vector<std::string> Acks::durable(events::EventId id) {
  durable_ = std::max(durable_, id);
  std::vector<std::string> messages;
  const Open* highest = nullptr;
  std::size_t count = 0;
  for (; count < open_.size() && open_[count].id <= durable_; ++count) {
    const Open& message = open_[count];
    if (!batch_) {
      messages.push_back(render(message));
    } else if (highest == nullptr || !below(message.seq, highest->seq)) {
      highest = &message;
    }
  }
  if (highest != nullptr) messages.push_back(render(*highest));
  open_.erase(open_.begin(), open_.begin() + static_cast<std::ptrdiff_t>(count));
  return messages;
}

std::string Acks::render(const Open& message) const {
  return template_.render([&message](std::string_view name) -> std::string_view {
    if (name == "seq") return message.seq;
    if (name == "channel") return message.channel;
    if (name == "subscription") return message.subscription;
    return {};
  });
}

}  // namespace bridge55::upstream
