#pragma once
// As much of AMQP 0-9-1 as a consumer needs: frames, method arguments, the assembly of deliveries. No sockets
// here.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bridge55::sim {

/// A method's class and number in one.
constexpr std::uint32_t amqp_method(std::uint16_t cls, std::uint16_t number) {
  return static_cast<std::uint32_t>(cls) << 16 | number;
}

namespace amqp {
inline constexpr auto kStart = amqp_method(10, 10), kStartOk = amqp_method(10, 11),
                      kTune = amqp_method(10, 30), kTuneOk = amqp_method(10, 31), kOpen = amqp_method(10, 40),
                      kOpenOk = amqp_method(10, 41), kClose = amqp_method(10, 50),
                      kCloseOk = amqp_method(10, 51), kChannelOpen = amqp_method(20, 10),
                      kChannelOpenOk = amqp_method(20, 11), kChannelClose = amqp_method(20, 40),
                      kChannelCloseOk = amqp_method(20, 41), kDeclare = amqp_method(50, 10),
                      kDeclareOk = amqp_method(50, 11), kBind = amqp_method(50, 20),
                      kBindOk = amqp_method(50, 21), kQos = amqp_method(60, 10), kQosOk = amqp_method(60, 11),
                      kConsume = amqp_method(60, 20), kConsumeOk = amqp_method(60, 21),
                      kCancel = amqp_method(60, 30), kDeliver = amqp_method(60, 60),
                      kAck = amqp_method(60, 80);
}  // namespace amqp

/// Writes one method frame.
class AmqpMethod {
 public:
  AmqpMethod(std::uint16_t channel, std::uint32_t method);
  AmqpMethod& u8(unsigned value);
  AmqpMethod& u16(unsigned value);
  AmqpMethod& u32(std::uint32_t value);
  AmqpMethod& u64(std::uint64_t value);
  AmqpMethod& shortstr(std::string_view text);
  AmqpMethod& longstr(std::string_view text);
  std::string done();

 private:
  std::string bytes_;
};

std::string amqp_heartbeat();
/// The field table {"capabilities": {name: true…}}, as longstr() takes it.
std::string amqp_capabilities();

/// Reads arguments one after the other; what is not there reads as 0 or empty.
class AmqpArguments {
 public:
  explicit AmqpArguments(std::string_view bytes) : rest_(bytes) {}
  std::uint64_t number(std::size_t bytes);
  std::string_view shortstr();
  std::string_view longstr();

 private:
  std::string_view take(std::size_t size);
  std::string_view rest_;
};

struct AmqpFrame {
  std::uint8_t type = 0;  ///< 1 method, 2 header, 3 body, 8 heartbeat
  std::uint16_t channel = 0;
  std::string_view payload;  ///< of a method: behind its number
  std::uint32_t method = 0;
};

/// The first frame of `bytes`; `used` says where the next begins. Nothing where it is not complete, or
/// `broken` where it is no frame.
std::optional<AmqpFrame> take_amqp_frame(std::string_view bytes, std::size_t& used, bool& broken);

struct AmqpDelivery {
  std::uint64_t tag = 0;
  std::string exchange, routing_key, content_type, body;
};

/// Puts deliveries together out of their frames.
class AmqpAssembly {
 public:
  /// Takes a deliver method, a header or a body. True where a delivery is complete now.
  bool take(const AmqpFrame& frame);
  const AmqpDelivery& delivery() const { return delivery_; }

 private:
  AmqpDelivery delivery_;
  std::uint64_t left_ = 0;
};

}  // namespace bridge55::sim
