#include "bridges/rabbitmq/requests_thread.hpp"

#include "bridges/rabbitmq/requests_session.hpp"
#include "daemon/base/backoff.hpp"

#include <optional>
#include <pthread.h>
#include <random>
#include <system_error>
#include <utility>

namespace bridge55::rabbitmq {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kFirstDelay = 250ms, kLastDelay = 4s;
constexpr auto kGoodSession = 10s;
// As the publisher's thread: librabbitmq decodes nested tables by recursion without a limit.
constexpr std::size_t kStack = 64 << 20;

class Consumer {
 public:
  Consumer(ConsumerSetting setting, std::shared_ptr<RequestsBox> box)
      : setting_(std::move(setting)), box_(std::move(box)), backoff_(kFirstDelay, kLastDelay) {}

  void run() {
    for (std::size_t next = 0; !box_->stop_asked(); ++next) {
      const auto trouble = attempt(setting_.urls[next % setting_.urls.size()]);
      if (!trouble) break;
      RequestsReport report;
      report.states.emplace_back(ConsumerState::down, trouble->reason);
      box_->report(std::move(report));
      // The other nodes of a cluster are asked at once; the wait comes when all of them failed.
      if ((next + 1) % setting_.urls.size() == 0) pause(trouble->refused);
    }
    RequestsReport last;
    last.ended = true;
    box_->report(std::move(last));
  }

 private:
  // Nothing: a stop was asked for and done.
  std::optional<Trouble> attempt(const AmqpUrl& url) {
    auto opened = Connection::open(url, setting_.sink);
    std::optional<Trouble> trouble;
    if (auto* why = std::get_if<Trouble>(&opened)) {
      trouble = std::move(*why);
    } else {
      const SteadyTime began = SteadyClock::now();
      RequestsSession session({setting_.sink, *box_, setting_.max_message, ++connections_},
                              std::move(std::get<0>(opened)));
      trouble = session.run();
      if (session.consumed() && SteadyClock::now() - began >= kGoodSession) backoff_.reset();
    }
    if (trouble) trouble->reason = url.where() + ": " + trouble->reason;
    return trouble;
  }

  void pause(bool refused) {
    const double unit = std::uniform_real_distribution<double>()(random_);
    auto delay = backoff_.next(unit);
    // Once may be mended by declaring again; a refusal that repeats waits for people.
    if (refused && refused_before_)
      delay = std::chrono::milliseconds(static_cast<std::int64_t>((1 + unit) / 2 * kLastDelay.count()));
    refused_before_ = refused;
    box_->sleep(SteadyClock::now() + delay);
  }

  ConsumerSetting setting_;
  std::shared_ptr<RequestsBox> box_;
  Backoff backoff_;
  std::mt19937_64 random_{std::random_device{}()};
  std::uint64_t connections_ = 0;
  bool refused_before_ = false;
};

void* run_consumer(void* given) {
  const std::unique_ptr<Consumer> consumer(static_cast<Consumer*>(given));
  consumer->run();
  return nullptr;
}

}  // namespace

void start_consumer(ConsumerSetting setting, std::shared_ptr<RequestsBox> box) {
  auto consumer = std::make_unique<Consumer>(std::move(setting), std::move(box));
  pthread_t thread{};
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStack);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  const int error = pthread_create(&thread, &attributes, run_consumer, consumer.get());
  pthread_attr_destroy(&attributes);
  if (error != 0) throw std::system_error(error, std::generic_category(), "pthread_create");
  static_cast<void>(consumer.release());  // the thread's own now
}

}  // namespace bridge55::rabbitmq
