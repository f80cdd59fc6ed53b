#include "daemon/base/sd_notify.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace bridge55::systemd {
namespace {

constexpr int kFirstFd = 3;      // SD_LISTEN_FDS_START
constexpr long kMostFds = 1024;  // nobody hands over more; a nonsense count must not become a loop

std::string_view environment(const char* name) {
  const char* const value =
      std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nothing sets the environment after the start
  return value == nullptr ? std::string_view{} : std::string_view{value};
}

std::optional<long long> number(std::string_view text) {
  long long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// An address of another process is one that was inherited by accident.
bool meant_for_us(const char* pid_variable) {
  return number(environment(pid_variable)) == static_cast<long long>(::getpid());
}

// The length of the address, or 0 where the text cannot be one.
socklen_t fill_address(sockaddr_un& address, std::string_view text) {
  const bool abstract = text.starts_with('@');
  if (text.size() < 2 || (!abstract && !text.starts_with('/')) || text.size() >= sizeof address.sun_path)
    return 0;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, text.data(), text.size());
  if (abstract) address.sun_path[0] = '\0';
  // An abstract name has no end but its length; a path ends with a zero byte.
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + text.size() + (abstract ? 0 : 1));
}

std::vector<std::string> split_names(std::string_view names) {
  std::vector<std::string> result;
  while (!names.empty()) {
    const std::size_t colon = std::min(names.find(':'), names.size());
    result.emplace_back(names.substr(0, colon));
    names.remove_prefix(std::min(colon + 1, names.size()));
  }
  return result;
}

}  // namespace

Notifier Notifier::from_environment() {
  return Notifier(std::string(environment("NOTIFY_SOCKET")));
}

bool Notifier::send(std::string_view state) const {
  sockaddr_un address{};
  const socklen_t length = fill_address(address, address_);
  if (length == 0) return false;
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  const ssize_t sent = ::sendto(fd, state.data(), state.size(), MSG_NOSIGNAL,
                                reinterpret_cast<const sockaddr*>(&address), length);
  ::close(fd);
  return sent == static_cast<ssize_t>(state.size());
}

bool Notifier::reloading() const {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const long long micros = static_cast<long long>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000;
  return send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(micros));
}

bool Notifier::status(std::string_view text) const {
  std::string line = "STATUS=" + std::string(text);
  std::replace_if(
      line.begin(), line.end(), [](char byte) { return static_cast<unsigned char>(byte) < ' '; }, ' ');
  return send(line);
}

std::optional<std::chrono::microseconds> watchdog_interval() {
  if (!environment("WATCHDOG_PID").empty() && !meant_for_us("WATCHDOG_PID")) return std::nullopt;
  const std::optional<long long> allowed = number(environment("WATCHDOG_USEC"));
  if (!allowed || *allowed <= 0) return std::nullopt;
  return std::chrono::microseconds(std::max(*allowed / 2, 1LL));
}

std::vector<ListenFd> take_listen_fds() {
  std::vector<ListenFd> result;
  const std::optional<long long> count = number(environment("LISTEN_FDS"));
  if (meant_for_us("LISTEN_PID") && count && *count > 0 && *count <= kMostFds) {
    const std::vector<std::string> names = split_names(environment("LISTEN_FDNAMES"));
    for (std::size_t i = 0; i < static_cast<std::size_t>(*count); ++i) {
      const int fd = kFirstFd + static_cast<int>(i);
      if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) continue;
      result.push_back({fd, i < names.size() ? names[i] : std::string{}});
    }
  }
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) {
    ::unsetenv(name);  // NOLINT(concurrency-mt-unsafe): before any thread starts
  }
  return result;
}

}  // namespace bridge55::systemd
