// Exponential backoff with full jitter: each delay is drawn from zero to a ceiling that doubles, so that many
// clients of a peer that comes back do not arrive together. Pure: the random number is a parameter.
#pragma once

#include <algorithm>
#include <chrono>

namespace bridge55 {

class Backoff {
 public:
  using Duration = std::chrono::milliseconds;
  Backoff(Duration first, Duration limit) : first_(first), limit_(limit), ceiling_(std::min(first, limit)) {}

  // `unit` is uniform in [0, 1).
  Duration next(double unit) {
    const Duration ceiling = ceiling_;
    ceiling_ = std::min(ceiling_ * 2, limit_);
    return Duration(static_cast<Duration::rep>(static_cast<double>(ceiling.count()) * unit));
  }
  Duration ceiling() const { return ceiling_; }
  void reset() { ceiling_ = std::min(first_, limit_); }

 private:
  Duration first_, limit_, ceiling_;
};

}  // namespace bridge55
