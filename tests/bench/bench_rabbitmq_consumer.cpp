// An AMQP consumer as bench_rabbitmq_bare has one (a message at a time, 1,000 unacknowledged), for what the
// daemon publishes: latency from the `"sentNs"` that the simulated vendor stamps (`--stamp`) to here.
//
//   bench_rabbitmq_consumer --port P --queue Q --seconds S [--warmup W]
//
// Prints `ready` when it consumes, then one line of JSON: messages and p50, p99, max in microseconds over S
// seconds that begin W seconds after the first message.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/time.h>
#include <vector>

#include <amqp.h>
#include <amqp_tcp_socket.h>

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  int port = 5672;
  std::string queue;
  double seconds = 5, warmup = 1;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i], value = argv[i + 1];
    if (name == "--port")
      options.port = std::stoi(value);
    else if (name == "--queue")
      options.queue = value;
    else if (name == "--seconds")
      options.seconds = std::stod(value);
    else if (name == "--warmup")
      options.warmup = std::stod(value);
    else
      throw std::runtime_error("unknown option " + name);
  }
  return options;
}

std::int64_t wall_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::int64_t stamp_of(std::string_view body) {
  static constexpr std::string_view name = "\"sentNs\":";
  const std::size_t at = body.rfind(name);
  return at == body.npos ? 0 : std::strtoll(body.data() + at + name.size(), nullptr, 10);
}

void check(amqp_rpc_reply_t reply, const char* what) {
  if (reply.reply_type != AMQP_RESPONSE_NORMAL) throw std::runtime_error(what);
}

amqp_connection_state_t open(const Options& options) {
  amqp_connection_state_t state = amqp_new_connection();
  if (amqp_socket_open(amqp_tcp_socket_new(state), "127.0.0.1", options.port) != AMQP_STATUS_OK)
    throw std::runtime_error("cannot connect");
  check(amqp_login(state, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest"), "login refused");
  amqp_channel_open(state, 1);
  check(amqp_get_rpc_reply(state), "no channel");
  amqp_basic_qos(state, 1, 0, 1000, 0);
  amqp_basic_consume(state, 1, amqp_cstring_bytes(options.queue.c_str()), amqp_empty_bytes, 0, 0, 0,
                     amqp_empty_table);
  check(amqp_get_rpc_reply(state), "cannot consume");
  std::puts("ready");
  std::fflush(stdout);
  return state;
}

void report(std::vector<std::int64_t>& ages) {
  std::sort(ages.begin(), ages.end());
  const auto at = [&](double part) {
    return ages.empty() ? 0.0
                        : static_cast<double>(
                              ages[static_cast<std::size_t>(part * static_cast<double>(ages.size() - 1))]) *
                              1e-3;
  };
  std::printf(R"({"messages":%zu,"p50_us":%.1f,"p99_us":%.1f,"max_us":%.1f})"
              "\n",
              ages.size(), at(0.5), at(0.99), at(1));
}

}  // namespace

int main(int argc, char** argv) try {
  const Options options = parse(argc, argv);
  amqp_connection_state_t state = open(options);
  std::vector<std::int64_t> ages;
  Clock::time_point first{};
  auto last = Clock::now();
  for (;;) {
    amqp_maybe_release_buffers(state);
    amqp_envelope_t envelope{};
    const timeval wait{0, 100'000};
    const bool got = amqp_consume_message(state, &envelope, &wait, 0).reply_type == AMQP_RESPONSE_NORMAL;
    const auto now = Clock::now();
    if (got) {
      last = now;
      if (first == Clock::time_point{}) first = now;
      const auto& body = envelope.message.body;
      const std::int64_t age = wall_ns() - stamp_of({static_cast<const char*>(body.bytes), body.len});
      if (now - first >= std::chrono::duration<double>(options.warmup)) ages.push_back(age);
      amqp_basic_ack(state, 1, envelope.delivery_tag, 0);
      amqp_destroy_envelope(&envelope);
    }
    if (first != Clock::time_point{} &&
        now - first >= std::chrono::duration<double>(options.warmup + options.seconds))
      break;
    if (now - last > std::chrono::seconds(20)) break;
  }
  report(ages);
  amqp_destroy_connection(state);
} catch (const std::exception& error) {
  std::fprintf(stderr, "bench_rabbitmq_consumer: %s\n", error.what());
  return 1;
}
