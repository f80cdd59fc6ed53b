#include "tests/unit/rabbitmq/fake_broker.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <netinet/in.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

namespace bridge55::test {

std::string be(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i)
    out += static_cast<char>(value >> (8 * i) & 0xFF);
  return out;
}

std::string frame(int type, int channel, const std::string& payload) {
  return be(static_cast<std::uint64_t>(type), 1) + be(static_cast<std::uint64_t>(channel), 2) +
         be(payload.size(), 4) + payload + '\xCE';
}

std::string method(int channel, int class_id, int id, const std::string& arguments) {
  return frame(
      1, channel,
      be(static_cast<std::uint64_t>(class_id), 2) + be(static_cast<std::uint64_t>(id), 2) + arguments);
}

std::string ack(std::uint64_t tag, bool multiple) {
  return method(1, 60, 80, be(tag, 8) + be(multiple, 1));
}
std::string nack(std::uint64_t tag, bool multiple) {
  return method(1, 60, 120, be(tag, 8) + be(multiple, 1));
}

int Peer::Frame::class_id() const {
  return type == 1 && payload.size() >= 4 ? static_cast<unsigned char>(payload[1]) : -1;
}
int Peer::Frame::method_id() const {
  return type == 1 && payload.size() >= 4 ? static_cast<unsigned char>(payload[3]) : -1;
}

bool Peer::read(std::string& bytes, std::size_t count) {
  bytes.assign(count, '\0');
  for (std::size_t at = 0; at < count;) {
    const ssize_t got = ::recv(fd_, bytes.data() + at, count - at, 0);
    if (got <= 0) return false;
    at += static_cast<std::size_t>(got);
  }
  return true;
}

bool Peer::read_frame(Frame& frame) {
  std::string head, end;
  if (!read(head, 7)) return false;
  std::size_t size = 0;
  for (std::size_t i = 3; i < 7; ++i)
    size = size << 8 | static_cast<unsigned char>(head[i]);
  frame.type = static_cast<unsigned char>(head[0]);
  return read(frame.payload, size) && read(end, 1) && end[0] == '\xCE';
}

void Peer::send(const std::string& bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t sent = ::send(fd_, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
    if (sent <= 0) return;
    at += static_cast<std::size_t>(sent);
  }
}

bool Peer::log_in(const Offer& offer) {
  std::string header;
  Frame got;
  if (!read(header, 8)) return false;
  send(method(0, 10, 10,
              be(0, 1) + be(9, 1) + offer.server_properties + be(5, 4) + "PLAIN" + be(5, 4) + "en_US"));
  if (!read_frame(got)) return false;  // start-ok
  send(method(0, 10, 30, be(2047, 2) + be(offer.frame_max, 4) + be(offer.heartbeat, 2)));
  if (!read_frame(got) || !read_frame(got)) return false;  // tune-ok, open
  send(method(0, 10, 41, be(0, 1)));
  if (!read_frame(got)) return false;  // channel.open
  send(method(1, 20, 11, be(0, 4)));
  if (!read_frame(got) || got.class_id() != 85) return false;  // confirm.select
  send(method(1, 85, 11));
  return true;
}

bool Peer::read_messages(std::size_t count, std::vector<std::string>& event_ids) {
  Frame got;
  while (count > 0) {
    if (!read_frame(got)) return false;
    if (got.type != 2) continue;  // content headers carry the id
    const std::string key = "x-event-idS";
    const std::size_t at = got.payload.find(key) + key.size();
    event_ids.push_back(got.payload.substr(at + 4, static_cast<unsigned char>(got.payload[at + 3])));
    --count;
    if (!read_frame(got)) return false;  // the body: all of ours are one frame
  }
  return true;
}

void Peer::until_closed() {
  std::string byte;
  while (read(byte, 1)) {
  }
}

FakeBroker::FakeBroker(Script script) : script_(std::move(script)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), length) != 0 || ::listen(listener_, 16) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    throw std::system_error(errno, std::generic_category(), "listen");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

FakeBroker::~FakeBroker() {
  stopping_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  if (const int fd = current_; fd >= 0) ::shutdown(fd, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
}

std::string FakeBroker::url(const std::string& query) const {
  return "amqp://guest:guest@127.0.0.1:" + std::to_string(port_) + "/%2F" + query;
}

void FakeBroker::serve() {
  while (!stopping_) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    current_ = fd;
    if (stopping_) ::shutdown(fd, SHUT_RDWR);
    Peer peer(fd);
    script_(peer, connections_++);
    current_ = -1;
    ::close(fd);
  }
}

}  // namespace bridge55::test
