// A broker that does as it is told: a listener on loopback whose script speaks AMQP 0-9-1 byte by byte, for
// what no real broker does.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace bridge55::test {

std::string be(std::uint64_t value, int bytes);  // big-endian
std::string frame(int type, int channel, const std::string& payload);
std::string method(int channel, int class_id, int id, const std::string& arguments = {});
std::string ack(std::uint64_t tag, bool multiple = false);
std::string nack(std::uint64_t tag, bool multiple = false);

// The far side of one connection, as the script sees it.
class Peer {
 public:
  explicit Peer(int fd) : fd_(fd) {}

  struct Frame {
    int type = 0;
    std::string payload;
    int class_id() const;
    int method_id() const;
  };
  // False at the end of the connection or of the test.
  bool read(std::string& bytes, std::size_t count);
  bool read_frame(Frame& frame);
  void send(const std::string& bytes);

  struct Offer {
    std::string server_properties = be(0, 4);
    std::uint32_t frame_max = 131072;
    std::uint16_t heartbeat = 60;
  };
  // From the protocol header to confirm.select-ok. False where the client went away.
  bool log_in(const Offer& offer);
  bool log_in() { return log_in(Offer{}); }
  // Reads whole messages; each one's `x-event-id`, in order.
  bool read_messages(std::size_t count, std::vector<std::string>& event_ids);
  void until_closed();  // reads and ignores

 private:
  int fd_;
};

class FakeBroker {
 public:
  // `script` is called for each connection, numbered from 0, one after the other; the connection ends when it
  // returns.
  using Script = std::function<void(Peer&, int number)>;
  explicit FakeBroker(Script script);
  ~FakeBroker();
  FakeBroker(const FakeBroker&) = delete;
  FakeBroker& operator=(const FakeBroker&) = delete;

  std::string url(const std::string& query = "") const;
  int connections() const { return connections_; }

 private:
  void serve();
  Script script_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<int> current_{-1}, connections_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace bridge55::test
