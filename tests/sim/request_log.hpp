#pragma once
// Every REST request as it came, for tests that must prove what was sent (`GET /requests`).

#include "tests/sim/types.hpp"

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

namespace bridge55::sim {

struct LoggedRequest {
  std::uint64_t n = 0;  ///< 1, 2, 3 … over the process
  std::uint64_t connection = 0;
  Api api = Api::abp;
  std::int64_t at_us = 0;  ///< steady clock, when the head had been read
  std::string method, target;
  std::vector<std::pair<std::string, std::string>> headers;  ///< as sent; keys masked
  bool key_ok = false;
  std::string body = {};       ///< its first 64 KiB
  std::size_t body_bytes = 0;  ///< its whole size
  unsigned status = 0;         ///< answered; 0 = none (yet)
  std::string faults = {};     ///< names of those that struck, comma-separated
};

class RequestLog {
 public:
  explicit RequestLog(std::size_t capacity) : capacity_(capacity) {}

  std::uint64_t add(LoggedRequest request) {
    request.n = ++last_;
    requests_.push_back(std::move(request));
    if (requests_.size() > capacity_) requests_.pop_front();
    return last_;
  }
  /// Null if it has been forgotten.
  LoggedRequest* find(std::uint64_t n) {
    if (requests_.empty() || n < requests_.front().n || n > last_) return nullptr;
    return &requests_[n - requests_.front().n];
  }
  std::uint64_t last() const { return last_; }
  const std::deque<LoggedRequest>& requests() const { return requests_; }

 private:
  std::size_t capacity_;
  std::uint64_t last_ = 0;
  std::deque<LoggedRequest> requests_;
};

}  // namespace bridge55::sim
