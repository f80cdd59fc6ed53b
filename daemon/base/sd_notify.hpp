// Talking to the service manager (sd_notify(3), sd_listen_fds(3)) without linking libsystemd: one datagram a
// message. Outside systemd everything here does nothing and says so. Thread-safe but for `take_listen_fds`,
// which belongs at the start of main.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bridge55::systemd {

// Sends states to the socket that the manager named. A failed send is no error for a daemon: it returns false
// and life goes on.
class Notifier {
 public:
  Notifier() = default;  // sends nowhere
  explicit Notifier(std::string address)
      : address_(std::move(address)) {}  // a path, or `@name` for an abstract socket
  static Notifier from_environment();    // $NOTIFY_SOCKET

  bool active() const { return !address_.empty(); }
  bool ready() const { return send("READY=1"); }
  bool reloading() const;  // follow with ready()
  bool stopping() const { return send("STOPPING=1"); }
  bool watchdog() const { return send("WATCHDOG=1"); }
  bool status(
      std::string_view text) const;  // one line for `systemctl status`; control characters become spaces
  bool send(std::string_view state) const;  // `NAME=value` lines; never blocks

 private:
  std::string address_;
};

// How often to call `watchdog`: half of what the manager allows (WatchdogSec=). None: it does not watch this
// process.
std::optional<std::chrono::microseconds> watchdog_interval();

// A listening socket that the manager opened for us (bridge55.socket), with its FileDescriptorName=.
struct ListenFd {
  int fd = -1;
  std::string name;  // empty where it has none
};

// The inherited sockets, close-on-exec, and clears the variables, so that no child takes them for its own.
// The caller owns them.
std::vector<ListenFd> take_listen_fds();

}  // namespace bridge55::systemd
