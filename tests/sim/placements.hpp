#pragma once
// What is known of placements: which requestUuids are taken, and the ledger that tests hold the daemon to.

#include "tests/sim/types.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace bridge55::sim {

/// One requestUuid of one client.
struct PlacedOrder {
  std::string uuid, client;
  std::int64_t order_id = 0;    ///< 0 = never processed
  std::uint64_t processed = 0;  ///< more than 1 is a trade that happened twice
  std::uint64_t requested = 0;  ///< times a place-orders request named it
  std::string body;             ///< the order as first received
  TimePoint taken_at{};         ///< when the uuid was taken last
  bool taken = false;
};

/// One place-orders request as it came.
struct PlaceRequest {
  std::uint64_t n = 0;  ///< as in the request log
  std::int64_t at_us = 0;
  std::vector<std::string> uuids;
  std::string outcome;  ///< what was answered or done to it
};

class Placements {
 public:
  explicit Placements(milliseconds window) : window_(window) {}

  PlacedOrder& order(const std::string& client, const std::string& uuid);
  /// Whether the uuid is in flight, in the vendor's words: taken inside the dedup window.
  bool is_taken(const std::string& client, const std::string& uuid, TimePoint now) const;
  void take(const std::string& client, const std::string& uuid, TimePoint now);

  PlaceRequest& add_request(PlaceRequest request);
  /// Null if it has been forgotten.
  PlaceRequest* find_request(std::uint64_t n);

  void set_window(milliseconds window) { window_ = window; }
  const std::map<std::pair<std::string, std::string>, PlacedOrder>& orders() const { return orders_; }
  const std::deque<PlaceRequest>& requests() const { return requests_; }

 private:
  milliseconds window_;
  std::map<std::pair<std::string, std::string>, PlacedOrder> orders_;  // by client and uuid
  std::deque<PlaceRequest> requests_;
};

}  // namespace bridge55::sim
