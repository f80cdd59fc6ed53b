// Listening sockets, opened safely. UNIX sockets: no symlink is followed, only a stale socket that nobody
// listens on is replaced, and mode and group are right before anybody can reach it. Called at start and on
// reload; short system calls only.
#pragma once

#include "config/config.hpp"

#include <cstdint>
#include <string>
#include <sys/types.h>

namespace bridge55::local {

// A listening, non-blocking descriptor and what is needed to tell about it and to take it away again. Closes
// and removes in its destructor.
class BoundSocket {
 public:
  BoundSocket() = default;
  BoundSocket(BoundSocket&& other) noexcept;
  BoundSocket& operator=(BoundSocket&& other) noexcept;
  ~BoundSocket();

  // Both throw ListenError.
  static BoundSocket tcp(const config::Listen& settings);
  static BoundSocket unix_path(const std::string& path, unsigned mode, const std::string& group);
  // A socket that systemd opened; its file is systemd's to remove.
  static BoundSocket inherited(int descriptor);

  int descriptor() const { return descriptor_; }
  int release_descriptor();                          // the caller closes it; the file is still removed here
  const std::string& host() const { return host_; }  // numeric, without brackets; empty for UNIX
  std::uint16_t port() const { return port_; }
  const std::string& path() const { return path_; }
  std::string text() const;  // `127.0.0.1:5580`, `[::1]:5580`, the path
  // Whether this socket is what a listener with these settings, or a feed at this path, asks for.
  bool serves(const config::Listen& settings) const;

 private:
  void read_address();
  void remove_file();

  int descriptor_ = -1;
  std::string host_, path_;
  std::uint16_t port_ = 0;
  bool owns_file_ = false;
  dev_t device_ = 0;  // of our own file: another one at that path is not ours to remove
  ino_t inode_ = 0;
};

}  // namespace bridge55::local
