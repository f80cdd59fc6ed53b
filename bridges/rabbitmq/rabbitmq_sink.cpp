#include "bridges/rabbitmq/make_rabbitmq.hpp"
#include "bridges/rabbitmq/publisher.hpp"
#include "bridges/rabbitmq/session.hpp"
#include "daemon/base/log.hpp"
#include "daemon/base/metrics.hpp"

#include <stdexcept>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace bridge55::rabbitmq {
namespace {

// One window in flight and one at hand, so that what a confirm frees is filled without asking the I/O thread
// first.
constexpr std::size_t kHeld = 2 * kWindow;
constexpr std::size_t kHeldBytes = 32u << 20;

// The sink as the daemon sees it: counts what its thread holds, hands over, passes reports on. I/O thread.
class RabbitSink final : public bridges::Sink {
 public:
  RabbitSink(boost::asio::io_context& io, PublisherSetting setting, metrics::Value& nacked)
      : io_(io), setting_(std::move(setting)), nacked_(nacked), stop_timer_(io) {
    mailbox_ = std::make_shared<Mailbox>([this, alive = std::weak_ptr<bool>(alive_)] {
      boost::asio::post(io_, [this, alive] {
        if (!alive.expired()) pass_on(mailbox_->take_report());
      });
    });
  }

  ~RabbitSink() override {
    mailbox_->ask_stop(SteadyClock::now());
    mailbox_->abandon();
    if (ended_) thread_.join();
  }

  void start(Handlers handlers) override {
    handlers_ = std::move(handlers);
    thread_ = PublisherThread(setting_, mailbox_);
  }

  std::size_t room() const override {
    const bool full = held_ >= kHeld || held_bytes_ >= kHeldBytes;
    if (full) was_full_ = true;
    return full ? 0 : kHeld - held_;
  }

  void offer(std::vector<bridges::Delivery> deliveries) override {
    if (deliveries.empty()) return;
    held_ += deliveries.size();
    for (const bridges::Delivery& each : deliveries)
      held_bytes_ += each.event->memory_bytes();
    mailbox_->offer(std::move(deliveries));
  }

  void stop(std::chrono::milliseconds deadline, std::function<void()> stopped) override {
    stopping_ = true;
    stopped_ = std::move(stopped);
    mailbox_->ask_stop(SteadyClock::now() + deadline);
    stop_timer_.expires_after(ended_ || !thread_.running() ? std::chrono::milliseconds(0) : deadline);
    stop_timer_.async_wait(
        [this, alive = std::weak_ptr<bool>(alive_)](const boost::system::error_code& error) {
          if (!error && !alive.expired()) finish();
        });
  }

 private:
  void pass_on(const Report& report);
  void count_nacked(std::size_t count);
  void finish() {
    if (stopped_) std::exchange(stopped_, nullptr)();
  }

  boost::asio::io_context& io_;
  PublisherSetting setting_;
  // Not touched after `stop`: a sink that a reload takes away loses its metrics first.
  metrics::Value& nacked_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // a post may come after the sink
  std::shared_ptr<Mailbox> mailbox_;
  PublisherThread thread_;
  boost::asio::steady_timer stop_timer_;
  Handlers handlers_;
  std::function<void()> stopped_;
  std::size_t held_ = 0, held_bytes_ = 0;  // offered and not yet done
  mutable bool was_full_ = false;
  bool stopping_ = false, ended_ = false;
  SteadyTime say_nacked_again_{};
};

void RabbitSink::count_nacked(std::size_t count) {
  nacked_.add(static_cast<std::int64_t>(count));
  const SteadyTime now = SteadyClock::now();
  if (now < say_nacked_again_) return;
  say_nacked_again_ = now + std::chrono::minutes(1);
  log::warning("the broker refuses messages; they are sent again", {{"sink", setting_.sink.name}});
}

void RabbitSink::pass_on(const Report& report) {
  const std::weak_ptr<bool> alive = alive_;  // a handler may destroy the sink
  held_ -= report.done;
  held_bytes_ -= report.done_bytes;
  if (report.nacked != 0 && !stopping_) count_nacked(report.nacked);
  for (const auto& [state, reason] : report.states) {
    handlers_.state(state, reason);
    if (alive.expired()) return;
  }
  for (const Unroutable& each : report.unroutable)
    handlers_.unroutable(each.route, each.routing_key, each.why);
  if (report.confirmed != 0) handlers_.confirmed(report.confirmed);
  if (alive.expired()) return;
  // Said only once there is room for a good batch: a call for each freed place would cost more than
  // publishing into it.
  if (was_full_ && held_ <= kHeld - kHeld / 8 && held_bytes_ < kHeldBytes) {
    was_full_ = false;
    handlers_.room();
    if (alive.expired()) return;
  }
  if (!report.ended) return;
  ended_ = true;
  stop_timer_.cancel();
  finish();
}

}  // namespace
}  // namespace bridge55::rabbitmq

namespace bridge55::bridges {

std::vector<rabbitmq::AmqpUrl> amqp_urls(const config::Sink& settings) {
  std::vector<rabbitmq::AmqpUrl> urls;
  for (const config::Secret& url : settings.urls) {
    auto parsed = rabbitmq::parse_amqp_url(url.reveal());
    if (const auto* wrong = std::get_if<std::string>(&parsed))
      throw std::invalid_argument("sink " + settings.name + ": url: " + *wrong);
    urls.push_back(std::move(std::get<rabbitmq::AmqpUrl>(parsed)));
    log::hide(urls.back().password.reveal());
  }
  if (urls.empty()) throw std::invalid_argument("sink " + settings.name + ": no url");
  return urls;
}

std::unique_ptr<Sink> make_rabbitmq(boost::asio::io_context& io, const config::Sink& settings,
                                    metrics::Registry& metrics) {
  rabbitmq::PublisherSetting setting{settings, amqp_urls(settings)};
  auto& nacked =
      metrics.counter("bridge55_sink_nacked_total", "Messages that the broker refused; they are sent again.",
                      {{"sink", settings.name}});
  return std::make_unique<rabbitmq::RabbitSink>(io, std::move(setting), nacked);
}

std::string try_rabbitmq(const config::Sink& settings) {
  config::Sink looking = settings;
  looking.declare = config::Declare::none;
  std::string reason;
  for (const rabbitmq::AmqpUrl& url : amqp_urls(settings)) {
    const auto opened = rabbitmq::Connection::open(url, looking);
    const auto* trouble = std::get_if<rabbitmq::Trouble>(&opened);
    if (trouble == nullptr) return {};
    reason += (reason.empty() ? "" : "; ") + url.where() + ": " + trouble->reason;
  }
  return reason;
}

}  // namespace bridge55::bridges
