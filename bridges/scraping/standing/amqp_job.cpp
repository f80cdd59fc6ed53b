// Kind amqp: POST /amqp, whose answer is a stream of events (vendor docs, "AMQP consumer (SSE)").
#include "bridges/scraping/standing/amqp_record.hpp"
#include "bridges/scraping/standing/job.hpp"
#include "bridges/scraping/standing/refusals.hpp"
#include "daemon/events/json.hpp"
#include "daemon/gateway/errand.hpp"
#include "daemon/gateway/flight.hpp"
#include "daemon/net/sse.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <boost/asio/error.hpp>

namespace bridge55::scraping::standing {
namespace {

using local::Refusal;
using namespace std::chrono_literals;

constexpr std::size_t kYieldAfter = 256u << 10;
constexpr std::size_t kLargestRefusal = 64u << 10;
constexpr auto kLongestRetry = 60s;  // of what a stream may ask for

class AmqpJob final : public Job {
 public:
  explicit AmqpJob(Parts parts) : Job(std::move(parts)) {}

 private:
  awaitable<End> live() override;
  void wake() override;
  awaitable<std::optional<End>> ask(gateway::Errand& errand);
  awaitable<End> hear(gateway::Errand& errand);
  std::optional<End> take(net::SseParser& parser);
  void take_message(std::string_view data);
  void come_up(std::string node);
  gateway::Wish wish(const gateway::Upstream& upstream) const;
  static bool went_stale(gateway::Errand& errand);

  gateway::Errand* errand_ = nullptr;
  std::string node_, relay_json_;
  bool up_ = false;
};

gateway::Wish AmqpJob::wish(const gateway::Upstream& upstream) const {
  gateway::Wish wish;
  wish.rank = gateway::Rank::own;
  wish.method = "POST";
  wish.target = "/amqp";
  wish.fields = {{"Content-Type", "application/json"}, {"Accept", "text/event-stream"}};
  wish.app = who();
  wish.has_body = true;
  wish.body = amqp_request(relay());
  wish.started = SteadyClock::now();
  wish.max_wait = upstream.settings.max_wait;
  // Of the answer's head; a stream of events has no deadline.
  wish.deadline = wish.started + wish.max_wait + upstream.settings.timeouts.connect +
                  upstream.settings.timeouts.first_byte;
  wish.once = wish.beyond_cap = true;
  return wish;
}

awaitable<End> AmqpJob::live() {
  up_ = false;
  node_.clear();
  const gateway::UpstreamPtr upstream = upstream_();
  if (!upstream) co_return End{Cause::unreachable, "the upstream is gone", 0, {}};
  for (bool first = true;; first = false) {
    gateway::Errand errand(upstream, wish(*upstream));
    errand_ = &errand;
    std::optional<End> end = co_await ask(errand);
    const bool again = end && first && went_stale(errand);
    if (!end) end = co_await hear(errand);
    errand_ = nullptr;
    if (!again || stopping_) co_return std::move(*end);
  }
}

// The vendor had closed a kept connection in the very moment: an ordinary thing, and no sign of trouble.
bool AmqpJob::went_stale(gateway::Errand& errand) {
  return errand.attempts() > 0 && errand.call().reused() && errand.sent() == "maybe";
}

// Nothing: the stream has begun.
awaitable<std::optional<End>> AmqpJob::ask(gateway::Errand& errand) {
  using Failed = std::optional<End>;
  const std::optional<Refusal> refusal = co_await errand.obtain();
  if (refusal) co_return Failed(end_of_refusal(*refusal));
  const net::ResponseHead& head = errand.call().head();
  const bool stream = head.get("content-type").starts_with("text/event-stream");
  if (head.status == 200 && stream) co_return Failed{};
  const unsigned status = head.status;
  const auto retry_after = asked_delay(head);
  if (status == 200) {
    co_return Failed(End{Cause::protocol, "the answer to POST /amqp is no stream of events", 0, {}});
  }
  std::string body;
  co_await gateway::collect(errand, kLargestRefusal, body);
  End end = end_of_status(status, body);
  end.retry_after = retry_after;
  if (end.cause == Cause::limited && retry_after.count() == 0)
    end.retry_after = errand.upstream().gate.figures(gateway::Rank::own).retry_after;
  co_return Failed(std::move(end));
}

awaitable<End> AmqpJob::hear(gateway::Errand& errand) {
  net::SseParser parser(kMaxFrame);
  std::size_t since_yield = 0;
  while (!stopping_) {
    if (ledger_.must_pause()) {
      co_await pause();
      continue;
    }
    net::HttpCall::Piece piece;
    if (!errand.call().try_body(piece)) {
      piece = co_await errand.call().read_body(SteadyTime::max());
      since_yield = 0;
    }
    if (piece.error && stopping_) break;
    const auto retry = std::min<std::chrono::milliseconds>(kLongestRetry, parser.retry().value_or(0ms));
    if (piece.error) co_return End{Cause::lost, "the stream broke: " + errand.call().trouble(), 0, retry};
    if (piece.data.empty()) co_return End{Cause::agent, "the stream ended without an error event", 0, retry};
    since_yield += piece.data.size();
    parser.feed(piece.data);
    std::optional<End> end = take(parser);
    ledger_.flush();
    if (end) {
      end->retry_after = retry;
      co_return std::move(*end);
    }
    if (since_yield >= kYieldAfter) {  // others have their turn
      since_yield = 0;
      co_await yield();
    }
  }
  co_return End{Cause::stopped, "stopped", 0, {}};
}

std::optional<End> AmqpJob::take(net::SseParser& parser) {
  net::SseEvent event;
  for (;;) {
    const auto next = parser.next(event);
    if (next == net::SseParser::Next::more) return {};
    if (next == net::SseParser::Next::too_large) {
      ledger_.quarantine({"too large", event.data.substr(0, 4096), false, event.size});
    } else if (event.type == "message") {
      take_message(event.data);
    } else if (event.type == "connected") {
      come_up(read_amqp_connected(event.data));
    } else if (event.type == "error") {
      return read_amqp_error(event.data);
    } else {
      ledger_.warn_once("an event of a type that is not known, ignored", event.type);
    }
  }
}

void AmqpJob::come_up(std::string node) {
  node_ = std::move(node);
  if (!std::exchange(up_, true)) ledger_.came_up(node_);
}

void AmqpJob::take_message(std::string_view data) {
  if (!up_) come_up({});
  AmqpMessage message;
  Unfit unfit{read_amqp_message(data, message), data, true, data.size()};
  if (!unfit.reason.empty()) {
    unfit.is_text = unfit.reason.find("UTF-8") == std::string_view::npos;
    return ledger_.quarantine(unfit);
  }
  events::Facts facts;
  relay_json_.clear();
  append_amqp_relay(relay_json_, node_, message);
  facts.relay = relay_json_;
  std::string body;
  if (json::is_string(message.body)) {
    body = json::text(message.body);
    unfit.reason = framing_.text_copy(body, facts);
  } else {  // not as documented: a body that was JSON before it was put into JSON
    facts.payload = facts.raw = message.body;
  }
  unfit.reason.empty() ? ledger_.publish(facts) : ledger_.quarantine(unfit);
}

void AmqpJob::wake() {
  if (errand_ != nullptr) errand_->cancel();
}

}  // namespace

std::shared_ptr<Job> make_amqp_job(Job::Parts parts) {
  return std::make_shared<AmqpJob>(std::move(parts));
}

}  // namespace bridge55::scraping::standing
