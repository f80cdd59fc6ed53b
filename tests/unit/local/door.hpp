// A whole local door over a journal in memory, and the apps that come to it. Everything runs in the test's
// own thread: `until` turns the event loop until a condition holds, and fails after a deadline.
#pragma once

#include "daemon/events/hub.hpp"
#include "daemon/local/server.hpp"
#include "tests/support/fake_journal.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace bridge55::test {

// A plain socket of an app: sends text, collects what comes.
class App {
 public:
  App() = default;
  explicit App(int descriptor) : descriptor_(descriptor) {}
  App(App&& other) noexcept;
  App& operator=(App&& other) noexcept;
  ~App();

  void send(std::string_view text);
  // Takes what has come into `received`; returns it.
  const std::string& read();
  bool ended();  // the far side closed
  void close();
  void finish_sending();
  int descriptor() const { return descriptor_; }

  std::string received;

 private:
  int descriptor_ = -1;
  bool ended_ = false;
};

class LocalDoor : public ::testing::Test {
 protected:
  LocalDoor();
  ~LocalDoor() override;

  void start();  // after changing `settings`
  void until(const std::function<bool()>& condition, const char* what = "the condition");
  void turn();  // what is ready now
  void restart(
      const events::Recovered& recovered);  // a hub with an empty tail over the same journal; `start` follows

  App tcp(std::size_t listener = 0);
  App unix_socket(const std::string& path);
  // Sends a request with a loopback Host and waits for the whole answer.
  std::string request(std::string_view line, std::string_view headers = "", std::string_view body = "");
  App stream(std::string_view target, std::string_view headers = "");      // SSE, its head read
  App web_socket(std::string_view target, std::string_view headers = "");  // its 101 read

  events::EventId publish(std::string_view channel, std::string_view payload,
                          std::string_view source = "abp");
  std::string path(std::string_view name) const { return directory_ + "/" + std::string(name); }

  struct Loop;
  std::unique_ptr<Loop> loop_;
  tests::FakeJournal journal;
  std::unique_ptr<events::Hub> hub;
  local::Settings settings;
  local::Providers providers;
  std::unique_ptr<local::Server> server;

 private:
  std::string directory_;
};

// A masked client frame, as RFC 6455 wants it.
std::string client_text(std::string_view text);
std::string client_frame(unsigned opcode, std::string_view data);

struct ServerFrame {
  unsigned opcode = 0;
  std::string data;
  unsigned close_code() const;
};
// The unmasked frames behind the first blank line of what a WebSocket client received.
std::vector<ServerFrame> frames_of(const std::string& received);

// The ids of the SSE records or envelopes in a text, in order.
std::vector<events::EventId> ids_of(const std::string& text);

inline std::size_t count(std::string_view text, std::string_view part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + part.size()))
    ++n;
  return n;
}

}  // namespace bridge55::test
