// The RabbitMQ sink alone, without journal and routes, beside bench_rabbitmq_bare: what it costs a message
// and how fast it is.
//
//   bench_rabbitmq_sink [PORT] [COUNT] [QUEUE TYPE]      without a port it starts a broker of its own
#include "bridges/rabbitmq/make_rabbitmq.hpp"
#include "daemon/base/metrics.hpp"
#include "tests/support/rabbit_broker.hpp"

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <sys/resource.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

namespace {

using namespace bridge55;

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

constexpr events::EventId kFirst = 1'771'183'909'789'001, kLast = kFirst + 1;

events::EventPtr make_event(events::EventId id, const std::string& payload) {
  events::Facts facts;
  facts.source = "abp";
  facts.channel = "orders";
  facts.name = "UPDATE";
  facts.seq = "17";
  facts.payload = payload;
  return events::Event::make({.id = id, .received_at = kFirst, .message_id = {}}, facts);
}

config::Sink settings(std::uint16_t port, const std::string& type) {
  config::Sink sink;
  sink.name = "bench";
  sink.urls = {config::Secret("amqp://guest:guest@127.0.0.1:" + std::to_string(port) + "/%2F")};
  sink.exchange.name = "bench.sink";
  sink.queues = {{.name = "bench.sink." + type, .type = type, .bind = {"#"}}};
  return sink;
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t count = argc > 2 ? std::stoull(argv[2]) : 200'000;
  const std::string type = argc > 3 ? argv[3] : "quorum";
  std::unique_ptr<test::RabbitBroker> own;
  if (argc < 2 || std::stoi(argv[1]) == 0) own = std::make_unique<test::RabbitBroker>();
  const auto port = own ? own->port() : static_cast<std::uint16_t>(std::stoi(argv[1]));

  boost::asio::io_context io;
  metrics::Registry registry;
  const auto sink = bridges::make_rabbitmq(io, settings(port, type), registry);
  const std::string payload = '"' + std::string(500, 'x') + '"';  // some 700 bytes as an envelope
  const auto event = make_event(kFirst, payload), last = make_event(kLast, payload);
  std::uint64_t offered = 0;
  const auto pump = [&] {
    for (std::size_t room = sink->room(); room > 0 && offered < count; room = sink->room()) {
      std::vector<bridges::Delivery> deliveries(std::min<std::uint64_t>({room, 256, count - offered}));
      for (bridges::Delivery& each : deliveries) {
        each.event = ++offered == count ? last : event;
        each.routing_key = "abp.orders.update";
      }
      sink->offer(std::move(deliveries));
    }
  };
  bool up = false, done = false, stopped = false;
  bridges::Sink::Handlers handlers;
  handlers.confirmed = [&](events::EventId id) { done = id == kLast; };
  handlers.room = pump;
  handlers.state = [&](bridges::SinkState state, const std::string& why) {
    up = state == bridges::SinkState::up;
    if (!up) std::fprintf(stderr, "%s\n", why.c_str());
  };
  handlers.unroutable = [](std::size_t, const std::string&, const std::string& why) {
    std::fprintf(stderr, "%s\n", why.c_str());
  };
  sink->start(std::move(handlers));
  const auto work = boost::asio::make_work_guard(io);
  while (!up)
    io.run_one();

  const double cpu = cpu_seconds();
  const auto began = std::chrono::steady_clock::now();
  pump();
  while (!done)
    io.run_one();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  std::printf("sink %s msgs_per_s=%.0f cpu_s_per_100k=%.3f\n", type.c_str(),
              static_cast<double>(count) / seconds, (cpu_seconds() - cpu) / static_cast<double>(count) * 1e5);
  sink->stop(std::chrono::seconds(5), [&] { stopped = true; });
  while (!stopped)
    io.run_one();
}
