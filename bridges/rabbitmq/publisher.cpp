#include "bridges/rabbitmq/publisher.hpp"

#include "bridges/rabbitmq/session.hpp"
#include "daemon/base/backoff.hpp"

#include <optional>
#include <random>
#include <system_error>
#include <utility>

namespace bridge55::rabbitmq {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kFirstDelay = 250ms, kLastDelay = 4s;
// A session that lived so long was a good one, even if nothing had to be published.
constexpr auto kGoodSession = 10s;
// librabbitmq decodes nested tables by recursion without a limit; a frame of 128 KiB holds some 26,000
// levels.
constexpr std::size_t kStack = 64 << 20;

class Publisher {
 public:
  Publisher(PublisherSetting setting, std::shared_ptr<Mailbox> mailbox)
      : setting_(std::move(setting)), mailbox_(std::move(mailbox)), backoff_(kFirstDelay, kLastDelay) {}

  void run();

 private:
  std::optional<Trouble> attempt(const AmqpUrl& url);
  void down(const Trouble& trouble);
  void pause(bool refused);

  PublisherSetting setting_;
  std::shared_ptr<Mailbox> mailbox_;
  std::deque<bridges::Delivery> backlog_;
  Backoff backoff_;
  std::mt19937_64 random_{std::random_device{}()};
  bool prove_first_ = false, refused_before_ = false;
};

// Nothing: a stop was asked for and done.
std::optional<Trouble> Publisher::attempt(const AmqpUrl& url) {
  auto opened = Connection::open(url, setting_.sink);
  if (auto* trouble = std::get_if<Trouble>(&opened)) {
    trouble->reason = url.where() + ": " + trouble->reason;
    return *trouble;
  }
  const SteadyTime began = SteadyClock::now();
  Session session({setting_.sink, *mailbox_, backlog_, random_, prove_first_},
                  std::move(std::get<0>(opened)));
  auto trouble = session.run();
  if (session.confirmed_any() || SteadyClock::now() - began >= kGoodSession) backoff_.reset();
  // A broker that lets us in and then refuses all we publish is not up in between.
  prove_first_ = !session.confirmed_any() && !backlog_.empty();
  if (trouble) trouble->reason = url.where() + ": " + trouble->reason;
  return trouble;
}

void Publisher::run() {
  for (std::size_t next = 0; !mailbox_->stop_asked(); ++next) {
    const auto trouble = attempt(setting_.urls[next % setting_.urls.size()]);
    if (!trouble) break;
    down(*trouble);
    // The other nodes of a cluster are asked at once; the wait comes when all of them failed.
    if ((next + 1) % setting_.urls.size() == 0) pause(trouble->refused);
  }
  Report last;
  last.ended = true;
  mailbox_->report(std::move(last));
}

void Publisher::down(const Trouble& trouble) {
  Report report;
  report.states.emplace_back(bridges::SinkState::down, trouble.reason);
  mailbox_->report(std::move(report));
}

void Publisher::pause(bool refused) {
  const double unit = std::uniform_real_distribution<double>()(random_);
  auto delay = backoff_.next(unit);
  // Once may be mended by declaring again; a refusal that repeats waits for people.
  if (refused && refused_before_)
    delay = std::chrono::milliseconds(static_cast<std::int64_t>((1 + unit) / 2 * kLastDelay.count()));
  refused_before_ = refused;
  mailbox_->sleep(SteadyClock::now() + delay);
}

void* run_publisher(void* given) {
  const std::unique_ptr<Publisher> publisher(static_cast<Publisher*>(given));
  publisher->run();
  return nullptr;
}

}  // namespace

PublisherThread::PublisherThread(PublisherSetting setting, std::shared_ptr<Mailbox> mailbox) {
  auto publisher = std::make_unique<Publisher>(std::move(setting), std::move(mailbox));
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStack);
  const int error = pthread_create(&thread_, &attributes, run_publisher, publisher.get());
  pthread_attr_destroy(&attributes);
  if (error != 0) throw std::system_error(error, std::generic_category(), "pthread_create");
  static_cast<void>(publisher.release());  // the thread's own now
  pthread_setname_np(thread_, "rabbitmq");
  running_ = true;
}

PublisherThread::PublisherThread(PublisherThread&& other) noexcept
    : thread_(other.thread_), running_(std::exchange(other.running_, false)) {}

PublisherThread& PublisherThread::operator=(PublisherThread&& other) noexcept {
  std::swap(thread_, other.thread_);
  std::swap(running_, other.running_);
  return *this;
}

PublisherThread::~PublisherThread() {
  if (running_) pthread_detach(thread_);
}

void PublisherThread::join() {
  if (std::exchange(running_, false)) pthread_join(thread_, nullptr);
}

}  // namespace bridge55::rabbitmq
