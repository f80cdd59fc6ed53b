// The least that librabbitmq can do, for comparison with the whole daemon: publishes persistent, mandatory
// messages to a quorum (or classic) queue with N unconfirmed, as fast as confirms come or at a given rate
// with a consumer beside it.
//
//   bench_rabbitmq_bare [--port P] [--count 200000] [--window 1024] [--size 700] [--type quorum] [--exchange
//   topic|default]
//                       [--rate R --seconds S]
//
// Exchange, bindings, properties and headers are those of the daemon's messages (`default`: straight to the
// queue, which spares the broker the topic match). Without --port it starts a broker of its own. Prints
// confirmed messages a second and CPU seconds for each 100,000; with --rate the latency from publish to
// consumer (p50, p99) instead.
#include "tests/support/rabbit_broker.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <sys/time.h>
#include <thread>
#include <vector>

#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_tcp_socket.h>

namespace {

using Clock = std::chrono::steady_clock;
constexpr const char* kQueue = "bench.bare";
constexpr const char* kExchange = "bench.bare";

struct Options {
  int port = 0;
  std::uint64_t count = 200'000, window = 1024;
  std::size_t size = 700;
  std::string type = "quorum", exchange = "topic";
  double rate = 0, seconds = 10;
};

std::int64_t nanos() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count();
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class Client {
 public:
  explicit Client(int port) : state_(amqp_new_connection()) {
    if (amqp_socket_open(amqp_tcp_socket_new(state_), "127.0.0.1", port) != AMQP_STATUS_OK)
      throw std::runtime_error("cannot connect");
    const auto login = amqp_login(state_, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest");
    if (login.reply_type != AMQP_RESPONSE_NORMAL) throw std::runtime_error("login refused");
    amqp_channel_open(state_, 1);
    check();
  }
  ~Client() {
    amqp_connection_close(state_, AMQP_REPLY_SUCCESS);
    amqp_destroy_connection(state_);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  amqp_connection_state_t get() { return state_; }
  void check() {
    if (amqp_get_rpc_reply(state_).reply_type != AMQP_RESPONSE_NORMAL)
      throw std::runtime_error("the broker refused");
  }

 private:
  amqp_connection_state_t state_;
};

void declare(Client& client, const std::string& type) {
  amqp_queue_delete(client.get(), 1, amqp_cstring_bytes(kQueue), 0, 0);
  client.check();
  amqp_table_entry_t entry{};
  entry.key = amqp_cstring_bytes("x-queue-type");
  entry.value.kind = AMQP_FIELD_KIND_UTF8;
  entry.value.value.bytes = amqp_cstring_bytes(type.c_str());
  amqp_queue_declare(client.get(), 1, amqp_cstring_bytes(kQueue), 0, 1, 0, 0, {1, &entry});
  client.check();
  amqp_exchange_declare(client.get(), 1, amqp_cstring_bytes(kExchange), amqp_cstring_bytes("topic"), 0, 1, 0,
                        0, amqp_empty_table);
  client.check();
  for (const char* pattern : {"#", "bridge.gap.#"}) {
    amqp_queue_bind(client.get(), 1, amqp_cstring_bytes(kQueue), amqp_cstring_bytes(kExchange),
                    amqp_cstring_bytes(pattern), amqp_empty_table);
    client.check();
  }
}

amqp_table_entry_t text_header(const char* name, const char* value) {
  amqp_table_entry_t entry{};
  entry.key = amqp_cstring_bytes(name);
  entry.value.kind = AMQP_FIELD_KIND_UTF8;
  entry.value.value.bytes = amqp_cstring_bytes(value);
  return entry;
}

class Publisher {
 public:
  Publisher(Client& client, const Options& options)
      : client_(client), options_(options), body_(options.size, 'x') {
    amqp_confirm_select(client_.get(), 1);
    client_.check();
    headers_[3].key = amqp_cstring_bytes("x-upstream-seq");
    headers_[3].value.kind = AMQP_FIELD_KIND_I64;
    headers_[3].value.value.i64 = 17;
    properties_._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_HEADERS_FLAG |
                         AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG |
                         AMQP_BASIC_TIMESTAMP_FLAG | AMQP_BASIC_TYPE_FLAG | AMQP_BASIC_APP_ID_FLAG;
    properties_.content_type = amqp_cstring_bytes("application/json");
    properties_.headers = {static_cast<int>(headers_.size()), headers_.data()};
    properties_.delivery_mode = 2;
    properties_.message_id = amqp_cstring_bytes("0123456789abcdef0123456789abcdef");
    properties_.timestamp = 1'771'183'909;
    properties_.type = amqp_cstring_bytes("orders.UPDATE");
    properties_.app_id = amqp_cstring_bytes("bridge55");
  }

  void publish() {
    const std::int64_t now = nanos();
    std::memcpy(body_.data(), &now, sizeof now);
    const amqp_bytes_t body{body_.size(), body_.data()};
    const bool topic = options_.exchange == "topic";
    const amqp_bytes_t exchange = topic ? amqp_cstring_bytes(kExchange) : amqp_empty_bytes;
    const amqp_bytes_t key = amqp_cstring_bytes(topic ? "abp.orders.update" : kQueue);
    if (amqp_basic_publish(client_.get(), 1, exchange, key, 1, 0, &properties_, body) != AMQP_STATUS_OK) {
      throw std::runtime_error("publish failed");
    }
    ++published;
  }

  // Reads confirms; waits for the first as long as `wait` says.
  void read(timeval wait) {
    amqp_frame_t frame{};
    amqp_maybe_release_buffers(client_.get());
    while (amqp_simple_wait_frame_noblock(client_.get(), &frame, &wait) == AMQP_STATUS_OK) {
      wait = {0, 0};
      if (frame.frame_type != AMQP_FRAME_METHOD || frame.payload.method.id != AMQP_BASIC_ACK_METHOD) continue;
      const auto& ack = *static_cast<amqp_basic_ack_t*>(frame.payload.method.decoded);
      confirmed = ack.multiple ? std::max(confirmed, ack.delivery_tag) : confirmed + 1;
    }
  }

  std::uint64_t published = 0, confirmed = 0;

 private:
  Client& client_;
  const Options& options_;
  std::string body_;
  std::array<amqp_table_entry_t, 4> headers_{text_header("x-event-id", "1771183909789001"),
                                             text_header("x-source", "abp"),
                                             text_header("x-received-at", "2026-02-15T19:31:49.789001Z")};
  amqp_basic_properties_t properties_{};
};

void run_flat_out(Publisher& publisher, const Options& options) {
  const double cpu = cpu_seconds();
  const auto began = Clock::now();
  while (publisher.confirmed < options.count) {
    while (publisher.published < options.count && publisher.published - publisher.confirmed < options.window)
      publisher.publish();
    publisher.read({1, 0});
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
  const auto count = static_cast<double>(options.count);
  std::printf("bare %s window=%llu msgs_per_s=%.0f cpu_s_per_100k=%.3f\n", options.type.c_str(),
              static_cast<unsigned long long>(options.window), count / seconds,
              (cpu_seconds() - cpu) / count * 1e5);
}

void consume(int port, std::atomic<bool>& stop, std::vector<std::int64_t>& latencies) {
  Client client(port);
  amqp_basic_qos(client.get(), 1, 0, 1000, 0);
  amqp_basic_consume(client.get(), 1, amqp_cstring_bytes(kQueue), amqp_empty_bytes, 0, 0, 0,
                     amqp_empty_table);
  client.check();
  while (!stop) {
    amqp_maybe_release_buffers(client.get());
    amqp_envelope_t envelope{};
    const timeval wait{0, 100'000};
    if (amqp_consume_message(client.get(), &envelope, &wait, 0).reply_type != AMQP_RESPONSE_NORMAL) continue;
    std::int64_t sent = 0;
    std::memcpy(&sent, envelope.message.body.bytes, sizeof sent);
    latencies.push_back(nanos() - sent);
    amqp_basic_ack(client.get(), 1, envelope.delivery_tag, 0);
    amqp_destroy_envelope(&envelope);
  }
}

void run_paced(Publisher& publisher, const Options& options, int port) {
  std::atomic<bool> stop{false};
  std::vector<std::int64_t> latencies;
  std::thread consumer([&] { consume(port, stop, latencies); });
  const auto began = Clock::now();
  const auto total = static_cast<std::uint64_t>(options.rate * options.seconds);
  while (publisher.confirmed < total) {
    const double elapsed = std::chrono::duration<double>(Clock::now() - began).count();
    const auto due = std::min(total, static_cast<std::uint64_t>(elapsed * options.rate));
    while (publisher.published < due && publisher.published - publisher.confirmed < options.window)
      publisher.publish();
    publisher.read({0, 200});
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  stop = true;
  consumer.join();
  std::sort(latencies.begin(), latencies.end());
  const auto at = [&](double part) {
    return latencies.empty()
               ? 0.0
               : static_cast<double>(
                     latencies[static_cast<std::size_t>(part * static_cast<double>(latencies.size() - 1))]) *
                     1e-6;
  };
  std::printf("bare %s rate=%.0f received=%zu p50_ms=%.3f p99_ms=%.3f\n", options.type.c_str(), options.rate,
              latencies.size(), at(0.5), at(0.99));
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i], value = argv[i + 1];
    if (name == "--port")
      options.port = std::stoi(value);
    else if (name == "--count")
      options.count = std::stoull(value);
    else if (name == "--window")
      options.window = std::stoull(value);
    else if (name == "--size")
      options.size = std::max<std::size_t>(8, std::stoull(value));
    else if (name == "--type")
      options.type = value;
    else if (name == "--exchange")
      options.exchange = value;
    else if (name == "--rate")
      options.rate = std::stod(value);
    else if (name == "--seconds")
      options.seconds = std::stod(value);
    else
      throw std::runtime_error("unknown option " + name);
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) try {
  const Options options = parse(argc, argv);
  std::unique_ptr<bridge55::test::RabbitBroker> own;
  if (options.port == 0) own = std::make_unique<bridge55::test::RabbitBroker>();
  const int port = own ? own->port() : options.port;
  Client client(port);
  declare(client, options.type);
  Publisher publisher(client, options);
  if (options.rate > 0) {
    run_paced(publisher, options, port);
  } else {
    run_flat_out(publisher, options);
  }
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
