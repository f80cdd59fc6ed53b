// One request of an app on its way through the gateway and its answer on the way back. Lives in the
// connection's coroutine. I/O thread only.
#pragma once

#include "daemon/gateway/desk.hpp"
#include "daemon/gateway/errand.hpp"
#include "daemon/gateway/upstream.hpp"
#include "daemon/local/exchange.hpp"

#include <optional>
#include <string>

namespace bridge55::gateway {

// The path below the upstream's name: as the app wrote it, with the query, and decoded for the tables.
struct Below {
  std::string raw;         // from `/`
  std::string classified;  // without empty segments and final slash
};
Below below_of(const local::Head& head, const local::Target& target);

class Passage {
 public:
  Passage(UpstreamPtr upstream, local::Exchange& exchange, Below below, Verdict verdict);
  ~Passage();

  net::awaitable<void> run();
  // A placement; `guards`: upstream's and the app's.
  net::awaitable<void> trade(Desk& desk, std::vector<Guard> guards);

 private:
  std::optional<local::Refusal> read_wishes();
  void read_asked_timeout();
  net::awaitable<std::optional<local::Refusal>> take_body();
  Wish make_wish();
  net::awaitable<void> carry(Errand& errand);
  net::awaitable<std::optional<local::Refusal>> stream(Errand& errand, bool& flushed);
  net::awaitable<bool> share();
  net::awaitable<std::shared_ptr<Flight>> fly(const Coalesce::Asked& asked);
  net::awaitable<void> respond(const Flight& flight, const SharedAnswer& answer,
                               const std::string& cache_status);
  net::awaitable<void> refuse(local::Refusal refusal, const Errand* errand = nullptr);
  void note(unsigned status);
  static local::Refusal stopping();
  std::string trader() const;

  UpstreamPtr upstream_;
  local::Exchange& exchange_;
  Below below_;
  Verdict verdict_;
  const SteadyTime started_ = SteadyClock::now();
  SteadyTime deadline_;
  std::chrono::milliseconds max_wait_{0};
  bool gone_ = false, has_body_ = false, streams_up_ = false, own_deadline_ = false;
  std::string body_, who_, cache_status_;
  std::function<void()> on_gone_;
};

inline constexpr unsigned kAppGone = 499;  // in the figures alone: nobody is there to be told

// The value of `Server-Timing`, in milliseconds; with `X-Bridge-Attempts` as header lines.
std::string timing_value(std::chrono::microseconds queued, std::chrono::microseconds upstream);
void append_timing(std::string& lines, unsigned attempts, std::chrono::microseconds queued,
                   std::chrono::microseconds upstream);

}  // namespace bridge55::gateway
