#pragma once
// One accepted connection: TLS, HTTP, then perhaps WebSocket. Reads and writes run as two coroutines that
// share it; it ends when both have ended. One thread.

#include "tests/sim/amqp_stream.hpp"
#include "tests/sim/frames.hpp"
#include "tests/sim/http.hpp"
#include "tests/sim/relay.hpp"
#include "tests/sim/rest_faults.hpp"
#include "tests/sim/session.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

namespace bridge55::sim {

/// What a listener serves on its port.
struct Service {
  bool abp = false;
  bool mm = false;
  bool scraping = false;
  bool control = false;
  /// Everything that is no WebSocket upgrade and no benchmark.
  std::function<boost::asio::awaitable<HttpResponse>(const HttpRequest&, const FaultPlan&)> handle;
};

struct BenchSide;

class Connection : public std::enable_shared_from_this<Connection>, public ClientLink {
 public:
  Connection(std::uint64_t id, boost::asio::ip::tcp::socket socket, boost::asio::ssl::context* tls,
             Vendor& vendor, const Service& service);

  boost::asio::awaitable<void> run();

  std::uint64_t id() const { return id_; }
  Session* session() { return session_ ? &*session_ : nullptr; }
  /// Deadlines of the connection and its session.
  void tick(TimePoint now);

  // ClientLink
  void send(std::string_view kind, std::string_view head, std::string_view tail) override;
  void close(std::uint16_t code, std::string_view reason) override;
  std::size_t queued() const override { return pending_messages_ + writing_messages_; }
  bool stalled() const override;

  std::size_t queued_bytes() const { return pending_.size(); }
  bool takes_more() const { return !closing_ && stream_.is_open(); }

  // Faults of this connection.
  void stall_until(TimePoint until);
  void trickle_until(TimePoint until, milliseconds step);
  void fragment(std::uint64_t messages) { fragment_left_ = messages; }
  void send_raw(Opcode opcode, std::string_view payload);
  void send_bytes(std::string_view bytes);
  /// Goes on until then, and closes with the code (the vendor's restart notice).
  void close_at(TimePoint when, std::uint16_t code);
  void truncate();
  void fin();
  void drop();
  void clear_faults();

 private:
  static constexpr std::size_t kReadSize = 16384;
  enum class Cut { none, fin, truncate };
  boost::asio::awaitable<void> serve_http();
  boost::asio::awaitable<bool> serve_bench_json();
  boost::asio::awaitable<bool> answer_control_request(RequestReader& reader, HttpRequest& request);
  boost::asio::awaitable<bool> answer_faulty(RequestReader& reader, HttpRequest& request);
  BenchSide bench_side(const std::string& path);
  boost::asio::awaitable<void> serve_websocket(const HttpRequest& request);
  boost::asio::awaitable<void> serve_relay(const HttpRequest& request);
  boost::asio::awaitable<void> serve_amqp(const AmqpOrder& order);
  boost::asio::awaitable<void> read_messages();
  boost::asio::awaitable<void> write_loop();
  boost::asio::awaitable<bool> write_slowly(std::string_view bytes);
  boost::asio::awaitable<void> wait_stall();
  boost::asio::awaitable<void> end_transport();
  boost::asio::awaitable<void> wait_for(const bool& flag, TimePoint until);
  void begin_closing();
  void handle(const ClientMessage& message);
  void wake();
  void note(std::string_view kind, std::string_view head, std::string_view tail);
  std::optional<Api> websocket_api(const std::string& path) const;

  std::uint64_t id_;
  Stream stream_;
  Vendor& vendor_;
  const Service& service_;
  Api api_;
  std::optional<Session> session_;
  std::optional<Relay> relay_;
  std::optional<AmqpStream> amqp_;
  TimePoint accepted_;
  boost::asio::steady_timer wake_;   ///< the writer sleeps on it
  boost::asio::steady_timer stall_;  ///< a stalled reader and writer sleep on it
  boost::asio::steady_timer step_;   ///< between the bytes of a trickle
  boost::asio::steady_timer ended_;  ///< cancelled when the reader or the writer has ended
  std::string buffer_;
  std::uint64_t served_ = 0;  ///< HTTP requests answered
  std::string pending_, writing_;
  std::size_t pending_messages_ = 0, writing_messages_ = 0;
  bool writer_waits_ = false;
  bool reader_done_ = false;
  bool writer_done_ = true;
  bool closing_ = false;
  TimePoint closing_since_ = TimePoint::max();
  bool close_received_ = false;
  bool upgraded_ = false;
  Cut cut_ = Cut::none;
  TimePoint stalled_until_{}, trickle_until_{};
  TimePoint close_at_ = TimePoint::max();
  std::uint16_t close_at_code_ = 1012;
  milliseconds trickle_step_{1000};
  std::uint64_t fragment_left_ = 0;
};

}  // namespace bridge55::sim
