#pragma once
// An agent's consumer on a broker: login, a temporary queue, deliveries one after the other. It reads only
// when asked to, so that a slow reader holds the broker back.

#include "tests/sim/amqp_order.hpp"
#include "tests/sim/amqp_wire.hpp"
#include "tests/sim/relay_dial.hpp"

#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

namespace bridge55::sim {

/// One connection to a broker; it outlives its coroutines. One thread.
class AmqpConsumer {
 public:
  explicit AmqpConsumer(const boost::asio::any_io_executor& executor);

  /// From TCP to basic.consume on `queue`. What went wrong, empty if nothing.
  boost::asio::awaitable<std::string> open(const AmqpOrder& order, const std::string& queue);
  /// The next delivery of what has been read already; null where there is none.
  const AmqpDelivery* next();
  /// Reads on. What went wrong, empty if nothing.
  boost::asio::awaitable<std::string> read();
  /// Acknowledges everything up to the tag.
  boost::asio::awaitable<void> acknowledge(std::uint64_t tag);
  /// Says goodbye to the broker, as well as that goes at once.
  boost::asio::awaitable<void> close();
  void cancel() { dial_.cancel(); }

  /// Whether a heartbeat is due.
  bool heartbeat_due(TimePoint now) const;
  boost::asio::awaitable<void> beat();
  /// Whether the broker has been silent for two heartbeats while it was listened to.
  bool is_silent(TimePoint now) const;

 private:
  boost::asio::awaitable<std::string> login(const AmqpOrder& order);
  boost::asio::awaitable<std::string> make_queue(const AmqpOrder& order, const std::string& queue);
  boost::asio::awaitable<std::string> call(std::string request, std::uint32_t answer);
  boost::asio::awaitable<bool> send(std::string bytes);
  boost::asio::awaitable<std::string> more();
  bool take_frame();

  Dial dial_;
  boost::asio::steady_timer sent_;
  std::string buffer_;
  std::size_t at_ = 0;  ///< bytes of the buffer that have been read
  AmqpFrame frame_;
  AmqpAssembly assembly_;
  std::string error_;  ///< what the broker said when it ended us
  bool broken_ = false, writing_ = false, reading_ = false;
  milliseconds heartbeat_{0};
  TimePoint last_sent_{}, last_read_{};
};

}  // namespace bridge55::sim
