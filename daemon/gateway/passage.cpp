#include "daemon/gateway/passage.hpp"

#include "daemon/events/json.hpp"
#include "daemon/gateway/headers.hpp"
#include "daemon/gateway/key_in_body.hpp"
#include "daemon/local/text.hpp"

#include <algorithm>
#include <charconv>

namespace bridge55::gateway {
namespace {

namespace asio = boost::asio;
using local::Refusal;
using namespace std::chrono_literals;

constexpr std::size_t kSmallBody = 64u << 10;   // a request's: read whole, sent in one write
constexpr std::size_t kWishingBody = 1u << 20;  // the same where the body may say how long it may take
constexpr auto kAskedTimeout = 30s,
               kAskedGrace = 5s;  // vendor docs, Scraping: X-Timeout; and what it may take on top

// Milliseconds with three digits behind the point.
std::string millis(std::chrono::microseconds time) {
  std::string text = std::to_string(time.count() / 1000) + ".000";
  auto digit = text.end();
  for (std::int64_t rest = time.count() % 1000; rest > 0; rest /= 10)
    *--digit = static_cast<char>('0' + rest % 10);
  return text;
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

std::string timing_value(std::chrono::microseconds queued, std::chrono::microseconds upstream) {
  return "queue;dur=" + millis(queued) + ", upstream;dur=" + millis(upstream);
}

void append_timing(std::string& lines, unsigned attempts, std::chrono::microseconds queued,
                   std::chrono::microseconds upstream) {
  append_line(lines, "X-Bridge-Attempts", std::to_string(attempts));
  append_line(lines, "Server-Timing", timing_value(queued, upstream));
}

Below below_of(const local::Head& head, const local::Target& target) {
  Below below;
  // No slash is encoded in a path that came this far: the name ends at the second one.
  const std::string_view raw = head.target;
  const std::size_t end = raw.find_first_of("/?", 1);
  below.raw = end == std::string_view::npos ? "" : std::string(raw.substr(end));
  if (!below.raw.starts_with('/')) below.raw.insert(0, "/");
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
  auto timeout = asked_duration(exchange_.head, "x-bridge-timeout");
  if (auto* refusal = std::get_if<Refusal>(&timeout)) return std::move(*refusal);
  auto max_wait = asked_duration(exchange_.head, "x-bridge-max-wait");
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
  own_deadline_ = asked.has_value();
  return {};
}

// Scraping: `X-Timeout`, or `timeout` of the body (vendor docs: Scraping API Overview, "Control headers").
void Passage::read_asked_timeout() {
  if (own_deadline_ || !upstream_->api->fetches_for_apps()) return;
  std::chrono::milliseconds asked = kAskedTimeout;
  if (const std::string* header = exchange_.head.find("x-timeout")) {
    if (const auto value = seconds(*header)) asked = to_millis(*value);
  } else if (!body_.empty() && json::validate_copy(body_).empty()) {
    if (const auto value = seconds(json::find(body_, "timeout"))) asked = to_millis(*value);
  }
  deadline_ = started_ + asked + kAskedGrace;
}

// Reads the body where it is needed whole: to be sent again, looked into, or because it is small anyway.
net::awaitable<std::optional<Refusal>> Passage::take_body() {
  using Result = std::optional<Refusal>;
  const local::Head& head = exchange_.head;
  has_body_ = head.chunked || head.content_length.has_value();
  if (!head.has_body()) co_return Result{};
  const std::uint64_t whole = upstream_->api->fetches_for_apps() ? kWishingBody : kSmallBody;
  const bool small = head.content_length && *head.content_length <= whole;
  const bool repeated =
      verdict_.kind == Kind::cancel || verdict_.kind == Kind::cancel_all || verdict_.kind == Kind::read;
  if (!small && !repeated && !verdict_.key_in_body) {
    streams_up_ = true;
    co_return Result{};
  }
  std::variant<std::string, Refusal> body = co_await exchange_.read_body(deadline_);
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
  std::optional<Refusal> refusal = read_wishes();
  if (!refusal) refusal = co_await take_body();
  if (!refusal) read_asked_timeout();
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

void Passage::note(unsigned status) {
  upstream_->count(verdict_.kind, status, exchange_.app.name);
}

net::awaitable<void> Passage::refuse(Refusal refusal, const Errand* errand) {
  if (errand) {
    refusal.headers.emplace_back("X-Bridge-Attempts", std::to_string(errand->attempts()));
    refusal.headers.emplace_back("Server-Timing",
                                 timing_value(errand->queue_time(), errand->upstream_time()));
  }
  note(refusal.status);
  co_await exchange_.refuse(refusal);
}

Refusal Passage::stopping() {
  return {503, "DRAINING", "the daemon is stopping, or the upstream was taken out of the config", {}, {}};
}

}  // namespace bridge55::gateway
