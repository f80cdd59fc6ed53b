// Readiness of sockets, edge-triggered and registered once: no system call and no operation a wait, where
// Asio makes both (an epoll_ctl each time). An epoll of its own inside the loop's, so it costs one epoll_wait
// a batch of events. For sockets that carry a hundred thousand messages a second; all others wait through
// Asio. A service of the loop: `edges_of` makes the only one. I/O thread only.
#pragma once

#include <cstdint>
#include <memory>

namespace boost::asio {
class io_context;
}

namespace bridge55::net {

// What has become true since it was told last (epoll(7), EPOLLET): who does not use it up is not told again.
struct Edges {
  bool readable = false, writable = false;
  bool ended = false;   // the peer writes no more, behind what is there to read
  bool broken = false;  // an error, or the end of both directions
};

class EdgeWaiter {
 public:
  virtual void edge(int which, Edges edges) = 0;

 protected:
  ~EdgeWaiter() = default;
};

// Where a socket is registered; a late event of the one that had the place before is not taken for its own.
struct EdgePlace {
  std::uint32_t index = 0, turn = 0;
};

class EdgePoller {
 public:
  // Keeps the waiter alive until `remove`; a socket that the kernel refuses (ENOSPC) is told as `broken`.
  virtual EdgePlace add(int descriptor, std::shared_ptr<EdgeWaiter> waiter, int which) = 0;
  // Writability is told once after this, since every acknowledgement would be an edge.
  virtual void want_writable(EdgePlace place) = 0;
  virtual void remove(EdgePlace place) = 0;  // once the descriptor is closed, which ends its events

 protected:
  ~EdgePoller() = default;
};

EdgePoller& edges_of(boost::asio::io_context& io);

}  // namespace bridge55::net
