// The app's side of bench_relay.py: WebSocket clients in one thread that open relays, send the connect
// message and then measure. Prints one line of JSON.
//
//   bench_relay_load PORT echo|stream|idle CONNECTIONS SIZE SECONDS
//
// `echo`: each connection has one masked message of SIZE bytes under way. `stream`: frames of SIZE bytes come
// down and are counted by their headers. `idle`: opens them, prints `ready`, and holds them for SECONDS.
#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
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
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

std::string masked_frame(unsigned opcode, std::string_view payload) {
  std::string out{static_cast<char>(0x80 | opcode)};
  const unsigned bytes = payload.size() <= 125 ? 0 : payload.size() <= 0xFFFF ? 2 : 8;
  out.push_back(static_cast<char>(0x80 | (bytes == 0 ? payload.size() : bytes == 2 ? 126u : 127u)));
  for (unsigned i = bytes; i-- > 0;)
    out.push_back(static_cast<char>(static_cast<std::uint64_t>(payload.size()) >> (8 * i)));
  constexpr unsigned char kMask[4] = {0x37, 0xFA, 0x21, 0x3D};
  out.append(reinterpret_cast<const char*>(kMask), 4);
  for (std::size_t i = 0; i < payload.size(); ++i)
    out.push_back(static_cast<char>(payload[i] ^ kMask[i & 3]));
  return out;
}

// Blocking; leaves nothing behind `connected` unread in the echo and idle cases, and in the others it is
// counted.
int open_relay(std::uint16_t port, const std::string& url) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    throw std::runtime_error("cannot connect");
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const std::string request = "GET /scraping/ws HTTP/1.1\r\nHost: localhost:" + std::to_string(port) +
                              "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  const auto send_all = [&](std::string_view bytes) {
    if (::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size()))
      throw std::runtime_error("the connection broke");
  };
  std::string heard;
  const auto hear = [&](std::string_view until) {
    char byte;
    while (!heard.ends_with(until)) {
      if (::recv(descriptor, &byte, 1, 0) != 1) throw std::runtime_error("the connection broke: " + heard);
      heard.push_back(byte);
    }
  };
  send_all(request);
  hear("\r\n\r\n");
  if (heard.find(" 101 ") == std::string::npos) throw std::runtime_error("refused: " + heard);
  send_all(masked_frame(1, R"({"api_key":"55555555-5555-4555-8555-555555555555","url":")" + url + R"("})"));
  heard.clear();
  hear("}");  // of {"type":"connected",…}
  if (heard.find("\"connected\"") == std::string::npos) throw std::runtime_error("refused: " + heard);
  return descriptor;
}

struct Result {
  std::uint64_t messages = 0, bytes = 0;
  double seconds = 0;
};

void print(const Result& result) {
  std::printf("{\"messages\":%llu,\"bytes\":%llu,\"seconds\":%.4f}\n",
              static_cast<unsigned long long>(result.messages), static_cast<unsigned long long>(result.bytes),
              result.seconds);
}

double since(Clock::time_point began) {
  return std::chrono::duration<double>(Clock::now() - began).count();
}

Result echo(const std::vector<int>& sockets, std::size_t size, double seconds) {
  const std::string message = masked_frame(2, std::string(size, 'm'));
  const std::size_t answer = message.size() - 4;
  const int poll = ::epoll_create1(0);
  std::vector<std::size_t> heard(sockets.size());
  for (std::uint32_t i = 0; i < sockets.size(); ++i) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u32 = i;
    ::epoll_ctl(poll, EPOLL_CTL_ADD, sockets[i], &event);
  }
  const auto say = [&](int socket) {
    if (::send(socket, message.data(), message.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(message.size()))
      throw std::runtime_error("a message did not fit");
  };
  for (const int socket : sockets)
    say(socket);
  Result result;
  const auto began = Clock::now();
  epoll_event events[128];
  std::vector<char> room(64u << 10);
  for (std::uint32_t turn = 0; (turn & 63) != 0 || since(began) < seconds; ++turn) {
    const int count = ::epoll_wait(poll, events, 128, 1000);
    for (int i = 0; i < count; ++i) {
      const std::uint32_t which = events[i].data.u32;
      const ssize_t got = ::recv(sockets[which], room.data(), room.size(), MSG_DONTWAIT);
      if (got <= 0) throw std::runtime_error("a connection broke");
      heard[which] += static_cast<std::size_t>(got);
      result.bytes += static_cast<std::uint64_t>(got);
      if (heard[which] < answer) continue;
      heard[which] -= answer;
      ++result.messages;
      say(sockets[which]);
    }
  }
  result.seconds = since(began);
  return result;
}

// Frames of one size: where each ends is arithmetic.
Result stream(int socket, std::size_t size, double seconds) {
  std::vector<char> room(256u << 10);
  const std::size_t frame = size + (size <= 125 ? 2u : size <= 0xFFFF ? 4u : 10u);
  Result result;
  const auto began = Clock::now();
  do {
    const ssize_t got = ::recv(socket, room.data(), room.size(), 0);
    if (got <= 0) throw std::runtime_error("the connection broke");
    result.bytes += static_cast<std::uint64_t>(got);
  } while (since(began) < seconds);
  result.seconds = since(began);
  result.messages = result.bytes / frame;
  return result;
}

int run(std::uint16_t port, std::string_view what, int connections, std::size_t size, double seconds) {
  const std::string url = "wss://bench.test/" + std::string(what) + "/" + std::to_string(size);
  std::vector<int> sockets;
  for (int i = 0; i < connections; ++i)
    sockets.push_back(open_relay(port, url));
  if (what == "echo") {
    print(echo(sockets, size, seconds));
  } else if (what == "stream") {
    print(stream(sockets.front(), size, seconds));
  } else {
    std::puts("ready");
    std::fflush(stdout);
    ::usleep(static_cast<useconds_t>(seconds * 1e6));
  }
  return 0;
}

}  // namespace

int main(int count, char** words) {
  if (count != 6) return 64;
  try {
    return run(static_cast<std::uint16_t>(std::atoi(words[1])), words[2], std::atoi(words[3]),
               static_cast<std::size_t>(std::atoll(words[4])), std::atof(words[5]));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_relay_load: %s\n", error.what());
    return 1;
  }
}
