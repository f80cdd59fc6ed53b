#include "bridges/rabbitmq/requests_desk.hpp"

#include "daemon/base/crash_point.hpp"
#include "daemon/base/log.hpp"
#include "daemon/events/json.hpp"
#include "daemon/local/text.hpp"

#include <algorithm>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace bridge55::rabbitmq {
namespace {

using local::Refusal;
using namespace std::chrono_literals;

constexpr auto kDurableWithin = 250ms;  // contract, section 6: what is not durable by then is not sent
constexpr WallMicros kSecond = 1'000'000;
constexpr WallMicros kOldest = 5 * kSecond;  // of a placement
// Some libraries count milliseconds, where AMQP 0-9-1 (4.2.5.4) says seconds: no second of this size comes
// before the year 5000.
constexpr std::uint64_t kMilliseconds = 100'000'000'000;

Refusal stale() {
  return {
      422,
      "BAD_REQUEST",
      "this placement's `timestamp` is older than 5 s: it was not sent; place again with a new message_id",
      {},
      {}};
}

Refusal needs_name() {
  return {422,
          "BAD_REQUEST",
          "a placement over AMQP needs a `message_id`: without one a redelivery would place again",
          {},
          {}};
}

Refusal other_request() {
  return {422,
          "BAD_REQUEST",
          "this `message_id` belongs to another request: method, path or body differ",
          {},
          {}};
}

Refusal unknown_outcome() {
  Refusal refusal{
      504,
      "OUTCOME_UNKNOWN",
      "the daemon ended while this was under way: whether it was done is not known, and it is not "
      "done again",
      {},
      {}};
  refusal.sent = "maybe";
  return refusal;
}

Refusal no_journal() {
  return {503,
          "JOURNAL_UNAVAILABLE",
          "the journal cannot be written in time: the placement was not sent",
          {},
          {}};
}

bool reads(const std::string& method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS";
}

// A placement's first order; empty where there is none.
std::string first_uuid(const local::InnerRequest& request) {
  if (!request.body || !json::validate_copy(*request.body).empty()) return {};
  return local::lower(json::text(json::find(*request.body, "orders.0.requestUuid")));
}

}  // namespace

bool too_old(std::optional<std::uint64_t> timestamp, WallMicros now) {
  if (!timestamp) return false;
  const std::uint64_t most = static_cast<std::uint64_t>(INT64_MAX) / kSecond;
  const WallMicros at = *timestamp >= kMilliseconds
                            ? static_cast<WallMicros>(std::min(*timestamp, most)) * (kSecond / 1000)
                            : static_cast<WallMicros>(*timestamp) * kSecond;
  return now - at > kOldest;
}

struct RequestDesk::Work {
  Work(boost::asio::io_context& io, std::shared_ptr<const RequestQueue> from)
      : queue(std::move(from)), timer(io) {}

  std::shared_ptr<const RequestQueue> queue;
  local::InnerRequest request;
  std::string message_id;
  std::uint64_t print = 0;
  std::optional<std::uint64_t> timestamp;
  bool places = false;
  std::vector<Reply> waiting;
  boost::asio::steady_timer timer;

  bool stale() const { return places && too_old(timestamp, wall_now()); }
};

RequestDesk::RequestDesk(boost::asio::io_context& io, events::Journal& journal)
    : io_(io), journal_(journal) {}
RequestDesk::~RequestDesk() = default;

void RequestDesk::take(std::shared_ptr<const RequestQueue> queue, Asked asked, Reply reply) {
  auto work = std::make_shared<Work>(io_, std::move(queue));
  work->waiting.push_back(std::move(reply));
  if (asked.too_large)
    return refuse(work, {413, "TOO_LARGE", "the message is larger than http.max_body", {}, {}});
  auto read = read_request(asked.message);
  if (const auto* fault = std::get_if<Refusal>(&read)) return refuse(work, *fault);
  work->request = std::get<local::InnerRequest>(std::move(read));
  const auto scopes = work->queue->door.scopes(work->request.method, work->request.path);
  work->places = !reads(work->request.method) && scopes == static_cast<unsigned>(config::Scope::trade);
  work->timestamp = asked.timestamp;
  if (asked.message_id.empty()) return work->places ? refuse(work, needs_name()) : perform(work);

  const std::uint64_t print = work->print = print_of(work->request);
  work->message_id = std::move(asked.message_id);
  const auto [at, fresh] = under_way_.try_emplace({work->queue->sink, work->message_id}, work);
  if (!fresh && at->second->print == print) {
    at->second->waiting.push_back(std::move(work->waiting.front()));
  } else if (!fresh) {
    const local::InnerAnswer answer = local::inner_answer(other_request());
    work->waiting.front()(answer.status, reply_text(answer));
  } else {
    journal_.read_request(
        work->queue->sink, work->message_id,
        [this, work](std::optional<events::RequestRecord> found) { look(work, std::move(found)); });
  }
}

// What the journal knows of the name. A damaged record (`until` 0) says only that there was one.
void RequestDesk::look(const WorkPtr& work, std::optional<events::RequestRecord> found) {
  const bool damaged = found && found->until == 0;
  if (!found || (!damaged && found->until <= wall_now())) return begin(work);
  if (!damaged && found->print != work->print) return refuse(work, other_request());
  if (found->status != 0) return give(work, found->status, found->answer);
  if (reads(work->request.method)) return perform(work);
  if (!work->places || damaged) return refuse(work, unknown_outcome());
  // Without a time of its own, it is as old as its mark.
  const WallMicros marked =
      found->until - std::chrono::duration_cast<std::chrono::microseconds>(work->queue->keep).count();
  if (!work->timestamp && marked > 0) work->timestamp = static_cast<std::uint64_t>(marked / kSecond);
  begin_again(work);
}

// The last run ended between its mark and its answer. The gateway remembers orders by their uuids, records
// them before they leave and never sends one twice: it may be asked again. What holds no orders is no such
// thing.
void RequestDesk::begin_again(const WorkPtr& work) {
  std::string uuid = first_uuid(work->request);
  if (uuid.empty()) return refuse(work, unknown_outcome());
  journal_.read_trade(std::move(uuid), [this, work](std::optional<events::TradeRecord> trade) {
    const auto never_left = [](const events::TradeOrder& order) {
      return order.fate == events::Fate::unsent;
    };
    const bool would_leave = !trade || std::any_of(trade->orders.begin(), trade->orders.end(), never_left);
    if (would_leave && work->stale()) return refuse(work, stale());
    perform(work);
  });
}

void RequestDesk::begin(const WorkPtr& work) {
  if (work->stale()) return refuse(work, stale());
  if (reads(work->request.method)) return perform(work);
  store(work, 0, {}, [this, work](bool durable) { begun(work, durable); });
}

void RequestDesk::begun(const WorkPtr& work, bool durable) {
  crash_point("requests.begun");
  if (!work->places) return perform(work);  // cancels pass, whatever the disk does
  // Under its name these are final: what was said once must not change when it is asked again.
  if (!durable) return performed(work, local::inner_answer(no_journal()));
  if (work->stale()) return performed(work, local::inner_answer(stale()));
  perform(work);
}

void RequestDesk::perform(const WorkPtr& work) {
  work->queue->door.ask(work->request,
                        [this, work](const local::InnerAnswer& answer) { performed(work, answer); });
}

void RequestDesk::performed(const WorkPtr& work, const local::InnerAnswer& answer) {
  crash_point("requests.performed");
  std::string text = reply_text(answer);
  const unsigned status = answer.status;
  if (work->message_id.empty()) return give(work, status, text);
  store(work, status, text, [this, work, status, text](bool) { give(work, status, text); });
}

// Not stored: asked again it is refused again, or by then it may be known what became of it.
void RequestDesk::refuse(const WorkPtr& work, const Refusal& why) {
  const local::InnerAnswer answer = local::inner_answer(why);
  give(work, answer.status, reply_text(answer));
}

void RequestDesk::give(const WorkPtr& work, unsigned status, const std::string& text) {
  if (!work->message_id.empty()) under_way_.erase({work->queue->sink, work->message_id});
  const std::vector<Reply> waiting = std::exchange(work->waiting, {});
  for (const Reply& reply : waiting)
    reply(status, text);
}

// `then` is told whether it was durable in time, once.
void RequestDesk::store(const WorkPtr& work, unsigned status, const std::string& text,
                        std::function<void(bool)> then) {
  const WallMicros until =
      wall_now() + std::chrono::duration_cast<std::chrono::microseconds>(work->queue->keep).count();
  const auto once = std::make_shared<std::function<void(bool)>>(std::move(then));
  const auto tell = [once](bool durable) {
    if (auto call = std::exchange(*once, nullptr)) call(durable);
  };
  work->timer.expires_after(kDurableWithin);
  work->timer.async_wait([tell](const boost::system::error_code& error) {
    if (!error) tell(false);
  });
  journal_.store_request({work->queue->sink, work->message_id, until, work->print, status, text},
                         [work, tell] {
                           work->timer.cancel();
                           tell(true);
                         });
}

}  // namespace bridge55::rabbitmq
