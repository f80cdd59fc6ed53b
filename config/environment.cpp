#include "config/loader.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace bridge55::config {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

std::string reason() {
  return std::generic_category().message(errno);
}

Environment::File read_whole(const std::string& path, std::size_t limit) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0) return {{}, reason()};
  if (S_ISDIR(status.st_mode)) return {{}, "it is a folder"};
  Environment::File out;
  std::array<char, 16384> buffer{};
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return {{}, reason()};
    if (got == 0) return out;
    out.text.append(buffer.data(), static_cast<std::size_t>(got));
    if (out.text.size() > limit) return {{}, "it is larger than " + std::to_string(limit >> 10) + " KiB"};
  }
}

std::optional<std::string> look_up(const std::string& name) {
  // Read at start and on reload, on the thread that would set them; nothing in the daemon sets any.
  const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe)
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

}  // namespace

Environment Environment::of_process() {
  return {look_up, read_whole, look_up("CREDENTIALS_DIRECTORY").value_or("")};
}

}  // namespace bridge55::config
