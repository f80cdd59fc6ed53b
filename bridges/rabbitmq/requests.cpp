#include "bridges/rabbitmq/requests.hpp"

#include "bridges/rabbitmq/make_rabbitmq.hpp"
#include "bridges/rabbitmq/requests_thread.hpp"
#include "daemon/base/log.hpp"
#include "daemon/base/metrics.hpp"

#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace bridge55::rabbitmq {
namespace {

// Exchange and queues are the sink's own business, on its own connection.
config::Sink queue_alone(config::Sink sink) {
  sink.exchange.name.clear();
  sink.queues.clear();
  return sink;
}

}  // namespace

struct Requests::Impl {
  Impl(Setup given, const config::Sink& sink)
      : io(given.io),
        metrics(given.metrics),
        desk(given.desk),
        setting{queue_alone(sink), bridges::amqp_urls(sink), given.max_message},
        queue(std::make_shared<const RequestQueue>(
            RequestQueue{sink.name, sink.requests->keep, std::move(given.door)})),
        stop_timer(given.io) {
    box = std::make_shared<RequestsBox>([this, weak = std::weak_ptr<bool>(alive)] {
      boost::asio::post(io, [this, weak] {
        if (!weak.expired()) take(box->take_report());
      });
    });
    show(false);
  }

  ~Impl() {
    stopping = true;
    box->ask_stop(SteadyClock::now());
    box->abandon();
  }

  // The series go with the sink: after `stop` nothing is counted.
  void show(bool up) {
    if (!stopping)
      metrics
          .gauge("bridge55_requests_up", "1 while requests are taken from the sink's queue.",
                 {{"sink", queue->sink}})
          .set(up ? 1 : 0);
  }

  void count(unsigned status) {
    if (!stopping)
      metrics
          .counter("bridge55_requests_total", "Requests of the sink's queue, by the status of their reply.",
                   {{"sink", queue->sink}, {"status", std::to_string(status)}})
          .add();
  }

  void take(RequestsReport report) {
    for (const auto& [state, reason] : report.states)
      changed(state, reason);
    for (const std::string& each : report.unroutable)
      undelivered(each);
    for (RequestArrived& each : report.arrived)
      ask(std::move(each));
    if (!report.ended) return;
    ended = true;
    stop_timer.cancel();
    finish();
  }

  void ask(RequestArrived arrived) {
    Delivered& message = arrived.message;
    Asked asked{std::move(message.body), message.too_large, std::move(message.message_id), message.timestamp};
    desk.take(queue, std::move(asked),
              [this, weak = std::weak_ptr<bool>(alive), connection = arrived.connection, tag = message.tag](
                  unsigned status, const std::string& text) {
                if (weak.expired()) return;
                count(status);
                box->answer({connection, tag, {{}, {}, text}});
              });
  }

  void changed(ConsumerState state, const std::string& reason) {
    show(state == ConsumerState::up);
    if (state == ConsumerState::up) {
      log::info("requests are taken from the queue",
                {{"sink", queue->sink}, {"queue", setting.sink.requests->queue}});
    } else if (reason != said || state == ConsumerState::blocked) {
      log::warning(state == ConsumerState::blocked ? "the broker holds replies back"
                                                   : "no requests are taken from the queue",
                   {{"sink", queue->sink}, {"reason", reason}});
    }
    said = state == ConsumerState::down ? reason : std::string();
  }

  void undelivered(const std::string& what) {
    if (!stopping)
      metrics
          .counter("bridge55_requests_unroutable_total", "Replies that could not be delivered.",
                   {{"sink", queue->sink}})
          .add();
    log::warning("a reply could not be delivered; its request is done",
                 {{"sink", queue->sink}, {"reply", what}});
  }

  void finish() {
    if (stopped) std::exchange(stopped, nullptr)();
  }

  boost::asio::io_context& io;
  metrics::Registry& metrics;
  RequestDesk& desk;
  ConsumerSetting setting;
  std::shared_ptr<const RequestQueue> queue;
  std::shared_ptr<bool> alive = std::make_shared<bool>(true);  // a post or an answer may come after it
  std::shared_ptr<RequestsBox> box;
  boost::asio::steady_timer stop_timer;
  std::function<void()> stopped;
  std::string said;  // the last reason of being down
  bool running = false, stopping = false, ended = false;
};

Requests::Requests(Setup setup, const config::Sink& sink)
    : impl_(std::make_unique<Impl>(std::move(setup), sink)) {}
Requests::~Requests() = default;

void Requests::start() {
  start_consumer(impl_->setting, impl_->box);
  impl_->running = true;
}

void Requests::pause() {
  impl_->box->pause();
}

void Requests::stop(std::chrono::milliseconds deadline, std::function<void()> stopped) {
  Impl& impl = *impl_;
  impl.stopped = std::move(stopped);
  impl.box->ask_stop(SteadyClock::now() + deadline);
  impl.stop_timer.expires_after(impl.ended || !impl.running ? std::chrono::milliseconds(0) : deadline);
  impl.stop_timer.async_wait(
      [&impl, weak = std::weak_ptr<bool>(impl.alive)](const boost::system::error_code& error) {
        if (!error && !weak.expired()) impl.finish();
      });
}

}  // namespace bridge55::rabbitmq
