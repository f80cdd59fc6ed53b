// A placement on its way to the desk and back.
#include "daemon/gateway/headers.hpp"
#include "daemon/gateway/passage.hpp"

namespace bridge55::gateway {

using local::Refusal;

// Who is remembered for an order: one that survives a reconnect.
std::string Passage::trader() const {
  if (exchange_.app.identified) return exchange_.app.name;
  if (exchange_.peer().uid) return "uid:" + std::to_string(*exchange_.peer().uid);
  return "local";
}

net::awaitable<void> Passage::trade(Desk& desk, std::vector<Guard> guards) {
  std::optional<Refusal> refusal = read_wishes();
  std::variant<std::string, Refusal> body;
  if (!refusal) {
    body = co_await exchange_.read_body(deadline_);
    if (auto* fault = std::get_if<Refusal>(&body)) refusal = std::move(*fault);
  }
  if (refusal) {
    co_await refuse(std::move(*refusal));
    co_return;
  }
  exchange_.watch([this, &desk] {
    gone_ = true;
    desk.someone_left();
  });
  DeskRequest request;
  request.upstream = upstream_->settings.name;
  request.app = trader();
  request.request_id = exchange_.wrapping.request_id;
  request.body = std::move(std::get<std::string>(body));
  std::vector<net::HttpField> fields;
  pass_up(exchange_.head, upstream_->settings.auth_header, fields);
  for (const net::HttpField& field : fields)
    request.headers.emplace_back(field.name, field.value);
  request.deadline = deadline_;
  request.max_wait = max_wait_;
  request.gone = [gone = &gone_] { return *gone; };
  request.stopped = [upstream = upstream_, app = request.app] { return upstream->stopped(app); };
  request.guards = std::move(guards);
  request.method = exchange_.head.method;
  request.target = below_.raw;
  DeskAnswer answer = co_await desk.place(std::move(request));
  if (answer.refusal) {
    answer.refusal->headers.emplace_back("X-Bridge-Attempts", std::to_string(answer.attempts));
    answer.refusal->headers.emplace_back("Server-Timing", timing_value(answer.queued, answer.upstream));
    co_await refuse(std::move(*answer.refusal));
    co_return;
  }
  std::string lines;
  for (const auto& [name, value] : answer.headers)
    append_line(lines, name, value);
  // Nothing went out for it: it was placed before.
  if (answer.attempts == 0) append_line(lines, "X-Bridge-Replayed", "true");
  append_timing(lines, answer.attempts, answer.queued, answer.upstream);
  local::Exchange::Start start{answer.status, local::reason_of(answer.status), lines, answer.body.size(),
                               false};
  exchange_.begin(start);
  exchange_.add(answer.body);
  note(answer.status);
  co_await exchange_.finish();
}

}  // namespace bridge55::gateway
