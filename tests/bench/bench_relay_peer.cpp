// The far side of bench_relay.py: a scraping network over TLS that is as cheap as it can be. It accepts any
// upgrade and any connect message, answers `connected`, and does what the path of the message's `url` says:
// `/echo` sends every message back, `/stream/SIZE` sends binary frames of that size as fast as they are
// taken, `/idle` nothing.
//
//   bench_relay_peer PORT CERT KEY
#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include <openssl/evp.h>
#include <openssl/ssl.h>

namespace {

constexpr std::size_t kRecord = 16u << 10;

std::string accept_value(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char digest[20], out[32];
  EVP_Digest(text.data(), text.size(), digest, nullptr, EVP_sha1(), nullptr);
  return {reinterpret_cast<char*>(out), static_cast<std::size_t>(EVP_EncodeBlock(out, digest, 20))};
}

void append_frame(std::string& out, unsigned opcode, std::string_view payload) {
  out.push_back(static_cast<char>(0x80 | opcode));
  const unsigned bytes = payload.size() <= 125 ? 0 : payload.size() <= 0xFFFF ? 2 : 8;
  out.push_back(static_cast<char>(bytes == 0 ? payload.size() : bytes == 2 ? 126u : 127u));
  for (unsigned i = bytes; i-- > 0;)
    out.push_back(static_cast<char>(static_cast<std::uint64_t>(payload.size()) >> (8 * i)));
  out.append(payload);
}

// A whole masked frame of the client's, unmasked in place; nothing where more is to come.
struct Frame {
  unsigned opcode = 0;
  std::string_view payload;
  std::size_t size = 0;  // of the whole frame
};

bool take_frame(char* at, std::size_t have, Frame& frame) {
  if (have < 6) return false;
  const auto byte = [at](std::size_t i) -> std::uint64_t { return static_cast<unsigned char>(at[i]); };
  std::uint64_t size = byte(1) & 127;
  const std::size_t extra = size == 126 ? 2 : size == 127 ? 8 : 0;
  const std::size_t head = 2 + extra;
  if (have < head) return false;
  if (extra > 0) size = 0;
  for (std::size_t i = 2; i < head; ++i)
    size = size << 8 | byte(i);
  if (have < head + 4 + size) return false;
  char* const payload = at + head + 4;
  for (std::size_t i = 0; i < size; ++i)
    payload[i] = static_cast<char>(payload[i] ^ at[head + (i & 3)]);
  frame = {static_cast<unsigned>(byte(0) & 15), {payload, static_cast<std::size_t>(size)}, head + 4 + size};
  return true;
}

class Connection {
 public:
  Connection(SSL_CTX* context, int descriptor) : ssl_(SSL_new(context), SSL_free), descriptor_(descriptor) {
    SSL_set_fd(ssl_.get(), descriptor);
    SSL_set_accept_state(ssl_.get());
  }
  ~Connection() { ::close(descriptor_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // False where it is over.
  bool work() {
    char room[64u << 10];
    for (;;) {
      const int got = SSL_read(ssl_.get(), room, sizeof room);
      if (got > 0) {
        in_.append(room, static_cast<std::size_t>(got));
        understand();
      } else if (SSL_get_error(ssl_.get(), got) == SSL_ERROR_WANT_READ) {
        break;
      } else if (SSL_get_error(ssl_.get(), got) == SSL_ERROR_WANT_WRITE) {
        break;
      } else {
        return false;
      }
    }
    return send();
  }

 private:
  enum class Stage { upgrade, connect, echo, stream, idle };

  void understand() {
    if (stage_ == Stage::upgrade) {
      const std::size_t end = in_.find("\r\n\r\n");
      if (end == std::string::npos) return;
      answer_upgrade(in_.substr(0, end));
      in_.erase(0, end + 4);
      stage_ = Stage::connect;
    }
    std::size_t at = 0;
    Frame frame;
    while (take_frame(in_.data() + at, in_.size() - at, frame)) {
      at += frame.size;
      if (stage_ == Stage::connect) {
        connect(frame.payload);
      } else if (frame.opcode == 8) {
        append_frame(out_, 8, frame.payload);
        stage_ = Stage::idle;
      } else if (stage_ == Stage::echo) {
        append_frame(out_, frame.opcode, frame.payload);
      }
    }
    in_.erase(0, at);
  }

  void answer_upgrade(std::string_view head) {
    std::string lower(head);
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
    const std::size_t name = lower.find("sec-websocket-key:");
    if (name == std::string::npos) {
      std::fprintf(stderr, "bench_relay_peer: not an upgrade: %s\n", lower.c_str());
      out_ += "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
      return;
    }
    const std::size_t from = head.find_first_not_of(' ', name + 18);
    const std::string_view key = head.substr(from, head.find('\r', from) - from);
    out_ +=
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
        "Upgrade\r\nSec-WebSocket-Accept: " +
        accept_value(key) + "\r\n\r\n";
  }

  void connect(std::string_view message) {
    append_frame(out_, 1, R"({"type":"connected","node_id":"bench"})");
    const std::size_t stream = message.find("/stream/");
    if (message.find("/echo") != std::string_view::npos) {
      stage_ = Stage::echo;
    } else if (stream == std::string_view::npos) {
      stage_ = Stage::idle;
    } else {
      stage_ = Stage::stream;
      const auto size = std::strtoul(std::string(message.substr(stream + 8, 12)).c_str(), nullptr, 10);
      while (load_.size() < (1u << 20))
        append_frame(load_, 2, std::string(size, 'x'));
    }
  }

  bool send() {
    for (int records = 0; records < 64;) {
      if (out_.empty() && stage_ != Stage::stream) return true;
      const bool loads = out_.empty();
      const std::string_view rest = loads ? std::string_view(load_).substr(sent_) : std::string_view(out_);
      const int sent = SSL_write(ssl_.get(), rest.data(), static_cast<int>(std::min(rest.size(), kRecord)));
      if (sent <= 0)
        return SSL_get_error(ssl_.get(), sent) == SSL_ERROR_WANT_WRITE ||
               SSL_get_error(ssl_.get(), sent) == SSL_ERROR_WANT_READ;
      ++records;
      if (loads) {
        sent_ = (sent_ + static_cast<std::size_t>(sent)) % load_.size();
      } else {
        out_.erase(0, static_cast<std::size_t>(sent));
      }
    }
    wants_turn = true;
    return true;
  }

 public:
  bool wants_turn = false;  // the socket takes more than one turn gives

 private:
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_;
  int descriptor_;
  Stage stage_ = Stage::upgrade;
  std::string in_, out_, load_;
  std::size_t sent_ = 0;  // of load_
};

int listen_on(std::uint16_t port) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener, 4096) != 0)
    throw std::runtime_error("cannot listen");
  return listener;
}

SSL_CTX* server_context(const char* cert, const char* key) {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context, 1);
  if (SSL_CTX_use_certificate_chain_file(context, cert) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
    throw std::runtime_error("the certificate cannot be used");
  return context;
}

void serve(int listener, SSL_CTX* context) {
  const int poll = ::epoll_create1(0);
  epoll_event event{};
  event.events = EPOLLIN;
  ::epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
  epoll_event events[256];
  std::string again;
  for (;;) {
    const int count = ::epoll_wait(poll, events, 256, -1);
    for (int i = 0; i < count; ++i) {
      auto* connection = static_cast<Connection*>(events[i].data.ptr);
      if (connection == nullptr) {
        const int accepted = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
        if (accepted < 0) continue;
        const int on = 1;
        ::setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        event.events = EPOLLIN | EPOLLOUT | EPOLLET;
        event.data.ptr = std::make_unique<Connection>(context, accepted).release();
        ::epoll_ctl(poll, EPOLL_CTL_ADD, accepted, &event);
        continue;
      }
      bool alive = connection->work();
      while (alive && std::exchange(connection->wants_turn, false))
        alive = connection->work();
      if (!alive) const std::unique_ptr<Connection> over(connection);
    }
  }
}

}  // namespace

int main(int count, char** words) {
  if (count != 4) return 64;
  std::signal(SIGPIPE, SIG_IGN);
  try {
    serve(listen_on(static_cast<std::uint16_t>(std::atoi(words[1]))), server_context(words[2], words[3]));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_relay_peer: %s\n", error.what());
  }
  return 1;
}
