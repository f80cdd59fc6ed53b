#include "tests/sim/amqp_wire.hpp"

#include <algorithm>

namespace bridge55::sim {
namespace {

constexpr char kFrameEnd = '\xce';
constexpr std::size_t kHead = 7;
constexpr std::size_t kMostFrame = 16U << 20;

void append_number(std::string& out, std::uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
    out += static_cast<char>(value >> shift);
}

std::uint64_t number_at(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i)
    value = value << 8 | static_cast<std::uint8_t>(bytes[at + i]);
  return value;
}

}  // namespace

AmqpMethod::AmqpMethod(std::uint16_t channel, std::uint32_t method) {
  bytes_ += '\1';
  append_number(bytes_, channel, 2);
  append_number(bytes_, 0, 4);  // the size, when all is there
  append_number(bytes_, method, 4);
}

AmqpMethod& AmqpMethod::u8(unsigned value) {
  append_number(bytes_, value, 1);
  return *this;
}

AmqpMethod& AmqpMethod::u16(unsigned value) {
  append_number(bytes_, value, 2);
  return *this;
}

AmqpMethod& AmqpMethod::u32(std::uint32_t value) {
  append_number(bytes_, value, 4);
  return *this;
}

AmqpMethod& AmqpMethod::u64(std::uint64_t value) {
  append_number(bytes_, value, 8);
  return *this;
}

AmqpMethod& AmqpMethod::shortstr(std::string_view text) {
  append_number(bytes_, std::min<std::size_t>(text.size(), 255), 1);
  bytes_ += text.substr(0, 255);
  return *this;
}

AmqpMethod& AmqpMethod::longstr(std::string_view text) {
  append_number(bytes_, text.size(), 4);
  bytes_ += text;
  return *this;
}

std::string AmqpMethod::done() {
  std::string size;
  append_number(size, bytes_.size() - kHead, 4);
  bytes_.replace(3, 4, size);
  return bytes_ + kFrameEnd;
}

std::string amqp_heartbeat() {
  return std::string("\x08\0\0\0\0\0\0", kHead) + kFrameEnd;
}

std::string amqp_capabilities() {
  std::string inner;
  // Without the first, RabbitMQ answers a wrong password by closing the connection without a word.
  for (const std::string_view name : {"authentication_failure_close", "consumer_cancel_notify"}) {
    append_number(inner, name.size(), 1);
    inner.append(name).append("t\1");
  }
  std::string table =
      "\x0c"
      "capabilitiesF";
  append_number(table, inner.size(), 4);
  return table + inner;
}

std::string_view AmqpArguments::take(std::size_t size) {
  const auto piece = rest_.substr(0, size);
  rest_.remove_prefix(piece.size());
  return piece;
}

std::uint64_t AmqpArguments::number(std::size_t bytes) {
  const auto piece = take(bytes);
  return number_at(piece, 0, piece.size());
}

std::string_view AmqpArguments::shortstr() {
  const auto size = static_cast<std::size_t>(number(1));
  return take(size);
}

std::string_view AmqpArguments::longstr() {
  const auto size = static_cast<std::size_t>(number(4));
  return take(size);
}

std::optional<AmqpFrame> take_amqp_frame(std::string_view bytes, std::size_t& used, bool& broken) {
  if (bytes.size() < kHead) return std::nullopt;
  AmqpFrame frame;
  frame.type = static_cast<std::uint8_t>(bytes[0]);
  frame.channel = static_cast<std::uint16_t>(number_at(bytes, 1, 2));
  const auto size = static_cast<std::size_t>(number_at(bytes, 3, 4));
  const bool known = frame.type == 1 || frame.type == 2 || frame.type == 3 || frame.type == 8;
  if (!known || size > kMostFrame || (frame.type == 1 && size < 4)) broken = true;
  if (broken || bytes.size() < kHead + size + 1) return std::nullopt;
  if (bytes[kHead + size] != kFrameEnd) {
    broken = true;
    return std::nullopt;
  }
  frame.payload = bytes.substr(kHead, size);
  if (frame.type == 1) {
    frame.method = static_cast<std::uint32_t>(number_at(frame.payload, 0, 4));
    frame.payload.remove_prefix(4);
  }
  used = kHead + size + 1;
  return frame;
}

bool AmqpAssembly::take(const AmqpFrame& frame) {
  AmqpArguments arguments(frame.payload);
  if (frame.type == 1) {
    arguments.shortstr();  // the consumer tag
    delivery_.tag = arguments.number(8);
    arguments.number(1);  // redelivered
    delivery_.exchange = arguments.shortstr();
    delivery_.routing_key = arguments.shortstr();
    return false;
  }
  if (frame.type == 2) {
    arguments.number(4);  // class and weight
    left_ = arguments.number(8);
    const auto flags = arguments.number(2);
    const bool typed = (flags & 0x8000) != 0;
    delivery_.content_type = typed ? arguments.shortstr() : std::string_view();
    delivery_.body.clear();
    return left_ == 0;
  }
  delivery_.body += frame.payload;
  left_ -= std::min<std::uint64_t>(left_, frame.payload.size());
  return left_ == 0;
}

}  // namespace bridge55::sim
