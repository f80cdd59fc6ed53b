// What the desk that does trades asks of the gateway: one request to one upstream, under its limits, breaker
// and switches. I/O thread only; a call ends by itself at its deadline.
#pragma once

#include "daemon/base/clock.hpp"
#include "daemon/net/stream.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bridge55::gateway {

// How one request to upstream ended.
struct Reply {
  unsigned status = 0;  // 0: no whole answer; then `code` and `message` say why
  std::vector<std::pair<std::string, std::string>> headers;  // as upstream sent them, hop-by-hop ones aside
  std::string body;
  bool sent = false;  // a byte of the request may have reached upstream
  std::string code;   // one of the contract's: RATE_LIMITED, UNREACHABLE, TIMEOUT, PAUSED, …
  std::string message;
  std::optional<std::chrono::milliseconds> retry_after;
  std::chrono::microseconds queued{0}, upstream{0};  // for Server-Timing

  bool answered() const { return status != 0; }
};

// Taking a placement back before it leaves: `now` is set by the line while that is possible, and may be
// called by who has asked once nobody waits any more. Owned by both.
struct TakeBack {
  std::function<void()> now;
};

struct Placing {
  std::string app;  // for fairness and for pauses by app
  std::string request_id;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  // the app's own that go upstream
  SteadyTime wait_until;                                     // in the queue
  SteadyTime leave_until = SteadyTime::max();                // its first byte; later nothing is sent
  SteadyTime deadline;                                       // of the whole
  std::string target = "/place-orders";                      // path and query, below the upstream's base
  std::string method = "POST";
  std::function<bool()> gone = {};  // nobody waits any more: it leaves the queue; empty: never
  // Called just before the first byte leaves, and again where it did not leave after all and is tried anew;
  // may be empty.
  std::function<void()> leaving = {};
  std::shared_ptr<TakeBack> take_back = {};  // may be null
};

class Line {
 public:
  virtual ~Line() = default;
  // Pause, emergency and the app's own scope of pauses are looked at last, just before the first byte leaves.
  virtual net::awaitable<Reply> place(Placing placing) = 0;
  // A GET in front of everything else but cancels; one try. `target` is path and query below the base.
  virtual net::awaitable<Reply> look_up(std::string target, SteadyTime deadline) = 0;
  // Whose orders they are: another text once a reload has changed address or key. What was sent to another
  // account is not known to this one, and must not be sent to it again.
  virtual std::string account() const { return {}; }
};

}  // namespace bridge55::gateway
