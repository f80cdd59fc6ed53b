#include "daemon/gateway/passage.hpp"

#include "config/units.hpp"
#include "daemon/base/log.hpp"
#include "daemon/events/json.hpp"
#include "daemon/gateway/flight.hpp"
#include "daemon/gateway/headers.hpp"
#include "daemon/gateway/key_in_body.hpp"
#include "daemon/local/text.hpp"

#include <algorithm>
#include <charconv>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace bridge55::gateway {
namespace {

namespace asio = boost::asio;
using local::Refusal;
using namespace std::chrono_literals;

constexpr std::size_t kHeld = 64u << 10;  // an answer that short is complete before the app sees its head
constexpr std::size_t kSmallBody = 64u << 10;  // a request's: read whole, sent in one write
constexpr auto kPlacementTime = 15s;           // contract, section 6, "Failures"
constexpr auto kAskedTimeout = 30s,
               kAskedGrace = 5s;  // vendor docs, Scraping: X-Timeout; and what it may take on top
constexpr auto kLongest = std::chrono::hours(24);
constexpr unsigned kAppGone = 499;  // in the figures alone: nobody is there to be told

Refusal stopping() {
  return {503, "DRAINING", "the daemon is stopping, or the upstream was taken out of the config", {}, {}};
}

std::string millis(std::chrono::microseconds time) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, static_cast<double>(time.count()) / 1000.0,
                                 std::chars_format::fixed, 3)
                       .ptr;
  return std::string(text, end);
}

// Nothing: absent. An error names the header.
std::variant<std::optional<config::Duration>, Refusal> duration_header(const local::Head& head,
                                                                       std::string_view name) {
  const std::string* text = head.find(name);
  if (!text) return std::optional<config::Duration>{};
  const auto value = config::parse_duration(*text);
  if (!value || *value > kLongest) {
    return local::bad_request(std::string(name) +
                              ": expected a duration of at most 24h, such as 250ms or 5s");
  }
  return std::optional(*value);
}

std::optional<double> seconds(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !(value > 0) || value > 86400) return {};
  return value;
}

std::chrono::milliseconds to_millis(double seconds_value) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds_value * 1000));
}

}  // namespace

void append_timing(std::string& lines, unsigned attempts, std::chrono::microseconds queued,
                   std::chrono::microseconds upstream) {
  append_line(lines, "X-Bridge-Attempts", std::to_string(attempts));
  append_line(lines, "Server-Timing", "queue;dur=" + millis(queued) + ", upstream;dur=" + millis(upstream));
}

Below below_of(const local::Head& head, const local::Target& target) {
  Below below;
  // No slash is encoded in a path that came this far: the name ends at the second one.
  const std::string_view raw = head.target;
  const std::size_t end = raw.find_first_of("/?", 1);
  below.raw = end == std::string_view::npos ? std::string_view{} : raw.substr(end);
  const std::size_t name_end = std::min(target.path.find('/', 1), target.path.size());
  for (std::string_view rest = std::string_view(target.path).substr(name_end); !rest.empty();) {
    rest.remove_prefix(1);
    const std::string_view segment = rest.substr(0, rest.find('/'));
    if (!segment.empty()) below.classified.append("/").append(segment);
    rest.remove_prefix(segment.size());
  }
  if (below.classified.empty()) below.classified = "/";
  return below;
}

Passage::Passage(UpstreamPtr upstream, local::Exchange& exchange, Below below, Verdict verdict)
    : upstream_(std::move(upstream)),
      exchange_(exchange),
      below_(std::move(below)),
      verdict_(verdict),
      who_(exchange.who()) {}

Passage::~Passage() {
  exchange_.unwatch();
}

// The app's own limits, or the config's.
std::optional<Refusal> Passage::read_wishes() {
  const config::Upstream& settings = upstream_->settings;
  auto timeout = duration_header(exchange_.head, "x-bridge-timeout");
  if (auto* refusal = std::get_if<Refusal>(&timeout)) return std::move(*refusal);
  auto max_wait = duration_header(exchange_.head, "x-bridge-max-wait");
  if (auto* refusal = std::get_if<Refusal>(&max_wait)) return std::move(*refusal);
  const bool places = verdict_.kind == Kind::placement;
  const config::Duration total = places ? config::Duration(kPlacementTime) : settings.timeouts.total;
  const auto asked = std::get<0>(timeout);
  deadline_ = started_ + asked.value_or(total);
  const config::Duration usual = places ? settings.max_wait_placement : settings.max_wait;
  max_wait_ = std::get<0>(max_wait).value_or(usual);
  const bool cancels = verdict_.kind == Kind::cancel || verdict_.kind == Kind::cancel_all;
  if (cancels && !std::get<0>(max_wait)) {
    max_wait_ = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - started_);
  }
  if (!asked && upstream_->api->fetches_for_apps()) return read_asked_timeout();
  return {};
}

// Scraping: `X-Timeout`, or `timeout` of the body (vendor docs: Scraping API Overview, "Control headers").
std::optional<Refusal> Passage::read_asked_timeout() {
  std::chrono::milliseconds asked = kAskedTimeout;
  if (const std::string* header = exchange_.head.find("x-timeout")) {
    if (const auto value = seconds(*header)) asked = to_millis(*value);
  } else if (!body_.empty() && json::validate_copy(body_).empty()) {
    if (const auto value = seconds(json::find(body_, "timeout"))) asked = to_millis(*value);
  }
  deadline_ = started_ + asked + kAskedGrace;
  return {};
}

// Reads the body where it is needed whole: to be sent again, looked into, or because it is small anyway.
net::awaitable<std::optional<Refusal>> Passage::take_body() {
  using Result = std::optional<Refusal>;
  const local::Head& head = exchange_.head;
  has_body_ = head.chunked || head.content_length.has_value();
  if (!head.has_body()) co_return Result{};
  const bool small = head.content_length && *head.content_length <= kSmallBody;
  const bool repeated =
      verdict_.kind == Kind::cancel || verdict_.kind == Kind::cancel_all || verdict_.kind == Kind::read;
  if (!small && !repeated && !verdict_.key_in_body) {
    streams_up_ = true;
    co_return Result{};
  }
  std::variant<std::string, Refusal> body = co_await exchange_.read_body();
  if (auto* refusal = std::get_if<Refusal>(&body)) co_return Result(std::move(*refusal));
  body_ = std::move(std::get<std::string>(body));
  if (!verdict_.key_in_body) co_return Result{};
  if (head.find("content-encoding")) {
    co_return Result(Refusal{422,
                             "BAD_REQUEST",
                             "Content-Encoding: this body must be plain JSON, because the key is put into it",
                             {},
                             {}});
  }
  std::string fault = put_key(body_, upstream_->settings.api_key.reveal());
  if (!fault.empty()) co_return Result(Refusal{422, "BAD_REQUEST", std::move(fault), {}, {}});
  co_return Result{};
}

Wish Passage::make_wish() {
  Wish wish;
  wish.kind = verdict_.kind;
  wish.rank = rank_of(verdict_.kind);
  wish.method = exchange_.head.method;
  wish.target = below_.raw;
  pass_up(exchange_.head, upstream_->settings.auth_header, wish.fields);
  wish.request_id = exchange_.wrapping.request_id;
  wish.app = who_;
  wish.has_body = has_body_;
  if (streams_up_) {
    wish.streamed = &exchange_;
    wish.length = exchange_.head.content_length;
  } else {
    wish.body = std::move(body_);
  }
  wish.started = started_;
  wish.deadline = deadline_;
  wish.max_wait = max_wait_;
  wish.beyond_cap = verdict_.kind == Kind::cancel || verdict_.kind == Kind::cancel_all;
  if (verdict_.kind == Kind::start) {
    wish.last_look = [upstream = upstream_, who = who_]() -> std::optional<Refusal> {
      if (const Pause* pause = upstream->pauses.stops(who, upstream->settings.name)) return paused(*pause);
      return {};
    };
  }
  return wish;
}

net::awaitable<void> Passage::run() {
  std::optional<Refusal> refusal = co_await take_body();
  if (!refusal) refusal = read_wishes();
  if (refusal) {
    co_await refuse(std::move(*refusal));
    co_return;
  }
  if (!streams_up_) {
    exchange_.watch([this] {
      gone_ = true;
      if (on_gone_) on_gone_();
    });
  }
  if (verdict_.kind == Kind::read && exchange_.head.method == "GET" && !has_body_) {
    const bool shared = co_await share();
    if (shared) co_return;
  }
  Errand errand(upstream_, make_wish());
  on_gone_ = [&errand] { errand.app_gone(); };
  co_await carry(errand);
  on_gone_ = nullptr;
}

net::awaitable<void> Passage::carry(Errand& errand) {
  for (;;) {
    std::optional<Refusal> refusal = co_await errand.obtain();
    bool flushed = false;
    if (!refusal) {
      refusal = co_await stream(errand, flushed);
      if (!refusal) co_return;
      if (refusal->code == "again") continue;
    }
    if (flushed || gone_) {
      exchange_.break_off();  // nobody is there, or the app must see that its answer was cut
      note(gone_ ? kAppGone : 502);
      co_return;
    }
    if (refusal->status == 0) refusal = stopping();
    co_await refuse(std::move(*refusal), &errand);
    co_return;
  }
}

// Hands the answer through as it comes. A short one waits until it is whole, so that one that is cut on the
// way can be asked for again.
net::awaitable<std::optional<Refusal>> Passage::stream(Errand& errand, bool& flushed) {
  using Result = std::optional<Refusal>;
  net::HttpCall& call = errand.call();
  const net::ResponseHead& head = call.head();
  const unsigned status = head.status;
  std::string lines;
  lines.reserve(1024);
  append_lines(head, lines);
  append_timing(lines, errand.attempts(), errand.queue_time(), errand.upstream_time());
  local::Exchange::Start start{status, head.reason, lines, {}, head.body == net::HttpBody::none};
  if (head.body == net::HttpBody::length) start.length = head.length;
  if (start.bodiless) {
    const std::string_view length = head.get("content-length");
    if (!length.empty()) append_line(lines, "Content-Length", length);
    if (!start.bodiless || (exchange_.head.method != "HEAD" && status != 204 && status != 304))
      start.length = 0;
    start.lines = lines;
  }
  const bool held = start.length && *start.length <= kHeld;
  const bool tells_usage = held && status == 200 && !below_.classified.empty() &&
                           below_.classified == upstream_->api->usage_path();
  std::string usage;
  exchange_.begin(start);
  std::size_t pending = 0;
  for (;;) {
    net::HttpCall::Piece piece;
    if (!call.try_body(piece)) {
      if (!held && !gone_) {
        flushed = true;
        const bool there = co_await exchange_.flush();
        pending = 0;
        if (!there) {
          errand.cancel();
          co_return Result(Refusal{0, {}, {}, {}, {}});
        }
      }
      const SteadyTime until = errand.body_deadline();
      piece = co_await call.read_body(until);
    }
    if (piece.error) {
      if (flushed) {
        log::warning("an answer of upstream was cut on its way to an app",
                     {{"upstream", upstream_->settings.name}, {"reason", call.trouble()}});
        co_return Result(Refusal{502, "BAD_GATEWAY", "the answer was cut", {}, {}});
      }
      Result refusal = co_await errand.body_failed(piece.error);
      if (!refusal) refusal = Refusal{0, "again", {}, {}, {}};
      co_return refusal;
    }
    if (piece.data.empty()) break;
    exchange_.add(piece.data);
    if (tells_usage) usage.append(piece.data);
    pending += piece.data.size();
    if (held || pending < kHeld) continue;
    flushed = true;
    const bool there = co_await exchange_.flush();
    pending = 0;
    if (!there) {
      errand.cancel();
      co_return Result(Refusal{0, {}, {}, {}, {}});
    }
  }
  call.finish();
  if (tells_usage) upstream_->heard_usage(usage);
  note(status);
  co_await exchange_.finish();
  co_return Result{};
}

void Passage::note(unsigned status) {
  upstream_->count(verdict_.kind, status, exchange_.app.name);
}

net::awaitable<void> Passage::refuse(Refusal refusal, const Errand* errand) {
  if (errand) {
    refusal.headers.emplace_back("X-Bridge-Attempts", std::to_string(errand->attempts()));
    refusal.headers.emplace_back("Server-Timing", "queue;dur=" + millis(errand->queue_time()) +
                                                      ", upstream;dur=" + millis(errand->upstream_time()));
  }
  note(refusal.status);
  co_await exchange_.refuse(refusal);
}

// False: nothing is shared here, go alone.
net::awaitable<bool> Passage::share() {
  const config::Upstream& settings = upstream_->settings;
  if (settings.share.empty() && settings.cache.empty()) co_return false;
  std::vector<net::HttpField> fields;
  pass_up(exchange_.head, settings.auth_header, fields);
  std::vector<HeaderView> headers;
  for (const net::HttpField& field : fields)
    headers.emplace_back(field.name, field.value);
  Coalesce::Request request;
  request.method = exchange_.head.method;
  request.path = below_.classified;
  request.query = below_.raw;
  request.headers = headers;
  request.cache_control = exchange_.head.get("cache-control");
  const Coalesce::Asked asked = upstream_->shared.ask(request, started_);
  if (asked.way == Coalesce::Way::alone) co_return false;
  if (asked.way == Coalesce::Way::hit) {
    const Flight none;
    co_await respond(none, *asked.answer, asked.status);
    co_return true;
  }
  const std::shared_ptr<Flight> flight = co_await fly(asked);
  if (gone_) {
    exchange_.break_off();
    note(kAppGone);
    co_return true;
  }
  if (!flight->done) {
    Refusal late{504,
                 "TIMEOUT",
                 "the shared request to upstream `" + settings.name + "` took longer than this one may",
                 {},
                 {}};
    late.sent = "maybe";
    co_await refuse(std::move(late));
    co_return true;
  }
  const bool led = asked.way == Coalesce::Way::lead;
  if (!led && flight->outdated) co_return false;
  if (flight->answer) {
    const std::string status = asked.status + (led && flight->stored ? "; stored" : "");
    co_await respond(*flight, *flight->answer, status);
    co_return true;
  }
  if (!flight->refusal) co_return false;  // too large to be shared
  Refusal refusal = *flight->refusal;
  if (refusal.status == 0) refusal = stopping();
  co_await refuse(std::move(refusal));
  co_return true;
}

// Waits for a flight, its own or another's.
net::awaitable<std::shared_ptr<Flight>> Passage::fly(const Coalesce::Asked& asked) {
  std::shared_ptr<Flight> flight;
  if (asked.way == Coalesce::Way::lead) {
    flight = std::make_shared<Flight>();
    upstream_->flights.emplace(asked.flight, flight);
    FlightPlan plan;
    plan.wish = make_wish();
    plan.wish.deadline = started_ + upstream_->settings.timeouts.total;
    for (const net::HttpField& field : plan.wish.fields)
      plan.headers.emplace_back(field.name, field.value);
    plan.wish.fields.clear();
    asio::co_spawn(upstream_->io, gateway::fly(upstream_, std::move(plan), asked.flight, flight),
                   asio::detached);
  } else {
    const auto it = upstream_->flights.find(asked.flight);
    flight = it == upstream_->flights.end() ? std::make_shared<Flight>() : it->second;
  }
  asio::steady_timer timer(upstream_->io);
  timer.expires_at(deadline_);
  on_gone_ = [&timer] { timer.cancel(); };
  const auto place = flight->waiting.insert(flight->waiting.end(), &timer);
  while (!flight->done && !gone_ && SteadyClock::now() < deadline_) {
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  flight->waiting.erase(place);
  on_gone_ = nullptr;
  if (!flight->done && upstream_->shared.leave(asked.flight)) {
    upstream_->flights.erase(asked.flight);
    if (flight->errand) flight->errand->cancel();
  }
  co_return flight;
}

net::awaitable<void> Passage::respond(const Flight& flight, const SharedAnswer& answer,
                                      const std::string& cache_status) {
  std::string lines;
  for (const auto& [name, value] : answer.headers)
    append_line(lines, name, value);
  if (!cache_status.empty()) append_line(lines, "Cache-Status", cache_status);
  append_timing(lines, flight.attempts, flight.queued, flight.upstream);
  local::Exchange::Start start{
      answer.status, {}, lines, answer.body.size(), answer.status == 204 || answer.status == 304};
  if (start.bodiless) start.length.reset();
  exchange_.begin(start);
  exchange_.add(answer.body);
  note(answer.status);
  co_await exchange_.finish();
}

// Who is remembered for an order: one that survives a reconnect.
std::string Passage::trader() const {
  if (exchange_.app.identified) return exchange_.app.name;
  if (exchange_.peer().uid) return "uid:" + std::to_string(*exchange_.peer().uid);
  return "local";
}

net::awaitable<void> Passage::trade(Desk& desk, std::vector<Guard> guards) {
  std::optional<Refusal> refusal = read_wishes();
  if (!refusal && exchange_.head.find("content-encoding")) {
    refusal = Refusal{422,
                      "BAD_REQUEST",
                      "Content-Encoding: a placement must be plain JSON, so that it can be checked",
                      {},
                      {}};
  }
  std::variant<std::string, Refusal> body;
  if (!refusal) {
    body = co_await exchange_.read_body();
    if (auto* fault = std::get_if<Refusal>(&body)) refusal = std::move(*fault);
  }
  if (refusal) {
    co_await refuse(std::move(*refusal));
    co_return;
  }
  exchange_.watch([this] { gone_ = true; });
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
    answer.refusal->headers.emplace_back(
        "Server-Timing", "queue;dur=" + millis(answer.queued) + ", upstream;dur=" + millis(answer.upstream));
    co_await refuse(std::move(*answer.refusal));
    co_return;
  }
  std::string lines;
  for (const auto& [name, value] : answer.headers)
    append_line(lines, name, value);
  append_timing(lines, answer.attempts, answer.queued, answer.upstream);
  local::Exchange::Start start{answer.status, {}, lines, answer.body.size(), false};
  exchange_.begin(start);
  exchange_.add(answer.body);
  note(answer.status);
  co_await exchange_.finish();
}

}  // namespace bridge55::gateway
