#include "tests/sim/amqp_consumer.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace bridge55::sim {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kReadSize = 131072;
constexpr unsigned kPrefetch = 500;
constexpr std::uint32_t kFrameMax = 131072;
constexpr std::uint8_t kExclusive = 4, kAutoDelete = 8;

}  // namespace

AmqpConsumer::AmqpConsumer(const asio::any_io_executor& executor)
    : dial_(executor), sent_(executor, TimePoint::max()) {}

asio::awaitable<bool> AmqpConsumer::send(std::string bytes) {
  boost::system::error_code ignored;
  while (writing_)
    co_await sent_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  writing_ = true;
  last_sent_ = Clock::now();
  const bool written = co_await dial_.stream()->write(bytes);
  writing_ = false;
  sent_.cancel();
  co_return written;
}

asio::awaitable<std::string> AmqpConsumer::more() {
  buffer_.erase(0, at_);
  at_ = 0;
  const auto before = buffer_.size();
  buffer_.resize(before + kReadSize);
  reading_ = true;
  last_read_ = Clock::now();
  const std::size_t size =
      co_await dial_.stream()->read_some(asio::buffer(buffer_.data() + before, kReadSize));
  reading_ = false;
  last_read_ = Clock::now();
  buffer_.resize(before + size);
  co_return size > 0 ? std::string() : std::string("connection closed");
}

/// The next whole frame into frame_; false where there is none yet, or the broker has ended us.
bool AmqpConsumer::take_frame() {
  std::size_t used = 0;
  const auto frame = take_amqp_frame(std::string_view(buffer_).substr(at_), used, broken_);
  if (broken_) error_ = "no AMQP frame";
  if (!frame) return false;
  frame_ = *frame;
  at_ += used;
  if (frame_.type != 1) return true;
  AmqpArguments arguments(frame_.payload);
  if (frame_.method == amqp::kClose || frame_.method == amqp::kChannelClose) {
    arguments.number(2);
    error_ = arguments.shortstr();
    return false;
  }
  if (frame_.method == amqp::kCancel) error_ = "consumer cancelled by the broker";
  return error_.empty();
}

/// Sends a method and waits for its answer.
asio::awaitable<std::string> AmqpConsumer::call(std::string request, std::uint32_t answer) {
  const bool written = co_await send(std::move(request));
  if (!written) co_return "connection closed";
  for (;;) {
    while (take_frame()) {
      if (frame_.type == 1 && frame_.method == answer) co_return std::string();
    }
    if (!error_.empty()) co_return error_;
    std::string wrong = co_await more();
    if (!wrong.empty()) co_return wrong;
  }
}

asio::awaitable<std::string> AmqpConsumer::open(const AmqpOrder& order, const std::string& queue) {
  const Endpoint endpoint{order.ssl, order.host, std::to_string(order.port)};
  std::string wrong = co_await dial_.open(endpoint);
  if (wrong.empty()) wrong = co_await login(order);
  if (wrong.empty()) wrong = co_await make_queue(order, queue);
  co_return wrong;
}

asio::awaitable<std::string> AmqpConsumer::login(const AmqpOrder& order) {
  std::string bytes("AMQP\0\0\x09\x01", 8);
  std::string wrong = co_await call(std::move(bytes), amqp::kStart);
  if (!wrong.empty()) co_return wrong;
  const std::string secret = '\0' + order.username + '\0' + order.password;
  bytes = AmqpMethod(0, amqp::kStartOk)
              .longstr(amqp_capabilities())
              .shortstr("PLAIN")
              .longstr(secret)
              .shortstr("en_US")
              .done();
  wrong = co_await call(std::move(bytes), amqp::kTune);
  if (!wrong.empty()) co_return wrong;
  AmqpArguments tune(frame_.payload);
  const auto channels = static_cast<unsigned>(tune.number(2));
  const auto offered = static_cast<std::uint32_t>(tune.number(4));
  tune.number(2);  // the broker's heartbeat: the client's wish counts
  const std::uint32_t frame_max = offered == 0 ? kFrameMax : std::min(offered, kFrameMax);
  bytes = AmqpMethod(0, amqp::kTuneOk).u16(channels).u32(frame_max).u16(order.heartbeat).done();
  bytes += AmqpMethod(0, amqp::kOpen).shortstr(order.virtual_host).shortstr("").u8(0).done();
  wrong = co_await call(std::move(bytes), amqp::kOpenOk);
  heartbeat_ = std::chrono::seconds(order.heartbeat);
  co_return wrong;
}

asio::awaitable<std::string> AmqpConsumer::make_queue(const AmqpOrder& order, const std::string& queue) {
  std::string bytes = AmqpMethod(1, amqp::kChannelOpen).shortstr("").done();
  std::string wrong = co_await call(std::move(bytes), amqp::kChannelOpenOk);
  if (!wrong.empty()) co_return wrong;
  bytes = AmqpMethod(1, amqp::kDeclare).u16(0).shortstr(queue).u8(kExclusive | kAutoDelete).u32(0).done();
  wrong = co_await call(std::move(bytes), amqp::kDeclareOk);
  if (!wrong.empty()) co_return wrong;
  if (!order.exchange.empty()) {
    bytes = AmqpMethod(1, amqp::kBind)
                .u16(0)
                .shortstr(queue)
                .shortstr(order.exchange)
                .shortstr(order.routing_key)
                .u8(0)
                .u32(0)
                .done();
    wrong = co_await call(std::move(bytes), amqp::kBindOk);
    if (!wrong.empty()) co_return wrong;
  }
  bytes = AmqpMethod(1, amqp::kQos).u32(0).u16(kPrefetch).u8(0).done();
  wrong = co_await call(std::move(bytes), amqp::kQosOk);
  if (!wrong.empty()) co_return wrong;
  bytes = AmqpMethod(1, amqp::kConsume).u16(0).shortstr(queue).shortstr("").u8(0).u32(0).done();
  wrong = co_await call(std::move(bytes), amqp::kConsumeOk);
  co_return wrong;
}

const AmqpDelivery* AmqpConsumer::next() {
  while (error_.empty() && take_frame()) {
    const bool content = frame_.type == 2 || frame_.type == 3 || frame_.method == amqp::kDeliver;
    if (frame_.type != 8 && content && assembly_.take(frame_)) return &assembly_.delivery();
  }
  return nullptr;
}

asio::awaitable<std::string> AmqpConsumer::read() {
  if (!error_.empty()) co_return error_;
  std::string wrong = co_await more();
  co_return wrong;
}

asio::awaitable<void> AmqpConsumer::acknowledge(std::uint64_t tag) {
  std::string bytes = AmqpMethod(1, amqp::kAck).u64(tag).u8(1).done();
  co_await send(std::move(bytes));
}

asio::awaitable<void> AmqpConsumer::beat() {
  std::string bytes = amqp_heartbeat();
  co_await send(std::move(bytes));
}

asio::awaitable<void> AmqpConsumer::close() {
  if (dial_.stream() == nullptr || !dial_.stream()->is_open()) co_return;
  // The queue is exclusive: it goes with the connection, whether or not the broker answers this.
  std::string bytes = AmqpMethod(0, amqp::kClose).u16(200).shortstr("done").u16(0).u16(0).done();
  co_await send(std::move(bytes));
  dial_.stream()->cut();
}

bool AmqpConsumer::heartbeat_due(TimePoint now) const {
  return heartbeat_.count() > 0 && !writing_ && now - last_sent_ >= heartbeat_ / 2;
}

bool AmqpConsumer::is_silent(TimePoint now) const {
  return heartbeat_.count() > 0 && reading_ && now - last_read_ >= 2 * heartbeat_;
}

}  // namespace bridge55::sim
