#pragma once
// When events happen: an even pace on an absolute schedule, or as fast as the subscribers read.

#include "tests/sim/hub.hpp"
#include "tests/sim/life.hpp"
#include "tests/sim/vendor.hpp"

#include <array>
#include <cstdint>
#include <memory>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

namespace bridge55::sim {

/// How many events are due on a schedule of `rate` a second that began at `start`: even to one event.
class Schedule {
 public:
  void restart(TimePoint start, double rate);
  /// Events to be told now. More than a second late, the schedule begins anew: a stopped process owes no
  /// flood.
  std::uint64_t due(TimePoint now);
  /// When the next event is due.
  TimePoint next() const;

 private:
  TimePoint start_{};
  double rate_ = 0;
  std::uint64_t done_ = 0;
};

class Pacer {
 public:
  Pacer(const boost::asio::any_io_executor& executor, Vendor& vendor, Hub& hub);

  boost::asio::awaitable<void> run();
  void set_rate(double rate, bool max);
  /// So many events at once, as fast as they are read; the rate goes on afterwards.
  void burst(std::uint64_t events);
  /// A login: that API's life begins with its first one.
  void on_login(Api api);
  /// A writer has nothing left to do.
  void pump();

  double rate() const { return rate_; }
  bool at_max() const { return max_; }
  std::uint64_t burst_left() const { return burst_left_; }
  std::uint64_t events() const { return events_; }

 private:
  bool alive(Api api) const;
  bool ready(Api api) const;
  void tell(Api api);
  Api choose(bool abp, bool mm);
  bool full_speed() const { return burst_left_ > 0 || max_; }

  Vendor& vendor_;
  Hub& hub_;
  boost::asio::steady_timer timer_;
  std::array<std::unique_ptr<EventSource>, 2> sources_;
  std::array<bool, 2> begun_{};
  Schedule schedule_;
  double rate_;
  bool max_;
  bool burst_given_ = false;
  bool pumping_ = false;
  std::uint64_t burst_left_ = 0;
  std::uint64_t events_ = 0;
  double mm_debt_ = 0;
};

}  // namespace bridge55::sim
