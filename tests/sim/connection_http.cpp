// The HTTP half of a connection: requests in, answers out, the faults that act on them between.
#include "tests/sim/bench_http.hpp"
#include "tests/sim/connection.hpp"
#include "tests/sim/rest.hpp"
#include "tests/sim/wire.hpp"

#include <algorithm>
#include <strings.h>

namespace bridge55::sim {

namespace asio = boost::asio;

namespace {

bool is_websocket(const HttpRequest& request) {
  std::string upgrade = request.header("upgrade");
  for (char& c : upgrade)
    c = static_cast<char>(c | 0x20);
  return upgrade == "websocket";
}

/// RFC 9112 section 3.2: a request without exactly one Host is refused.
bool has_one_host(const HttpRequest& request) {
  const auto hosts = std::count_if(request.fields.begin(), request.fields.end(), [](const auto& field) {
    return field.first.size() == 4 && strncasecmp(field.first.c_str(), "host", 4) == 0;
  });
  return hosts == 1;
}

}  // namespace

asio::awaitable<void> Connection::serve_http() {
  for (;;) {
    if (!service_.control) {
      const bool open = co_await serve_bench_json();
      if (!open) co_return;
    }
    RequestReader reader(stream_, buffer_);
    HttpRequest request;
    const bool read = co_await reader.read_head(request);
    if (!read || !has_one_host(request)) {
      const std::string bytes = to_bytes(json_response(400, R"({"detail": "Bad Request"})"), false);
      if (read || reader.is_malformed()) co_await stream_.write(bytes);
      break;
    }
    if (is_websocket(request) && websocket_api(request.path)) {
      co_await serve_websocket(request);
      co_return;
    }
    accepted_ = TimePoint::max();  // busy is not idle, however long it takes
    bool again = false;
    if (service_.control) {
      again = co_await answer_control_request(reader, request);
    } else if (request.path.starts_with("/bench/")) {
      again = co_await answer_bench(bench_side(request.path), stream_, reader, request);
    } else {
      again = co_await answer_faulty(reader, request);
    }
    if (!again) break;
    ++served_;
    accepted_ = Clock::now();
  }
  if (stream_.is_open()) co_await stream_.finish();
}

BenchSide Connection::bench_side(const std::string& path) {
  return {vendor_, rest_api(path, service_.abp, service_.mm, service_.scraping)};
}

/// Answers the benchmark's plainest request as long as nothing else comes. False at the end of the
/// connection.
asio::awaitable<bool> Connection::serve_bench_json() {
  std::string answers;
  const BenchSide side = bench_side({});
  for (;;) {
    if (buffer_.empty()) {
      buffer_.resize(kReadSize);
      const std::size_t size = co_await stream_.read_some(asio::buffer(buffer_));
      buffer_.resize(size);
      if (size == 0) co_return false;
    }
    answers.clear();
    if (!take_bench_json(side, buffer_, answers)) co_return true;
    const bool written = co_await stream_.write(answers);
    if (!written) co_return false;
    ++served_;
    accepted_ = Clock::now();
  }
}

asio::awaitable<bool> Connection::answer_control_request(RequestReader& reader, HttpRequest& request) {
  const bool read = co_await reader.read_body(request.body);
  if (!read) co_return false;
  const FaultPlan none;
  const HttpResponse response = co_await service_.handle(request, none);
  const std::string bytes = to_bytes(response, request.keep_alive);
  const bool written = co_await stream_.write(bytes);
  co_return written&& request.keep_alive;
}

asio::awaitable<bool> Connection::answer_faulty(RequestReader& reader, HttpRequest& request) {
  const Api api = rest_api(request.path, service_.abp, service_.mm, service_.scraping);
  const FaultPlan plan = vendor_.faults_of(api).rest.strike(request, served_ > 0, request.arrived);
  note_arrival(vendor_, api, id_, request, plan);
  const bool unread = plan.wires("reset_on_head") || plan.wires("close_idle");
  if (!unread) {
    const bool read = co_await reader.read_body(request.body);
    note_body(vendor_, api, request);
    if (!read) co_return false;
  }
  const bool unprocessed = unread || plan.wires("lost_before") || plan.wires("garbage") ||
                           (plan.wires("hang") && !plan.wire->processed);
  HttpResponse response;
  if (unprocessed) {
    note_outcome(vendor_, request, plan.wire->name);
  } else {
    if (plan.time && !plan.time->processed) co_await pause_for(plan.time->delay);
    response = co_await service_.handle(request, plan);
    if (plan.time && plan.time->processed) co_await pause_for(plan.time->delay);
    if (api == Api::abp && request.path == "/place-orders") co_await pause_for(vendor_.options.placing.delay);
    note_answer(vendor_, request, response, plan);
  }
  if (response.lost) {
    stream_.reset();
    co_return false;
  }
  if (response.stream && !plan.wire) {
    co_await serve_amqp(*response.stream);
    co_return false;
  }
  const bool again = co_await write_answer(stream_, request, response, plan.wire);
  co_return again;
}

asio::awaitable<void> Connection::serve_amqp(const AmqpOrder& order) {
  amqp_.emplace(vendor_, stream_, id_, order);
  co_await amqp_->run();
  amqp_.reset();
}

}  // namespace bridge55::sim
