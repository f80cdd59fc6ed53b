#include "daemon/base/sd_notify.hpp"

#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace bridge55 {
namespace {

using systemd::Notifier;

// The manager's end of $NOTIFY_SOCKET.
class Manager {
 public:
  explicit Manager(std::string address)
      : address_(std::move(address)), fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::memcpy(to.sun_path, address_.data(), address_.size());
    const bool abstract = address_.front() == '@';
    if (abstract) to.sun_path[0] = '\0';
    const auto length =
        static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size() + (abstract ? 0 : 1));
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&to), length), 0) << address_;
  }
  ~Manager() {
    ::close(fd_);
    if (address_.front() == '/') ::unlink(address_.c_str());
  }
  // The next datagram; a datagram socket holds it from the moment it was sent.
  std::string received() {
    char bytes[4096];
    const ssize_t size = ::recv(fd_, bytes, sizeof bytes, MSG_DONTWAIT);
    return size < 0 ? "nothing" : std::string(bytes, static_cast<std::size_t>(size));
  }
  const std::string& address() const { return address_; }

 private:
  std::string address_;
  int fd_;
};

std::string socket_path() {
  return (std::filesystem::temp_directory_path() / ("bridge55-notify-" + std::to_string(::getpid())))
      .string();
}

// In a process of its own: the environment and low descriptors are changed for good.
int exit_code_of(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void set(const char* name, const std::string& value) {
  ::setenv(name, value.c_str(), 1);
}

TEST(Notifier, EachStateIsOneDatagram) {
  Manager manager(socket_path());
  const Notifier notifier(manager.address());
  EXPECT_TRUE(notifier.active());
  EXPECT_TRUE(notifier.ready());
  EXPECT_EQ(manager.received(), "READY=1");
  EXPECT_TRUE(notifier.watchdog());
  EXPECT_EQ(manager.received(), "WATCHDOG=1");
  EXPECT_TRUE(notifier.stopping());
  EXPECT_EQ(manager.received(), "STOPPING=1");
  EXPECT_TRUE(notifier.reloading());
  EXPECT_TRUE(manager.received().starts_with("RELOADING=1\nMONOTONIC_USEC="));
  EXPECT_EQ(manager.received(), "nothing");
}

TEST(Notifier, AbstractAddressesWork) {
  Manager manager("@bridge55-notify-" + std::to_string(::getpid()));
  EXPECT_TRUE(Notifier(manager.address()).ready());
  EXPECT_EQ(manager.received(), "READY=1");
}

TEST(Notifier, AStatusIsOneLineWhateverItHolds) {
  Manager manager(socket_path());
  EXPECT_TRUE(Notifier(manager.address()).status("2 of 3 up\nMAINPID=1\x01"));
  EXPECT_EQ(manager.received(), "STATUS=2 of 3 up MAINPID=1 ");
}

TEST(Notifier, WithoutAManagerNothingIsSentAndNothingBreaks) {
  EXPECT_FALSE(Notifier().active());
  EXPECT_FALSE(Notifier().ready());
  EXPECT_FALSE(Notifier("/nonexistent/notify").ready());
  EXPECT_FALSE(Notifier("relative").ready());
  EXPECT_FALSE(Notifier("@").ready());
  EXPECT_FALSE(Notifier("/" + std::string(200, 'x')).ready());
}

TEST(Notifier, TheEnvironmentNamesTheSocket) {
  Manager manager(socket_path());
  EXPECT_EQ(exit_code_of([&] {
              set("NOTIFY_SOCKET", manager.address());
              return Notifier::from_environment().ready() ? 7 : 1;
            }),
            7);
  EXPECT_EQ(manager.received(), "READY=1");
  EXPECT_EQ(exit_code_of([] {
              ::unsetenv("NOTIFY_SOCKET");
              return Notifier::from_environment().active() ? 1 : 7;
            }),
            7);
}

TEST(Watchdog, HalfOfWhatTheManagerAllows) {
  EXPECT_EQ(exit_code_of([] {
              set("WATCHDOG_USEC", "30000000");
              set("WATCHDOG_PID", std::to_string(::getpid()));
              return systemd::watchdog_interval() == std::chrono::seconds(15) ? 7 : 1;
            }),
            7);
  EXPECT_EQ(exit_code_of([] {
              ::unsetenv("WATCHDOG_PID");
              set("WATCHDOG_USEC", "2000000");
              return systemd::watchdog_interval() == std::chrono::seconds(1) ? 7 : 1;
            }),
            7);
}

TEST(Watchdog, NoneForAnotherProcessOrWithoutANumber) {
  EXPECT_EQ(exit_code_of([] {
              set("WATCHDOG_USEC", "30000000");
              set("WATCHDOG_PID", "1");
              if (systemd::watchdog_interval()) return 1;
              set("WATCHDOG_PID", std::to_string(::getpid()));
              for (const char* text : {"", "0", "-5", "soon", "12x", "99999999999999999999999"}) {
                set("WATCHDOG_USEC", text);
                if (systemd::watchdog_interval()) return 2;
              }
              ::unsetenv("WATCHDOG_USEC");
              return systemd::watchdog_interval() ? 3 : 7;
            }),
            7);
}

// Puts two sockets where the manager would and says so in the environment.
void inherit_two_sockets(const std::string& pid, const char* names) {
  for (const int wanted : {3, 4}) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd != wanted) ::dup2(fd, wanted), ::close(fd);
  }
  set("LISTEN_FDS", "2");
  set("LISTEN_PID", pid);
  if (names != nullptr) set("LISTEN_FDNAMES", names);
}

TEST(ListenFds, TheManagersSocketsComeWithTheirNamesAndCloseOnExec) {
  EXPECT_EQ(exit_code_of([] {
              inherit_two_sockets(std::to_string(::getpid()), "tcp:api");
              const auto fds = systemd::take_listen_fds();
              if (fds.size() != 2 || fds[0].fd != 3 || fds[0].name != "tcp" || fds[1].fd != 4 ||
                  fds[1].name != "api")
                return 1;
              return (::fcntl(3, F_GETFD) & FD_CLOEXEC) != 0 && (::fcntl(4, F_GETFD) & FD_CLOEXEC) != 0 ? 7
                                                                                                        : 2;
            }),
            7);
}

TEST(ListenFds, NamesMayBeAbsent) {
  EXPECT_EQ(exit_code_of([] {
              ::unsetenv("LISTEN_FDNAMES");
              inherit_two_sockets(std::to_string(::getpid()), nullptr);
              const auto fds = systemd::take_listen_fds();
              return fds.size() == 2 && fds[0].name.empty() && fds[1].name.empty() ? 7 : 1;
            }),
            7);
}

TEST(ListenFds, TakenOnceAndHiddenFromChildren) {
  EXPECT_EQ(exit_code_of([] {
              inherit_two_sockets(std::to_string(::getpid()), "tcp:api");
              systemd::take_listen_fds();
              for (const char* name : {"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"}) {
                if (std::getenv(name) != nullptr) return 1;
              }
              return systemd::take_listen_fds().empty() ? 7 : 2;
            }),
            7);
}

TEST(ListenFds, ThoseOfAnotherProcessOrNonsenseAreNotOurs) {
  EXPECT_EQ(exit_code_of([] {
              inherit_two_sockets("1", "tcp:api");
              if (!systemd::take_listen_fds().empty()) return 1;
              for (const char* count : {"", "0", "-1", "many", "999999999"}) {
                set("LISTEN_PID", std::to_string(::getpid()));
                set("LISTEN_FDS", count);
                if (!systemd::take_listen_fds().empty()) return 2;
              }
              return 7;
            }),
            7);
}

}  // namespace
}  // namespace bridge55
