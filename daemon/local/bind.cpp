#include "daemon/local/bind.hpp"

#include "daemon/local/auth.hpp"
#include "daemon/local/server.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <grp.h>
#include <memory>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace bridge55::local {
namespace {

constexpr int kUnavailable = 69, kNoPermission = 77, kBadSetting = 78;
constexpr int kBacklog = 4096;  // the kernel lowers it to net.core.somaxconn

struct Descriptor {
  int value = -1;
  explicit Descriptor(int d) : value(d) {}
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int release() { return std::exchange(value, -1); }
};

[[noreturn]] void fail(const std::string& where, const std::string& what, int error) {
  const int code = error == EACCES || error == EPERM ? kNoPermission : kUnavailable;
  throw ListenError(
      code, "cannot listen on " + where + ": " + what + ": " + std::generic_category().message(error));
}

[[noreturn]] void refuse(const std::string& where, const std::string& why, int code = kBadSetting) {
  throw ListenError(code, "cannot listen on " + where + ": " + why);
}

sockaddr_un address_of(const std::string& path, const std::string& shown) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) refuse(shown, "the path is longer than 107 bytes");
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

bool somebody_listens(const std::string& path) {
  const sockaddr_un address = address_of(path, path);
  const Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (probe.value < 0) return true;
  const int result = ::connect(probe.value, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  return result == 0 || errno != ECONNREFUSED;
}

// Leaves the path free, or says why it cannot be used.
void clear_path(const std::string& path) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) {
    if (errno == ENOENT) return;
    fail(path, "lstat", errno);
  }
  if (S_ISLNK(found.st_mode)) refuse(path, "it is a symbolic link, which is not followed");
  if (!S_ISSOCK(found.st_mode)) refuse(path, "a file that is no socket is there");
  if (somebody_listens(path)) refuse(path, "another process listens there", kUnavailable);
  if (::unlink(path.c_str()) != 0) fail(path, "the stale socket cannot be removed", errno);
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

void need_directory(const std::string& path) {
  const std::string directory = directory_of(path);
  struct stat found {};
  if (::lstat(directory.c_str(), &found) == 0) {
    if (S_ISDIR(found.st_mode)) return;
    if (S_ISLNK(found.st_mode)) refuse(path, "its directory is a symbolic link, which is not followed");
    refuse(path, directory + " is no directory");
  }
  if (::mkdir(directory.c_str(), 0755) != 0) fail(path, "its directory cannot be made", errno);
}

// Until `listen` nobody can connect; mode and group are right before that. They are set through a descriptor
// of the file that was made, so that nothing put in its place can be changed instead.
void bind_and_listen(int descriptor, const std::string& path, unsigned mode, const std::string& group) {
  const sockaddr_un address = address_of(path, path);
  const auto id = group.empty() ? std::nullopt : NameService::system().group(group);
  if (!group.empty() && !id) refuse(path, "there is no group " + group);
  if (::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    fail(path, "bind", errno);
  const auto need = [&](bool good, const char* what) {
    if (good) return;
    const int error = errno;
    ::unlink(path.c_str());
    fail(path, what, error);
  };
  const Descriptor file(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  need(file.value >= 0, "open");
  need(!id || ::fchownat(file.value, "", static_cast<uid_t>(-1), *id, AT_EMPTY_PATH) == 0, "chown");
  need(::chmod(("/proc/self/fd/" + std::to_string(file.value)).c_str(), mode) == 0, "chmod");
  need(::listen(descriptor, kBacklog) == 0, "listen");
}

}  // namespace

BoundSocket::BoundSocket(BoundSocket&& other) noexcept {
  *this = std::move(other);
}

BoundSocket& BoundSocket::operator=(BoundSocket&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(host_, other.host_);
  std::swap(path_, other.path_);
  std::swap(port_, other.port_);
  std::swap(owns_file_, other.owns_file_);
  std::swap(device_, other.device_);
  std::swap(inode_, other.inode_);
  return *this;
}

BoundSocket::~BoundSocket() {
  if (descriptor_ >= 0) ::close(descriptor_);
  remove_file();
}

int BoundSocket::release_descriptor() {
  return std::exchange(descriptor_, -1);
}

void BoundSocket::remove_file() {
  struct stat found {};
  if (!owns_file_ || ::lstat(path_.c_str(), &found) != 0) return;
  // An inode's number may have been given to a socket that somebody else made there since.
  if (found.st_dev == device_ && found.st_ino == inode_ && !somebody_listens(path_)) ::unlink(path_.c_str());
}

BoundSocket BoundSocket::tcp(const config::Listen& settings) {
  const std::string shown = settings.host + ':' + std::to_string(settings.port);
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  std::string host = settings.host;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(host.c_str(), std::to_string(settings.port).c_str(), &hints, &found);
  if (failed != 0) refuse(shown, ::gai_strerror(failed));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, ::freeaddrinfo);
  BoundSocket bound;
  bound.descriptor_ = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (bound.descriptor_ < 0) fail(shown, "socket", errno);
  const int on = 1;
  ::setsockopt(bound.descriptor_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (found->ai_family == AF_INET6)
    ::setsockopt(bound.descriptor_, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (::bind(bound.descriptor_, found->ai_addr, found->ai_addrlen) != 0) fail(shown, "bind", errno);
  if (::listen(bound.descriptor_, kBacklog) != 0) fail(shown, "listen", errno);
  bound.read_address();
  return bound;
}

BoundSocket BoundSocket::unix_path(const std::string& path, unsigned mode, const std::string& group) {
  address_of(path, path);
  need_directory(path);
  clear_path(path);
  BoundSocket bound;
  bound.descriptor_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (bound.descriptor_ < 0) fail(path, "socket", errno);
  bind_and_listen(bound.descriptor_, path, mode, group);
  struct stat found {};
  bound.path_ = path;
  bound.owns_file_ = ::lstat(path.c_str(), &found) == 0;
  bound.device_ = found.st_dev;
  bound.inode_ = found.st_ino;
  return bound;
}

BoundSocket BoundSocket::inherited(int descriptor) {
  BoundSocket bound;
  bound.descriptor_ = descriptor;
  ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK);
  ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  bound.read_address();
  return bound;
}

void BoundSocket::read_address() {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  if (::getsockname(descriptor_, address, &size) != 0) return;
  if (storage.ss_family == AF_UNIX) {
    const auto* local = reinterpret_cast<const sockaddr_un*>(&storage);
    path_ = local->sun_path;
    return;
  }
  char host[NI_MAXHOST], port[NI_MAXSERV];
  if (::getnameinfo(address, size, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) !=
      0)
    return;
  host_ = host;
  port_ = static_cast<std::uint16_t>(std::strtoul(port, nullptr, 10));
}

std::string BoundSocket::text() const {
  if (host_.empty()) return path_;
  return (host_.find(':') == std::string::npos ? host_ : '[' + host_ + ']') + ':' + std::to_string(port_);
}

bool BoundSocket::serves(const config::Listen& settings) const {
  if (settings.is_unix()) return path_ == settings.unix_path;
  std::string host = settings.host == "localhost" ? "127.0.0.1" : settings.host;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return !host_.empty() && host == host_ && settings.port == port_;
}

}  // namespace bridge55::local
