#include "tests/sim/pacer.hpp"

#include <algorithm>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace bridge55::sim {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kHighWater =
    256 * 1024;  // bytes waiting for a client at full speed: a few hundred frames
constexpr unsigned kEventsBetweenChecks = 16;
constexpr auto kTick = std::chrono::milliseconds(1);

TimePoint after(TimePoint start, double seconds) {
  return start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

void Schedule::restart(TimePoint start, double rate) {
  start_ = start;
  rate_ = rate;
  done_ = 0;
}

std::uint64_t Schedule::due(TimePoint now) {
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  const auto total = static_cast<std::uint64_t>(std::max(0.0, elapsed * rate_));
  if (total <= done_) return 0;
  const std::uint64_t owed = total - done_;
  if (static_cast<double>(owed) > rate_ + 1) {
    restart(now, rate_);
    return 0;
  }
  done_ = total;
  return owed;
}

TimePoint Schedule::next() const {
  return after(start_, static_cast<double>(done_ + 1) / rate_);
}

Pacer::Pacer(const asio::any_io_executor& executor, Vendor& vendor, Hub& hub)
    : vendor_(vendor),
      hub_(hub),
      timer_(executor),
      rate_(vendor.options.rate),
      max_(vendor.options.rate_max) {
  const auto& options = vendor.options;
  for (const Api api : {Api::abp, Api::mm}) {
    auto& source = sources_[static_cast<std::size_t>(api)];
    if (options.bench) {
      source = make_bench(api, options);
    } else {
      source = api == Api::abp ? make_abp_life(options, vendor.book_of(api))
                               : make_mm_life(options, vendor.book_of(api));
    }
  }
  begun_ = {options.at_boot, options.at_boot};
}

/// A life with a book goes on while nobody listens, so that there is something to recover over REST.
bool Pacer::alive(Api api) const {
  if (!begun_[static_cast<std::size_t>(api)]) return false;
  return !vendor_.options.bench || hub_.has_readers(api);
}

bool Pacer::ready(Api api) const {
  return alive(api) && hub_.has_readers(api) && !hub_.is_full(api, kHighWater);
}

Api Pacer::choose(bool abp, bool mm) {
  if (!mm) return Api::abp;
  if (!abp) return Api::mm;
  mm_debt_ += vendor_.options.mm_share;
  if (mm_debt_ < 1) return Api::abp;
  mm_debt_ -= 1;
  return Api::mm;
}

void Pacer::tell(Api api) {
  ++events_;
  hub_.broadcast(sources_[static_cast<std::size_t>(api)]->next());
}

void Pacer::on_login(Api api) {
  begun_[static_cast<std::size_t>(api)] = true;
  if (!burst_given_) burst_left_ = vendor_.options.burst;
  burst_given_ = true;
  timer_.cancel();
}

void Pacer::set_rate(double rate, bool max) {
  rate_ = rate;
  max_ = max;
  schedule_.restart(Clock::now(), rate_);
  timer_.cancel();
  pump();
}

void Pacer::burst(std::uint64_t events) {
  burst_left_ = events;
  pump();
}

void Pacer::pump() {
  if (pumping_ || !full_speed()) return;
  pumping_ = true;
  while (full_speed()) {
    const bool abp = ready(Api::abp);
    const bool mm = ready(Api::mm);
    if (!abp && !mm) break;
    for (unsigned i = 0; i < kEventsBetweenChecks && full_speed(); ++i) {
      tell(choose(abp, mm));
      if (burst_left_ > 0) --burst_left_;
    }
  }
  pumping_ = false;
}

asio::awaitable<void> Pacer::run() {
  bool paced = false;
  for (;;) {
    const bool abp = alive(Api::abp);
    const bool mm = alive(Api::mm);
    const bool idle = rate_ <= 0 || max_ || (!abp && !mm);
    const auto now = Clock::now();
    if (!idle && !paced) schedule_.restart(now, rate_);
    paced = !idle;
    if (idle) {
      timer_.expires_at(full_speed() || rate_ <= 0 ? TimePoint::max() : now + std::chrono::milliseconds(20));
    } else {
      for (auto due = schedule_.due(now); due > 0; --due)
        tell(choose(abp, mm));
      timer_.expires_at(std::max(schedule_.next(), now + kTick));
    }
    boost::system::error_code ignored;
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

}  // namespace bridge55::sim
