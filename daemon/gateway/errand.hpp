// One request to upstream with its retries, until the head of an answer is there or it is known why not:
// breaker, limit, connection, sending, waiting, and what to do about each failure. I/O thread only.
#pragma once

#include "daemon/gateway/gate.hpp"
#include "daemon/gateway/upstream.hpp"
#include "daemon/net/http_client.hpp"

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bridge55::local {
class Exchange;
}

namespace bridge55::gateway {

// What is asked of upstream.
struct Wish {
  Kind kind = Kind::read;
  Rank rank = Rank::read;
  std::string method = "GET", target;  // below the upstream's base, with the query
  std::vector<net::HttpField> fields;  // views: the app's request, or `own`
  std::string request_id, app;
  bool has_body = false;
  std::string body;                     // where it is known whole
  local::Exchange* streamed = nullptr;  // else it is read from there as it comes, once
  std::optional<std::uint64_t> length;  // of a streamed body; none: chunked
  SteadyTime started, deadline;
  std::chrono::milliseconds max_wait{0};  // in the queue
  bool once = false;                      // no retries of any kind: somebody else decides
  bool beyond_cap = false;
  bool past_breaker = false;                                 // goes also where reads are refused for a while
  std::function<std::optional<local::Refusal>()> last_look;  // before the first byte leaves
};

class Errand {
 public:
  Errand(UpstreamPtr upstream, Wish wish);
  ~Errand();
  Errand(const Errand&) = delete;
  Errand& operator=(const Errand&) = delete;

  // Nothing: `call().head()` is an answer, its body still to be read. Else why there is none; an errand that
  // was cancelled says status 0.
  net::awaitable<std::optional<local::Refusal>> obtain();
  net::HttpCall& call() { return *call_; }
  // While the body is read: no deadline for a stream of events.
  SteadyTime body_deadline() const;
  void cancel();
  // The same, where nothing has left yet or the request may be cut without harm.
  void app_gone();
  // The body could not be read to its end. Nothing: it is worth another try with `obtain`.
  net::awaitable<std::optional<local::Refusal>> body_failed(net::error_code error);

  const Wish& wish() const { return wish_; }
  Upstream& upstream() { return *upstream_; }
  bool cancelled() const { return cancelled_; }
  const std::string& sent() const { return sent_; }  // X-Bridge-Sent
  unsigned attempts() const { return attempts_; }
  std::chrono::microseconds queue_time() const { return queue_time_; }
  std::chrono::microseconds upstream_time() const { return upstream_time_; }

 private:
  struct Failure {
    Outcome outcome;
    local::Refusal refusal;
    bool again = false;  // at once and on a fresh connection: the old one had ended unnoticed
  };
  net::awaitable<std::optional<local::Refusal>> enter(Place& place);
  net::awaitable<std::optional<Failure>> attempt(Place place);
  bool repeats_too_late(SteadyTime when) const;
  std::optional<local::Refusal> last_look();
  Failure final_failure(local::Refusal refusal) const;
  bool waited(std::chrono::milliseconds patience) const;
  std::chrono::milliseconds usual_patience() const;
  net::awaitable<net::error_code> send();
  net::awaitable<net::error_code> stream_body();
  std::optional<Failure> judge_head();
  Failure connect_failure(net::error_code error);
  Failure send_failure(net::error_code error);
  net::awaitable<bool> pause(std::chrono::milliseconds delay);
  std::optional<std::chrono::milliseconds> next_delay(const Outcome& outcome) const;
  std::string build();
  void tell_breaker(bool failed);
  SteadyTime first_byte_deadline() const;
  local::Refusal gone() const;

  UpstreamPtr upstream_;
  Wish wish_;
  net::BuiltRequest built_;
  std::optional<net::HttpCall> call_;
  Turn turn_;
  std::optional<boost::asio::steady_timer> pause_;
  bool cancelled_ = false, fresh_ = false, allowed_ = false, probing_ = false, writing_ = false;
  std::string sent_ = "no";
  std::optional<local::Refusal> body_refusal_;  // the app's own body was at fault
  unsigned attempts_ = 0;
  std::chrono::microseconds queue_time_{0}, upstream_time_{0};
  SteadyTime attempt_began_;
  unsigned generation_;
};

}  // namespace bridge55::gateway
