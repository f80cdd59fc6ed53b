// Accepts on one listening socket and hands the descriptors over. I/O thread only. Ends when it is destroyed.
#pragma once

#include "daemon/local/auth.hpp"
#include "daemon/local/bind.hpp"

#include <functional>
#include <memory>
#include <string>

namespace boost::asio {
class io_context;
}

namespace bridge55::local {

class Listener {
 public:
  struct Handlers {
    std::function<void(int descriptor)> accepted;  // non-blocking, close-on-exec, the handler's to close
    std::function<bool()> make_room;  // out of descriptors: close something idle; false: nothing to close
  };
  Listener(boost::asio::io_context& io, BoundSocket socket, Handlers handlers);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  const BoundSocket& socket() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the accepting coroutine, which may end after the listener
};

// The kernel's word on who is at the other end of a UNIX connection (unix(7)); TCP tells nothing.
Peer peer_of(int descriptor, bool unix_socket);

}  // namespace bridge55::local
