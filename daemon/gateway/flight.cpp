#include "daemon/gateway/flight.hpp"

#include "daemon/gateway/headers.hpp"

#include <boost/asio/error.hpp>

namespace bridge55::gateway {

net::awaitable<net::error_code> collect(Errand& errand, std::size_t limit, std::string& body) {
  for (;;) {
    net::HttpCall::Piece piece;
    if (!errand.call().try_body(piece)) {
      const SteadyTime until = errand.body_deadline();
      piece = co_await errand.call().read_body(until);
    }
    if (piece.error) co_return piece.error;
    if (piece.data.empty()) break;
    if (body.size() + piece.data.size() > limit) co_return boost::asio::error::message_size;
    body.append(piece.data);
  }
  errand.call().finish();
  co_return net::error_code{};
}

std::vector<std::pair<std::string, std::string>> owned_headers(const net::ResponseHead& head) {
  std::vector<std::pair<std::string, std::string>> headers;
  for (const net::HttpField& field : pass_down(head))
    headers.emplace_back(field.name, field.value);
  return headers;
}

net::awaitable<void> perform(UpstreamPtr upstream, FlightPlan plan, std::shared_ptr<Flight> flight) {
  for (const auto& [name, value] : plan.headers)
    plan.wish.fields.push_back({name, value});
  Errand errand(upstream, std::move(plan.wish));
  flight->errand = &errand;
  for (;;) {
    flight->refusal = co_await errand.obtain();
    if (flight->refusal) break;
    auto answer = std::make_shared<SharedAnswer>();
    answer->status = errand.call().head().status;
    answer->headers = owned_headers(errand.call().head());
    const net::error_code error = co_await collect(errand, upstream->shared.max_answer(), answer->body);
    if (!error) flight->answer = std::move(answer);
    if (!error || error == boost::asio::error::message_size) break;
    flight->refusal = co_await errand.body_failed(error);
    if (flight->refusal) break;
  }
  flight->errand = nullptr;
  flight->attempts = errand.attempts();
  flight->queued = errand.queue_time();
  flight->upstream = errand.upstream_time();
}

net::awaitable<void> fly(UpstreamPtr upstream, FlightPlan plan, Coalesce::Flight number,
                         std::shared_ptr<Flight> flight) {
  co_await perform(upstream, std::move(plan), flight);
  flight->done = true;
  upstream->flights.erase(number);
  const Coalesce::Finished finished = upstream->shared.finish(number, flight->answer, SteadyClock::now());
  flight->stored = finished.stored;
  flight->outdated = !finished.serves;
  for (boost::asio::steady_timer* timer : flight->waiting)
    timer->cancel();
}

}  // namespace bridge55::gateway
