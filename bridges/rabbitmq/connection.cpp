#include "bridges/rabbitmq/connection.hpp"

#include "bridges/rabbitmq/publish_frames.hpp"
#include "bridges/rabbitmq/reply.hpp"
#include "bridges/rabbitmq/topology.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <system_error>
#include <unistd.h>

#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_tcp_socket.h>

namespace bridge55::rabbitmq {
namespace {

constexpr int kFrameMax = 131072;
constexpr int kFrameMin = 4096;  // AMQP 0-9-1, 1.4: no peer may ask for less

amqp_table_entry_t flag(const char* name) {
  amqp_table_entry_t entry{};
  entry.key = amqp_cstring_bytes(name);
  entry.value.kind = AMQP_FIELD_KIND_BOOLEAN;
  entry.value.value.boolean = 1;
  return entry;
}

std::string connection_name() {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) host = {"localhost"};
  return "bridge55@" + std::string(host.data()) + ":" + std::to_string(getpid());
}

}  // namespace

std::variant<std::unique_ptr<Connection>, Trouble> Connection::open(const AmqpUrl& url,
                                                                    const config::Sink& sink) {
  std::unique_ptr<Connection> made(new Connection);  // the constructor is private
  made->state_ = amqp_new_connection();
  if (made->state_ == nullptr) return Trouble{"out of memory"};
  const timeval timeout = to_timeval(2 * url.connection_timeout);
  amqp_set_handshake_timeout(made->state_, &timeout);
  amqp_set_rpc_timeout(made->state_, &timeout);
  auto trouble = url.tls ? made->connect_tls(url, sink.tls) : made->connect(url);
  if (!trouble) trouble = made->log_in(url);
  if (!trouble) trouble = made->prepare(sink);
  if (!trouble) trouble = made->hand_over();
  if (trouble) return std::move(*trouble);
  return made;
}

Connection::~Connection() {
  if (state_ != nullptr) amqp_destroy_connection(state_);
}

std::optional<Trouble> Connection::connect(const AmqpUrl& url) {
  amqp_socket_t* socket = amqp_tcp_socket_new(state_);
  if (socket == nullptr) return Trouble{"out of memory"};
  const timeval timeout = to_timeval(url.connection_timeout);
  const int status = amqp_socket_open_noblock(socket, url.host.c_str(), url.port, &timeout);
  if (status != AMQP_STATUS_OK) return Trouble{std::string("cannot connect: ") + amqp_error_string2(status)};
  return std::nullopt;
}

std::optional<Trouble> Connection::log_in(const AmqpUrl& url) {
  // https://www.rabbitmq.com/connections.html#capabilities
  std::array capabilities{flag("publisher_confirms"), flag("connection.blocked"),
                          flag("consumer_cancel_notify"), flag("basic.nack"),
                          flag("authentication_failure_close")};
  const std::string name = connection_name();
  std::array<amqp_table_entry_t, 2> properties{};
  properties[0].key = amqp_cstring_bytes("capabilities");
  properties[0].value.kind = AMQP_FIELD_KIND_TABLE;
  properties[0].value.value.table = {static_cast<int>(capabilities.size()), capabilities.data()};
  properties[1].key = amqp_cstring_bytes("connection_name");
  properties[1].value.kind = AMQP_FIELD_KIND_UTF8;
  properties[1].value.value.bytes = as_bytes(name);
  const amqp_table_t table{static_cast<int>(properties.size()), properties.data()};
  const amqp_rpc_reply_t reply = amqp_login_with_properties(
      state_, url.vhost.c_str(), 1, kFrameMax, static_cast<int>(url.heartbeat.count()), &table,
      AMQP_SASL_METHOD_PLAIN, url.user.c_str(), url.password.reveal().c_str());
  return trouble_of(reply, "login");
}

std::optional<Trouble> Connection::prepare(const config::Sink& sink) {
  amqp_channel_open(state_, kChannel);
  if (auto trouble = trouble_of(amqp_get_rpc_reply(state_), "channel")) return trouble;
  if (auto trouble = declare_topology(state_, sink)) return trouble;
  amqp_confirm_select(state_, kChannel);
  return trouble_of(amqp_get_rpc_reply(state_), "publisher confirms");
}

// Reads what librabbitmq holds already, up to the end of a frame: from there on the bytes are ours.
std::optional<Trouble> Connection::hand_over() {
  while (amqp_frames_enqueued(state_) || amqp_data_in_buffer(state_) || !amqp_release_buffers_ok(state_)) {
    amqp_frame_t frame{};
    const timeval timeout{1, 0};
    const int status = amqp_simple_wait_frame_noblock(state_, &frame, &timeout);
    if (status != AMQP_STATUS_OK) return Trouble{amqp_error_string2(status)};
    if (frame.frame_type != AMQP_FRAME_METHOD) continue;
    if (auto trouble = close_trouble(frame.payload.method)) return trouble;
    if (frame.payload.method.id == AMQP_CONNECTION_BLOCKED_METHOD) blocked_early_ = true;
    if (frame.payload.method.id == AMQP_CONNECTION_UNBLOCKED_METHOD) blocked_early_ = false;
  }
  amqp_maybe_release_buffers(state_);
  fd_ = amqp_get_sockfd(state_);
  const int flags = fcntl(fd_, F_GETFL);
  if (fd_ < 0 || flags < 0 || fcntl(fd_, F_SETFL, flags | O_NONBLOCK) != 0)
    return Trouble{"the connection has no descriptor"};
  frame_max_ = static_cast<std::size_t>(std::max(amqp_get_frame_max(state_), kFrameMin));
  heartbeat_ = std::chrono::seconds(amqp_get_heartbeat(state_));
  patient(false);
  return std::nullopt;
}

void Connection::patient(bool patient) {
  const auto limit = patient ? 0u : static_cast<unsigned>(2 * heartbeat_.count());
  setsockopt(fd_, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit, sizeof limit);
}

Connection::Io Connection::write(std::span<const iovec> pieces, std::size_t& count) {
  if (tls_ != nullptr) return write_tls(pieces, count);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data());  // NOLINT: sendmsg only reads them
  message.msg_iovlen = pieces.size();
  const ssize_t sent = ::sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent >= 0) {
    count = static_cast<std::size_t>(sent);
    return Io::done;
  }
  write_wants_ = POLLOUT;
  return errno == EAGAIN || errno == EINTR ? Io::again : closed(errno);
}

Connection::Io Connection::read(std::span<char> into, std::size_t& count) {
  if (tls_ != nullptr) return read_tls(into, count);
  const ssize_t received = ::recv(fd_, into.data(), into.size(), MSG_DONTWAIT);
  if (received > 0) {
    count = static_cast<std::size_t>(received);
    return Io::done;
  }
  if (received == 0) return closed(0);
  return errno == EAGAIN || errno == EINTR ? Io::again : closed(errno);
}

Connection::Io Connection::closed(int error) {
  why_closed_ = error == 0 ? "the broker closed the connection"
                           : "connection lost: " + std::generic_category().message(error);
  return Io::closed;
}

}  // namespace bridge55::rabbitmq
