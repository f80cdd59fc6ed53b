#include "daemon/local/page.hpp"

#include "daemon/local/context.hpp"

#include <algorithm>
#include <memory>
#include <optional>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace bridge55::local {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::seconds kPatience{30};
constexpr std::size_t kMaxPageBytes = 8u << 20;

Refusal gone(events::EventId gone_through, events::EventId oldest) {
  Refusal refusal{410, "NOT_FOUND", "", {}, {}};
  refusal.message = "events up to " + std::to_string(gone_through) +
                    " were deleted by retention; the oldest held is " + std::to_string(oldest) +
                    "; use after=earliest";
  refusal.detail = {{"gone_through", std::to_string(gone_through)}, {"oldest", std::to_string(oldest)}};
  return refusal;
}

}  // namespace

events::ReadRequest read_request(const PageQuery& query, events::EventId after) {
  events::ReadRequest request;
  request.after = after;
  request.before = query.before;
  request.max_events = query.limit;
  request.max_bytes = kMaxPageBytes;
  request.from = query.from;
  request.to = query.to == 0 ? 0 : query.to + 1;  // exclusive there
  if (query.filter.everything() && query.from == 0 && query.to == 0) return request;
  request.wants = [filter = query.filter, from = query.from, to = query.to](const events::Event& event) {
    if (from != 0 && event.received_at() < from) return false;
    if (to != 0 && event.received_at() > to) return false;
    return filter.matches_plainly(event);  // a page is a query, no stream: gaps come where they match
  };
  return request;
}

std::string page_body(const events::ReadResult& result, events::EventId after) {
  std::size_t size = 64;
  for (const auto& event : result.events)
    size += event->envelope().size() + 2;
  std::string body;
  body.reserve(size);
  body += R"({"events":[)";
  events::EventId next = std::max(after, result.scanned_through);
  bool first = true;
  for (const auto& event : result.events) {
    if (!std::exchange(first, false)) body += ",\n";
    body += event->envelope();
    next = std::max(next, event->id());
  }
  body += R"(],"next":")" + std::to_string(next) + R"(","more":)";
  body += result.more ? "true}\n" : "false}\n";
  return body;
}

net::awaitable<std::variant<Answer, Refusal>> read_page(Context& context, const PageQuery& query) {
  using Result = std::variant<Answer, Refusal>;
  const bool explicit_id = query.start.kind == Start::Kind::after;
  events::EventId after = 0;
  if (explicit_id) after = query.start.id;
  if (query.start.kind == Start::Kind::now) after = context.hub.last_id();
  struct Waiting {
    asio::steady_timer timer;
    std::optional<events::ReadResult> result;
  };
  const auto waiting = std::make_shared<Waiting>(Waiting{asio::steady_timer(context.io, kPatience), {}});
  const events::ReadRequest request = read_request(query, after);
  context.hub.journal().read(request, [waiting](events::ReadResult result) {
    waiting->result = std::move(result);
    waiting->timer.cancel();
  });
  if (!waiting->result) co_await waiting->timer.async_wait(asio::as_tuple(asio::use_awaitable));
  if (!waiting->result)
    co_return Result(Refusal{503, "JOURNAL_UNAVAILABLE", "the journal does not answer", {}, {}});
  const events::ReadResult& result = *waiting->result;
  if (explicit_id && result.gone_through > after && (result.oldest_id == 0 || result.oldest_id > after))
    co_return Result(gone(result.gone_through, result.oldest_id));
  Answer answer;
  answer.body = page_body(result, after);
  co_return Result(std::move(answer));
}

}  // namespace bridge55::local
