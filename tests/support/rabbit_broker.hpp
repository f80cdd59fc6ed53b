// A RabbitMQ broker of a test's own, on loopback and a free port: rabbit_broker.py run as a child and driven
// through its standard input. The child stops the broker and removes its folder when that input ends, so that
// none outlives a test that crashed.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <sys/types.h>
#include <vector>

namespace bridge55::test {

class RabbitBroker {
 public:
  // Starts it and waits until it accepts (5 to 6 s on an idle machine). `conf`: further lines of
  // rabbitmq.conf. Every member throws std::runtime_error, with the script's words, on failure.
  explicit RabbitBroker(const std::vector<std::string>& conf = {});
  ~RabbitBroker();
  RabbitBroker(const RabbitBroker&) = delete;
  RabbitBroker& operator=(const RabbitBroker&) = delete;

  std::uint16_t port() const { return port_; }
  std::string url(const std::string& user = "guest", const std::string& password = "guest",
                  const std::string& query = "") const;

  void start();   // again, on the same port and data
  void stop();    // orderly
  void kill();    // kill -9
  void freeze();  // SIGSTOP: the kernel goes on accepting and acknowledging
  void thaw();
  std::string ctl(const std::string& arguments);  // rabbitmqctl; quoting as in a shell

 private:
  std::string command(const std::string& line);
  std::string answer();

  pid_t child_ = -1;
  std::FILE* to_ = nullptr;
  std::FILE* from_ = nullptr;
  std::uint16_t port_ = 0;
};

}  // namespace bridge55::test
