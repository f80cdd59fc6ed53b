#include "tests/sim/amqp_stream.hpp"

#include "tests/sim/wire.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace bridge55::sim {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kBatch = 65536;  // bytes of events that go out at once
constexpr auto kPatience = std::chrono::seconds(3);
constexpr const char* kHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
    "X-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";

}  // namespace

AmqpStream::AmqpStream(Vendor& vendor, Stream& client, std::uint64_t connection, const AmqpOrder& order)
    : vendor_(vendor),
      client_(client),
      order_(order),
      record_(vendor.relay_log.streams.add(this, connection)),
      consumer_(client.socket().get_executor()),
      jobs_done_(client.socket().get_executor(), TimePoint::max()) {
  record_.key = masked(order.key);
  record_.broker = order.host + ':' + std::to_string(order.port) + order.virtual_host;
  record_.exchange = order.exchange;
  record_.routing_key = order.routing_key;
  record_.agent = order.agent.id();
  record_.queue = queue_name();
  record_.accepted_us = clock_us();
}

AmqpStream::~AmqpStream() {
  record_.ended_us = clock_us();
  vendor_.scraping.usage(order_.key).bytes += record_.body_bytes;
  vendor_.relay_log.streams.end(record_);
}

/// "Prefix for the auto-delete queue name (e.g., `scrape_de1_4821`)"; counted on, so that no two are the
/// same.
std::string AmqpStream::queue_name() {
  const auto digits = 1000 + (vendor_.options.seed * 7919 + record_.id * 37) % 9000;
  return order_.queue_prefix + '_' + order_.agent.slug + '_' + std::to_string(digits);
}

void AmqpStream::spawn(asio::awaitable<void> job) {
  ++jobs_;
  asio::co_spawn(jobs_done_.get_executor(), std::move(job), [this](const std::exception_ptr&) {
    --jobs_;
    jobs_done_.cancel();
  });
}

asio::awaitable<void> AmqpStream::run() {
  const bool written = co_await client_.write(kHead);
  if (written) {
    spawn(watch_client());
    co_await serve();
  }
  co_await consumer_.close();
  co_await end_transport();
  boost::system::error_code ignored;
  while (jobs_ > 0)
    co_await jobs_done_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

asio::awaitable<void> AmqpStream::serve() {
  auto& refused = vendor_.faults_of(Api::scraping).amqp_error;
  std::string wrong;
  if (refused.strike(Clock::now())) {
    wrong = refused.message;
    failure_ = refused.message;
    failure_code_ = refused.code;
  } else {
    wrong = co_await consumer_.open(order_, record_.queue);
  }
  if (wrong.empty()) {
    std::string events;
    const SseStyle& style = vendor_.sse.style;
    if (style.bom) events += "\xef\xbb\xbf";
    append_event(events, style, "connected",
                 R"({"node_id": ")" + record_.agent + R"(", "queue_name": ")" + record_.queue + "\"}");
    record_.state = "open";
    record_.connected_us = clock_us();
    ++vendor_.scraping.usage(order_.key).success;
    co_await emit(std::move(events));
    co_await consume();
  } else if (failure_.empty()) {
    failure_ = "agent error: " + wrong;
  }
  if (cut_ || gone_ || failure_.empty()) co_return;
  record_.error = failure_;
  std::string data = "{\"message\": ";
  append_json_string(data, failure_, vendor_.sse.style.ascii);
  data += ", \"code\": " + std::to_string(failure_code_) + "}";
  std::string events;
  append_event(events, vendor_.sse.style, "error", data);
  end("error");
  co_await emit(std::move(events));
}

/// Until the broker, the client or a fault ends it. An acknowledgement follows what has been written.
asio::awaitable<void> AmqpStream::consume() {
  for (;;) {
    std::uint64_t tag = 0;
    std::string events = collect(tag);
    if (tag != 0) {
      const bool written = co_await emit(std::move(events));
      if (!written || gone_ || cut_ || !failure_.empty()) co_return;
      co_await consumer_.acknowledge(tag);
      record_.acked = tag;
      continue;
    }
    std::string wrong = co_await consumer_.read();
    if (gone_ || cut_ || !failure_.empty()) co_return;
    if (!wrong.empty()) {
      failure_ = "agent error: " + wrong;
      co_return;
    }
  }
}

/// The events of what has come, as many as go out at once.
std::string AmqpStream::collect(std::uint64_t& tag) {
  std::string events;
  while (events.size() < kBatch) {
    const AmqpDelivery* delivery = consumer_.next();
    if (delivery == nullptr) break;
    append_message(events, *delivery);
    tag = delivery->tag;
    ++record_.messages;
    record_.body_bytes += delivery->body.size();
    if (is_slow()) break;
  }
  return events;
}

void AmqpStream::append_message(std::string& out, const AmqpDelivery& delivery) {
  const bool ascii = vendor_.sse.style.ascii;
  std::string data = "{\"body\": ";
  append_json_string(data, delivery.body, ascii);
  data += ", \"routing_key\": ";
  append_json_string(data, delivery.routing_key, ascii);
  data += ", \"exchange\": ";
  append_json_string(data, delivery.exchange, ascii);
  data += ", \"delivery_tag\": " + std::to_string(delivery.tag) + ", \"content_type\": ";
  if (delivery.content_type.empty()) {
    data += "null}";
  } else {
    append_json_string(data, delivery.content_type, ascii);
    data += '}';
  }
  append_event(out, vendor_.sse.style, "message", data);
}

bool AmqpStream::is_slow() const {
  return vendor_.faults[static_cast<std::size_t>(Api::scraping)].amqp_slow.active(Clock::now());
}

/// Writes events as chunks: one, or pieces as the amqp_split fault says.
asio::awaitable<bool> AmqpStream::emit(std::string events) {
  auto& slow = vendor_.faults_of(Api::scraping).amqp_slow;
  if (slow.strike(Clock::now())) co_await pause_for(slow.delay);
  record_.sse_bytes += events.size();
  const std::size_t step = vendor_.sse.piece == 0 ? events.size() : vendor_.sse.piece;
  std::string_view rest = events;
  while (!rest.empty() && !cut_) {
    const std::string chunk = chunk_bytes(rest.substr(0, step));
    const bool written = co_await client_.write(chunk);
    if (!written) {
      end("client");
      co_return false;
    }
    rest.remove_prefix(std::min(step, rest.size()));
    if (!rest.empty()) co_await pause_for(vendor_.sse.step);
  }
  co_return !cut_;
}

/// A client that leaves is seen by nothing else while the broker is silent.
asio::awaitable<void> AmqpStream::watch_client() {
  std::string nothing(1024, '\0');
  for (;;) {
    const std::size_t size = co_await client_.read_some(asio::buffer(nothing));
    if (size == 0) break;
  }
  gone_ = true;
  end("client");
  consumer_.cancel();
  if (ending_since_ == TimePoint::max()) client_.cut();  // ends a write that waits for this reader
}

asio::awaitable<void> AmqpStream::end_transport() {
  ending_since_ = Clock::now();
  if (cut_) {
    co_await end_cut();
    co_return;
  }
  if (gone_ || !client_.is_open()) {
    client_.cut();
    co_return;
  }
  const bool written = co_await client_.write("0\r\n\r\n");
  if (written) co_await client_.finish();
}

asio::awaitable<void> AmqpStream::end_cut() {
  if (cut_->mid_event) {
    const std::string piece = chunk_bytes("event: message\ndata: {\"body\": \"cut in the mid");
    co_await client_.write(piece);
  }
  if (cut_->final_chunk) co_await client_.write("0\r\n\r\n");
  if (cut_->end == "reset") {
    client_.reset();
  } else if (cut_->end == "fin") {
    co_await client_.finish();
  } else {
    client_.cut();
  }
}

void AmqpStream::end(const char* why) {
  if (record_.ended_by.empty()) record_.ended_by = why;
}

void AmqpStream::fail(const std::string& message, int code) {
  failure_ = message;
  failure_code_ = code;
  consumer_.cancel();
}

void AmqpStream::cut(const AmqpCut& how) {
  if (cut_) return;
  end("cut");
  cut_ = how;
  if (how.end == "reset" && !how.mid_event && !how.final_chunk) client_.reset();
  consumer_.cancel();
}

void AmqpStream::tick(TimePoint now) {
  if (ending_since_ != TimePoint::max()) {
    if (now - ending_since_ >= kPatience) client_.reset();
    return;
  }
  if (record_.state != "open") return;
  if (consumer_.is_silent(now)) {
    failure_ = "agent error: heartbeat missed";
    consumer_.cancel();
  } else if (consumer_.heartbeat_due(now)) {
    spawn(consumer_.beat());
  }
}

}  // namespace bridge55::sim
