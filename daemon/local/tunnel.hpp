// Two sockets joined byte for byte, as a WebSocket relay is after its handshakes (contract, section 5,
// "Relays"): frames, fragments, masks, pings, pongs, close codes and reasons pass untouched; a tracker of
// frame headers beside each direction knows where a frame ends. Never more than 256 KiB is held a direction.
// A side that goes without a close frame is told to the other with one of ours, between two frames; in the
// middle of one the other is cut, so that nobody takes half a frame for a whole one. It sends no ping and
// knows no limit of a frame. I/O thread only.
#pragma once

#include "daemon/base/clock.hpp"
#include "daemon/local/seat.hpp"
#include "daemon/net/stream.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace boost::asio {
class io_context;
}

namespace bridge55::local {

// How a tunnel ended, for logs and metrics.
struct TunnelEnd {
  std::string why;                             // in words; the peers' own reasons are not in it
  std::uint16_t from_app = 0, from_far = 0;    // close codes that passed; 0: none
  std::uint64_t app_bytes = 0, far_bytes = 0;  // that came from each side
  std::uint64_t app_frames = 0, far_frames = 0;
  std::string_view app_fault, far_fault;  // what broke RFC 6455 and passed all the same; empty: nothing
};

class Tunnel : public std::enable_shared_from_this<Tunnel> {
 public:
  struct Setup {
    net::Stream app;       // whose frames are masked
    net::Stream far;       // whose frames are not
    std::string from_app;  // what came behind the handshakes and is not passed on yet
    std::string from_far;
    std::unique_ptr<Seat> seat;                   // the app's place among the door's connections; may be null
    std::function<void(const TunnelEnd&)> ended;  // called once, from the loop; not after `stop`
  };
  Tunnel(boost::asio::io_context& io, Setup setup);
  ~Tunnel();

  // It lives on by itself until both sides are closed: ten seconds after a close frame has passed, or one
  // side has gone, at the latest; a second after both were told and have answered, whoever leaves his socket
  // open, unless bytes are still on their way.
  void start();
  // Close frames to both sides, each between two frames; what does not end by the deadline is cut.
  void close(std::uint16_t code, std::string_view reason, SteadyTime deadline);
  void stop();  // at once

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bridge55::local
