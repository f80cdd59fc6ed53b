#pragma once
// The answer to POST /amqp: messages of a broker as Server-Sent Events. Vendor docs: Scraping API WebSocket &
// AMQP, "AMQP consumer (SSE)".

#include "tests/sim/amqp_consumer.hpp"
#include "tests/sim/relay_log.hpp"
#include "tests/sim/sse.hpp"
#include "tests/sim/vendor.hpp"

#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

namespace bridge55::sim {

/// How the amqp_cut fault ends a stream: without an error event.
struct AmqpCut {
  bool mid_event = false;    ///< behind the half of an event
  bool final_chunk = false;  ///< the chunked body ends as it should
  std::string end;           ///< reset, fin (close_notify and FIN) or cut (FIN alone)
};

/// One stream. The owner keeps it until run() has ended. One thread.
class AmqpStream {
 public:
  AmqpStream(Vendor& vendor, Stream& client, std::uint64_t connection, const AmqpOrder& order);
  ~AmqpStream();
  AmqpStream(const AmqpStream&) = delete;
  AmqpStream& operator=(const AmqpStream&) = delete;

  /// From the head of the answer to its end; nothing can follow on the connection.
  boost::asio::awaitable<void> run();
  void tick(TimePoint now);
  /// An `error` event ends the stream.
  void fail(const std::string& message, int code);
  void cut(const AmqpCut& how);

 private:
  boost::asio::awaitable<void> serve();
  boost::asio::awaitable<void> consume();
  boost::asio::awaitable<void> watch_client();
  boost::asio::awaitable<void> end_cut();
  boost::asio::awaitable<void> end_transport();
  boost::asio::awaitable<bool> emit(std::string events);
  void spawn(boost::asio::awaitable<void> job);
  std::string collect(std::uint64_t& tag);
  void append_message(std::string& out, const AmqpDelivery& delivery);
  std::string queue_name();
  bool is_slow() const;
  void end(const char* why);

  Vendor& vendor_;
  Stream& client_;
  AmqpOrder order_;
  AmqpRecord& record_;
  AmqpConsumer consumer_;
  boost::asio::steady_timer jobs_done_;
  unsigned jobs_ = 0;
  bool gone_ = false;  ///< the client has left
  std::optional<AmqpCut> cut_;
  std::string failure_;  ///< what fail() says
  int failure_code_ = 1011;
  TimePoint ending_since_ = TimePoint::max();
};

}  // namespace bridge55::sim
