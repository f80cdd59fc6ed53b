// The channel names that apps wanted and upstream did not grant: not worth another session to ask again
// soon. Bounded. Pure: time is a parameter.
#pragma once

#include "daemon/base/clock.hpp"

#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <string>
#include <string_view>

namespace bridge55::dropin {

// Whether upstream may have a channel of this name: 1 to 64 letters, digits, `_.:-`.
bool may_be_channel(std::string_view name);

class Denied {
 public:
  static constexpr std::chrono::seconds kFor{60};
  static constexpr std::size_t kMost = 1024, kMostInVain = 4;

  void add(const std::string& name, SteadyTime now);
  bool holds(const std::string& name, SteadyTime now) const;
  // A growth of which upstream granted nothing; so many within kFor are enough.
  void in_vain(SteadyTime now);
  bool often_in_vain(SteadyTime now) const;
  void clear();
  std::size_t size() const { return until_.size(); }

 private:
  using Until = std::map<std::string, SteadyTime>;
  void forget_oldest();

  Until until_;
  std::deque<Until::iterator> oldest_first_;
  std::deque<SteadyTime> in_vain_;  // oldest first
};

}  // namespace bridge55::dropin
