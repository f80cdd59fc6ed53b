#include "bridges/scraping/standing/job.hpp"

#include <stdexcept>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace bridge55::scraping::standing {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

// The vendor's own buffers are not documented; a pause so long may have cost something.
constexpr auto kPauseIsGapAfter = 1s;

// An exception here is a bug of ours. A relay that died of one in silence would look up for ever.
void or_end_the_daemon(std::exception_ptr failed) {
  if (failed) std::rethrow_exception(failed);
}

}  // namespace

Job::Job(Parts parts)
    : io_(parts.io),
      upstream_(std::move(parts.upstream)),
      ledger_(std::move(parts.ledger)),
      timer_(parts.io) {}

void Job::start() {
  started_ = true;
  const auto self = shared_from_this();
  asio::co_spawn(
      io_, [self]() -> awaitable<void> { co_await self->run(); }, or_end_the_daemon);
}

awaitable<void> Job::run() {
  while (!stopping_) {
    ledger_.trying();
    End end = co_await live();
    if (stopping_) break;
    const config::Duration delay = ledger_.ended(std::move(end));
    co_await wait(SteadyClock::now() + delay);
  }
  finished();
}

void Job::finished() {
  if (abandoned_) return;
  ledger_.stopped();
  const auto stopped = std::move(stopped_);
  if (stopped) stopped();
}

void Job::resume() {
  if (pausing_) timer_.cancel();
}

void Job::stop(std::function<void()> stopped) {
  stopped_ = std::move(stopped);
  stopping_ = true;
  timer_.cancel();
  wake();
  if (!started_) asio::post(io_, std::move(stopped_));
}

void Job::abandon() {
  ledger_.fall_silent();
  stopping_ = abandoned_ = true;
  timer_.cancel();
  wake();
}

awaitable<void> Job::wait(SteadyTime until) {
  if (stopping_) co_return;
  timer_.expires_at(until);
  co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
}

awaitable<void> Job::yield() {
  co_await asio::post(io_, asio::use_awaitable);
}

awaitable<void> Job::pause() {
  pausing_ = true;
  co_await wait(SteadyClock::now() + kPauseIsGapAfter);
  while (!stopping_ && ledger_.must_pause()) {
    ledger_.paused();
    co_await wait(SteadyClock::now() + kPauseIsGapAfter);
  }
  pausing_ = false;
  if (!stopping_) ledger_.resumed();
}

std::string Job::who() const {
  return "relay " + (ledger_.names().empty() ? std::string{} : ledger_.names().front().name);
}

std::shared_ptr<Job> make_job(Job::Parts parts) {
  switch (parts.ledger.relay.kind) {
    case config::RelayKind::amqp:
      return make_amqp_job(std::move(parts));
    case config::RelayKind::fetch:
      return make_fetch_job(std::move(parts));
    case config::RelayKind::websocket:
      break;
  }
  return make_websocket_job(std::move(parts));
}

}  // namespace bridge55::scraping::standing
