// Opens one WebSocket relay through the scraping network (vendor docs, "WebSocket Protocol Reference"): waits
// for a token of the limit, connects, upgrades, sends the connect message, waits for `connected`. What the
// far side says behind that is handed over untouched. I/O thread only.
#pragma once

#include "daemon/gateway/gate.hpp"
#include "daemon/gateway/upstream.hpp"
#include "daemon/net/stream.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

namespace bridge55::ws {
class FrameReader;
}

namespace bridge55::scraping {

struct Dialed {
  net::Stream stream;
  std::string received;   // behind `connected`: the first bytes of the target's frames
  std::string connected;  // the vendor's message as it came
  std::string node_id;
};

struct NotDialed {
  enum class Why {
    limited,      // no token of the limit came free in time, or the vendor said so: `retry_after`
    refused,      // the vendor refused key or message (close code 1008)
    failed,       // agent or target failed (close code 1011)
    unreachable,  // no connection to the vendor, or it broke
    timeout,
    cancelled,
  };
  Why why = Why::failed;
  std::string message;              // in words, without secrets
  std::string said;                 // the vendor's error message as it came; empty: there was none
  std::uint16_t close_code = 1011;  // what the vendor closed with, or would have
  std::chrono::milliseconds retry_after{0};
  bool sent = false;  // the connect message may have reached the vendor
};

class Dial {
 public:
  struct Ask {
    std::string message;  // the connect message (connect_message.hpp), key included
    std::string app;      // for fairness
    gateway::Rank rank = gateway::Rank::read;
    std::chrono::milliseconds max_wait{0};  // for the token
    SteadyTime deadline;                    // of the whole
  };
  Dial(gateway::UpstreamPtr upstream, Ask ask);

  net::awaitable<std::variant<Dialed, NotDialed>> run();  // once; awaited in its owner's frame
  void cancel();                                          // ends `run` soon, as cancelled

 private:
  net::awaitable<std::optional<NotDialed>> take_place();
  net::awaitable<std::optional<NotDialed>> connect();
  net::awaitable<std::optional<NotDialed>> upgrade(ws::FrameReader& frames);
  net::awaitable<std::variant<Dialed, NotDialed>> hear(ws::FrameReader& frames);
  NotDialed broken(net::error_code error, std::string_view doing) const;

  gateway::UpstreamPtr upstream_;
  Ask ask_;
  gateway::Turn turn_;
  gateway::Place place_;
  std::optional<net::Stream> stream_;
  bool cancelled_ = false, sent_ = false;
};

}  // namespace bridge55::scraping
