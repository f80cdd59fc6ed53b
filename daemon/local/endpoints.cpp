#include "daemon/local/endpoints.hpp"

#include "daemon/events/json.hpp"
#include "daemon/local/context.hpp"
#include "daemon/local/feed.hpp"
#include "daemon/local/front_page.hpp"
#include "daemon/local/page.hpp"
#include "daemon/local/text.hpp"
#include "daemon/local/web_socket.hpp"

#include <algorithm>
#include <memory>
#include <sys/socket.h>

namespace bridge55::local {
namespace {

// What the kernel may hold for a stream whose consumer does not read; a thousand such must not fill the
// machine.
constexpr int kStreamBuffer = 128 << 10;

Answer json(std::string body) {
  return Answer{200, "application/json", std::move(body), {}};
}

Refusal not_yours() {
  return Refusal{403, "FORBIDDEN", "this consumer name belongs to another app", {}, {}};
}

Refusal of(Consumers::Result result) {
  if (result == Consumers::Result::other_owner) return not_yours();
  if (result == Consumers::Result::full) {
    return Refusal{
        409,
        "BAD_REQUEST",
        "there are 1000 durable consumers already; delete one with DELETE /events/consumers/{name}",
        {},
        {}};
  }
  return Refusal{404, "NOT_FOUND", "there is no durable consumer of that name", {}, {}};
}

net::awaitable<void> serve_events(Context& context, Exchange& exchange) {
  auto parsed = parse_stream_query(exchange.target.query, exchange.head.get("last-event-id"));
  const bool web_socket = wants_web_socket(exchange.head);
  std::optional<Refusal> refusal;
  if (const auto* wrong = std::get_if<Refusal>(&parsed)) refusal = *wrong;
  if (!refusal && web_socket) refusal = check_upgrade(exchange.head);
  if (!refusal && exchange.head.has_body()) refusal = bad_request("a stream's request has no body");
  if (refusal) {
    co_await exchange.refuse(*refusal);
    co_return;
  }
  StreamQuery& query = std::get<StreamQuery>(parsed);
  const auto usable = query.consumer.empty() ? Consumers::Result::done
                                             : context.consumers.check(query.consumer, exchange.app);
  if (usable == Consumers::Result::other_owner && web_socket) {
    co_await refuse_web_socket(exchange, 4003, "this consumer name belongs to another app");
    co_return;
  }
  if (usable != Consumers::Result::done) {
    refusal = of(usable);
    co_await exchange.refuse(*refusal);
    co_return;
  }
  Answer answer{200, "text/event-stream", {}, {{"X-Accel-Buffering", "no"}}};
  if (web_socket) answer = switching_answer(exchange.head);
  if (exchange.wrapping.head_only) {
    exchange.wrapping.keep_alive = false;
    co_await exchange.respond(answer);
    co_return;
  }
  std::string greeting = render_stream_head(answer, exchange.wrapping);
  Exchange::Taken taken = exchange.take_over();
  ::setsockopt(taken.stream.descriptor(), SOL_SOCKET, SO_SNDBUF, &kStreamBuffer, sizeof kStreamBuffer);
  Feed::Setup setup{std::move(taken.stream),
                    web_socket ? FeedKind::websocket : FeedKind::sse,
                    exchange.app,
                    std::move(query),
                    std::move(greeting),
                    std::move(taken.received),
                    nullptr,
                    !exchange.peer().unix_socket};
  std::make_shared<Feed>(context.shared_from_this(), std::move(setup))->start();
}

net::awaitable<void> serve_page(Context& context, Exchange& exchange) {
  const auto query = parse_page_query(exchange.target.query);
  if (const auto* refusal = std::get_if<Refusal>(&query)) {
    co_await exchange.refuse(*refusal);
    co_return;
  }
  const std::variant<Answer, Refusal> page = co_await read_page(context, std::get<PageQuery>(query));
  if (const auto* refusal = std::get_if<Refusal>(&page)) {
    co_await exchange.refuse(*refusal);
  } else {
    co_await exchange.respond(std::get<Answer>(page));
  }
}

struct AckBody {
  std::string consumer;
  std::optional<events::EventId> id;
};

std::variant<AckBody, Refusal> parse_ack(std::string_view body) {
  const Refusal wrong = bad_request(R"(expected {"consumer": "<name>", "id": "<event id>"})");
  if (!json::validate_copy(body).empty()) return wrong;
  AckBody ack;
  json::members(body, [&](std::string_view name, std::string_view value) {
    if (name == "consumer" && json::is_string(value)) ack.consumer = json::text(value);
    if (name == "id" && (json::is_string(value) || json::is_number(value)))
      ack.id = parse_decimal(json::text(value));
    return true;
  });
  if (ack.consumer.empty() || !ack.id) return wrong;
  return ack;
}

net::awaitable<void> serve_ack(Context& context, Exchange& exchange) {
  const std::variant<std::string, Refusal> body = co_await exchange.read_body();
  std::variant<AckBody, Refusal> ack = bad_request("");
  if (const auto* text = std::get_if<std::string>(&body)) {
    ack = parse_ack(*text);
  } else {
    ack = std::get<Refusal>(body);
  }
  if (const auto* refusal = std::get_if<Refusal>(&ack)) {
    co_await exchange.refuse(*refusal);
    co_return;
  }
  const AckBody& said = std::get<AckBody>(ack);
  const Consumers::Acked acked = context.consumers.ack(said.consumer, exchange.app, *said.id, now());
  if (acked.result != Consumers::Result::done) {
    const Refusal refusal = of(acked.result);
    co_await exchange.refuse(refusal);
    co_return;
  }
  const Answer answer = json(R"({"consumer":)" + json::quoted(said.consumer) + R"(,"cursor":")" +
                             std::to_string(acked.cursor) + "\"}\n");
  co_await exchange.respond(answer);
}

net::awaitable<void> serve_consumer(Context& context, Exchange& exchange) {
  const Consumers::Result result = context.consumers.erase(exchange.routed.segment, exchange.app);
  if (result != Consumers::Result::done) {
    const Refusal refusal = of(result);
    co_await exchange.refuse(refusal);
    co_return;
  }
  const Answer answer{204, {}, {}, {}};
  co_await exchange.respond(answer);
}

Answer ready_answer(Context& context, const Params& query) {
  bool verbose = false;
  std::vector<std::string> require;
  for (const auto& [name, value] : query) {
    if (name == "verbose") verbose = value != "false" && value != "0";
    if (name != "require") continue;
    for (const std::string_view part : split_list(value))
      require.emplace_back(part);
  }
  std::vector<Check> checks = context.providers.ready(require);
  if (context.draining) checks.push_back({"draining", false, "the daemon is stopping", true});
  return readiness_answer(checks, verbose);
}

std::variant<Answer, Refusal> reload_answer(Context& context, const App& app) {
  if (!context.providers.reload) return Refusal{404, "NOT_FOUND", "reloading is not served here", {}, {}};
  const Outcome outcome = context.providers.reload(app);
  if (!outcome.ok) return Refusal{422, "BAD_REQUEST", outcome.text, {}, {}};
  return json("{\"reloaded\": true}\n");
}

std::variant<Answer, Refusal> plain_answer(Context& context, const Exchange& exchange) {
  switch (exchange.routed.endpoint) {
    case Endpoint::alive:
      return json("{\"ok\": true}\n");
    case Endpoint::ready:
      return ready_answer(context, exchange.target.query);
    case Endpoint::metrics:
      return Answer{200, "text/plain; version=0.0.4; charset=utf-8", context.providers.metrics(), {}};
    case Endpoint::status:
      return json(context.providers.status(exchange.app));
    case Endpoint::front_page:
      return front_page();
    case Endpoint::reload:
      return reload_answer(context, exchange.app);
    default:
      return Refusal{404, "NOT_FOUND", "nothing is served here", {}, {}};
  }
}

}  // namespace

Answer readiness_answer(const std::vector<Check>& checks, bool verbose) {
  const bool ready =
      std::all_of(checks.begin(), checks.end(), [](const Check& check) { return check.ok || !check.counts; });
  Answer answer;
  answer.status = ready ? 200 : 503;
  answer.body = ready ? R"({"ready": true)" : R"({"ready": false, "reasons": [)";
  bool first = true;
  for (const Check& check : checks) {
    if (ready || check.ok || !check.counts) continue;
    if (!std::exchange(first, false)) answer.body += ", ";
    json::append_quoted(answer.body, check.name + ": " + check.why);
  }
  if (!ready) answer.body += ']';
  if (verbose) answer.body += R"(, "checks": [)";
  first = true;
  for (const Check& check : checks) {
    if (!verbose) break;
    if (!std::exchange(first, false)) answer.body += ", ";
    answer.body += R"({"name": )" + json::quoted(check.name) + R"(, "ok": )" + (check.ok ? "true" : "false");
    answer.body += std::string(R"(, "counts": )") + (check.counts ? "true" : "false");
    if (!check.why.empty()) answer.body += R"(, "why": )" + json::quoted(check.why);
    answer.body += '}';
  }
  if (verbose) answer.body += ']';
  answer.body += "}\n";
  return answer;
}

net::awaitable<void> serve(Context& context, Exchange& exchange) {
  switch (exchange.routed.endpoint) {
    case Endpoint::events:
      co_await serve_events(context, exchange);
      co_return;
    case Endpoint::events_page:
      co_await serve_page(context, exchange);
      co_return;
    case Endpoint::ack:
      co_await serve_ack(context, exchange);
      co_return;
    case Endpoint::consumer:
      co_await serve_consumer(context, exchange);
      co_return;
    default:
      break;
  }
  const std::variant<Answer, Refusal> answer = plain_answer(context, exchange);
  if (const auto* refusal = std::get_if<Refusal>(&answer)) {
    co_await exchange.refuse(*refusal);
  } else {
    co_await exchange.respond(std::get<Answer>(answer));
  }
}

}  // namespace bridge55::local
