// A shared read under way: made for several apps, so it belongs to none of them (contract, section 6, "Reads
// are shared"). I/O thread only.
#pragma once

#include "daemon/gateway/errand.hpp"

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bridge55::gateway {

struct Flight {
  bool done = false, stored = false;
  bool outdated = false;                  // a write ended meanwhile: only who led may have the answer
  SharedAnswerPtr answer;                 // whole; null: see `refusal`, or it was too large to share
  std::optional<local::Refusal> refusal;  // why there is none
  unsigned attempts = 0;
  std::chrono::microseconds queued{0}, upstream{0};
  std::list<boost::asio::steady_timer*> waiting;
  Errand* errand = nullptr;
};

// What a flight asks, owning every byte of it.
struct FlightPlan {
  Wish wish;
  std::vector<std::pair<std::string, std::string>> headers;
};

// Performs it: what came of it is in `flight`.
net::awaitable<void> perform(UpstreamPtr upstream, FlightPlan plan, std::shared_ptr<Flight> flight);
// The same for several apps: wakes who waits.
net::awaitable<void> fly(UpstreamPtr upstream, FlightPlan plan, Coalesce::Flight number,
                         std::shared_ptr<Flight> flight);

// The rest of an answer's body in one piece; an error where it is cut or larger than `limit`.
net::awaitable<net::error_code> collect(Errand& errand, std::size_t limit, std::string& body);
std::vector<std::pair<std::string, std::string>> owned_headers(const net::ResponseHead& head);

}  // namespace bridge55::gateway
