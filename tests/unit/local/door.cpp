#include "door.hpp"

#include "daemon/base/metrics.hpp"

#include <arpa/inet.h>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>

namespace bridge55::test {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t kTail = 256u << 10;  // little, so that slow consumers fall behind it at once

}  // namespace

App::App(App&& other) noexcept {
  *this = std::move(other);
}

App& App::operator=(App&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(ended_, other.ended_);
  received.swap(other.received);
  return *this;
}

App::~App() {
  close();
}

void App::close() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

void App::finish_sending() {
  ::shutdown(descriptor_, SHUT_WR);
}

void App::send(std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
}

const std::string& App::read() {
  char buffer[65536];
  for (;;) {
    const ssize_t got = ::recv(descriptor_, buffer, sizeof buffer, MSG_DONTWAIT);
    if (got > 0) {
      received.append(buffer, static_cast<std::size_t>(got));
      continue;
    }
    if (got == 0 || (errno != EAGAIN && errno != EINTR)) ended_ = true;
    return received;
  }
}

bool App::ended() {
  read();
  return ended_;
}

struct LocalDoor::Loop {
  boost::asio::io_context io;
  metrics::Registry metrics;
};

LocalDoor::LocalDoor() : loop_(std::make_unique<Loop>()) {
  std::string pattern = (std::filesystem::temp_directory_path() / "b55-local-XXXXXX").string();
  directory_ = ::mkdtemp(pattern.data());
  config::Listen listen;
  listen.host = "127.0.0.1";
  settings.listen = {listen};
  providers.metrics = [this] { return loop_->metrics.render(); };
  providers.status = [](const local::App& app) { return "{\"app\":\"" + app.name + "\"}\n"; };
  providers.ready = [](const std::vector<std::string>&) {
    return std::vector<local::Check>{{"listeners", true, {}, true}};
  };
  hub = std::make_unique<events::Hub>(journal, loop_->metrics, events::Recovered{}, kTail);
  events::Journal::Handlers handlers;
  handlers.durable = [this](events::EventId id) { hub->on_durable(id); };
  journal.start(std::move(handlers));
}

LocalDoor::~LocalDoor() {
  server.reset();
  loop_->io.poll();
  hub.reset();
  std::filesystem::remove_all(directory_);
}

void LocalDoor::start() {
  server = std::make_unique<local::Server>(loop_->io, settings, *hub, loop_->metrics, providers);
  server->start();
}

void LocalDoor::restart(const events::Recovered& recovered) {
  server.reset();
  turn();
  hub = std::make_unique<events::Hub>(journal, loop_->metrics, recovered, kTail);
}

void LocalDoor::turn() {
  loop_->io.restart();
  while (loop_->io.poll() + journal.answer_reads() > 0)
    loop_->io.restart();
}

void LocalDoor::until(const std::function<bool()>& condition, const char* what) {
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  for (;;) {
    turn();
    if (condition()) return;
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "waited in vain for " << what;
    loop_->io.restart();
    loop_->io.run_one_for(1ms);
  }
}

App LocalDoor::tcp(std::size_t listener) {
  const std::string address = server->addresses().at(listener);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoul(address.substr(address.rfind(':') + 1))));
  App app(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(app.descriptor(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0)
      << std::strerror(errno);
  return app;
}

App LocalDoor::unix_socket(const std::string& where) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::strncpy(to.sun_path, where.c_str(), sizeof to.sun_path - 1);
  App app(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(app.descriptor(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0)
      << std::strerror(errno);
  return app;
}

namespace {

std::string head_of(std::string_view line, std::string_view headers) {
  std::string text(line);
  text += " HTTP/1.1\r\nHost: localhost\r\n";
  text += headers;
  return text += "\r\n";
}

}  // namespace

std::string LocalDoor::request(std::string_view line, std::string_view headers, std::string_view body) {
  App app = tcp();
  std::string all(headers);
  all += "Connection: close\r\n";
  if (!body.empty()) all += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  app.send(head_of(line, all) + std::string(body));
  until([&] { return app.ended(); }, "the end of an answer");
  return app.received;
}

App LocalDoor::stream(std::string_view target, std::string_view headers) {
  App app = tcp();
  app.send(head_of("GET " + std::string(target), headers));
  until([&] { return app.read().find("\r\n\r\n") != std::string::npos; }, "the head of a stream");
  EXPECT_TRUE(app.received.starts_with("HTTP/1.1 200 OK\r\n")) << app.received;
  return app;
}

App LocalDoor::web_socket(std::string_view target, std::string_view headers) {
  App app = tcp();
  std::string all =
      "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
      "dGhlIHNhbXBsZSBub25jZQ==\r\n";
  all += headers;
  app.send(head_of("GET " + std::string(target), all));
  until([&] { return app.read().find("\r\n\r\n") != std::string::npos; }, "the head of a WebSocket");
  EXPECT_TRUE(app.received.starts_with("HTTP/1.1 101 Switching Protocols\r\n")) << app.received;
  EXPECT_NE(app.received.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), std::string::npos);
  return app;
}

events::EventId LocalDoor::publish(std::string_view channel, std::string_view payload,
                                   std::string_view source) {
  events::Facts facts;
  facts.source = source;
  facts.channel = channel;
  facts.name = "UPDATE";
  facts.payload = payload;
  const events::EventPtr event = hub->publish(facts);
  hub->flush();
  return event->id();
}

std::string client_frame(unsigned opcode, std::string_view data) {
  std::string out;
  out.push_back(static_cast<char>(0x80 | opcode));
  if (data.size() < 126) {
    out.push_back(static_cast<char>(0x80 | data.size()));
  } else {
    const bool large = data.size() > 0xffff;
    out.push_back(static_cast<char>(0x80 | (large ? 127 : 126)));
    for (int shift = large ? 56 : 8; shift >= 0; shift -= 8)
      out.push_back(static_cast<char>(data.size() >> shift));
  }
  const std::string key = "\x11\x22\x33\x44";
  out += key;
  for (std::size_t i = 0; i < data.size(); ++i)
    out.push_back(static_cast<char>(data[i] ^ key[i % 4]));
  return out;
}

std::string client_text(std::string_view text) {
  return client_frame(1, text);
}

unsigned ServerFrame::close_code() const {
  if (data.size() < 2) return 0;
  return static_cast<unsigned char>(data[0]) * 256u + static_cast<unsigned char>(data[1]);
}

std::vector<ServerFrame> frames_of(const std::string& received) {
  std::vector<ServerFrame> frames;
  std::size_t at = received.find("\r\n\r\n");
  if (at == std::string::npos) return frames;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(received[i]); };
  for (at += 4; at + 2 <= received.size();) {
    std::size_t size = byte(at + 1), head = 2;
    EXPECT_LT(size, 128u) << "a server's frame is masked";
    const std::size_t extended = size == 126 ? 2 : size == 127 ? 8 : 0;
    if (at + 2 + extended > received.size()) break;
    if (extended > 0) {
      size = 0;
      for (std::size_t i = 0; i < extended; ++i)
        size = size * 256 + byte(at + 2 + i);
    }
    head += extended;
    if (at + head + size > received.size()) break;
    frames.push_back({byte(at) & 15u, received.substr(at + head, size)});
    at += head + size;
  }
  return frames;
}

std::vector<events::EventId> ids_of(const std::string& text) {
  std::vector<events::EventId> ids;
  constexpr std::string_view kId = "{\"id\":\"";
  for (std::size_t at = text.find(kId); at != std::string::npos; at = text.find(kId, at + 1)) {
    ids.push_back(std::strtoull(text.c_str() + at + kId.size(), nullptr, 10));
  }
  return ids;
}

}  // namespace bridge55::test
