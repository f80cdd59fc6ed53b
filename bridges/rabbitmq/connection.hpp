// One connection to a RabbitMQ broker. librabbitmq connects, proves TLS, logs in and declares; from then on
// we read and write its descriptor (or its TLS session) ourselves, without blocking, because its sends block
// for ever on a broker that does not read and cost three system calls a message. Owned and used by one
// thread.
#pragma once

#include "bridges/rabbitmq/amqp_url.hpp"
#include "bridges/rabbitmq/trouble.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <sys/uio.h>
#include <variant>
#include <vector>

// As librabbitmq and OpenSSL name them; their headers stay out of here.
struct amqp_connection_state_t_;
struct ssl_st;

namespace bridge55::rabbitmq {

class Connection {
 public:
  // Blocks: the TCP and TLS connect for the URL's connection_timeout, the login and each declaration for
  // twice that, as far as the library bounds them (a name server that does not answer, it does not).
  static std::variant<std::unique_ptr<Connection>, Trouble> open(const AmqpUrl& url,
                                                                 const config::Sink& sink);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int fd() const { return fd_; }
  bool tls() const { return tls_ != nullptr; }
  std::size_t frame_max() const { return frame_max_; }
  std::chrono::milliseconds heartbeat() const { return heartbeat_; }  // as negotiated
  // Whether `connection.blocked` came while librabbitmq still read the descriptor.
  bool blocked_early() const { return blocked_early_; }

  enum class Io { done, again, closed };
  // `again`: nothing could be written (or read) now; poll for `wants`. `count`: bytes written (or read).
  Io write(std::span<const iovec> pieces, std::size_t& count);
  Io read(std::span<char> into, std::size_t& count);
  const std::string& why_closed() const { return why_closed_; }
  short write_wants() const { return write_wants_; }  // POLLOUT, or POLLIN where TLS needs to read first
  // A blocked broker leaves our bytes unread for as long as it likes: then the kernel's own time limit for
  // them is off.
  void patient(bool patient);

 private:
  Connection() = default;
  std::optional<Trouble> connect(const AmqpUrl& url);
  std::optional<Trouble> connect_tls(const AmqpUrl& url, const config::ClientTls& tls);
  std::optional<Trouble> log_in(const AmqpUrl& url);
  std::optional<Trouble> prepare(const config::Sink& sink);
  std::optional<Trouble> hand_over();
  Io write_tls(std::span<const iovec> pieces, std::size_t& count);
  Io read_tls(std::span<char> into, std::size_t& count);
  Io tls_result(int result);
  Io closed(int error);

  amqp_connection_state_t_* state_ = nullptr;
  ssl_st* tls_ = nullptr;  // the library's session; null on plain TCP
  int fd_ = -1;
  short write_wants_ = 0;
  std::size_t frame_max_ = 0;
  std::chrono::milliseconds heartbeat_{0};
  bool blocked_early_ = false;
  std::string why_closed_;
  std::vector<char> gathered_;  // TLS writes want one piece
};

}  // namespace bridge55::rabbitmq
