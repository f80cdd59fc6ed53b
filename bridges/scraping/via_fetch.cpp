#include "bridges/scraping/via_fetch.hpp"

#include "bridges/scraping/fetched_page.hpp"
#include "daemon/events/json.hpp"
#include "daemon/gateway/errand.hpp"
#include "daemon/gateway/headers.hpp"
#include "daemon/gateway/passage.hpp"
#include "daemon/net/http_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <simdjson.h>

namespace bridge55::scraping {
namespace {

using gateway::Errand;
using gateway::Kind;
using local::Refusal;
using net::same_name;
using namespace std::chrono_literals;

constexpr auto kAskedTimeout = 30s,
               kGrace = 5s;  // vendor docs, Quickstart: `timeout`; and what it may take on top
constexpr std::size_t kMaxAnswer = 16u << 20;  // of the network; the page in it is smaller
constexpr std::size_t kPiece = 256u << 10;

// What a target may not say for this origin, what is said about a body that the network has decoded, and what
// belongs to its own connection.
constexpr std::array<std::string_view, 20> kNotDown = {"connection",
                                                       "keep-alive",
                                                       "proxy-connection",
                                                       "transfer-encoding",
                                                       "trailer",
                                                       "te",
                                                       "upgrade",
                                                       "proxy-authenticate",
                                                       "content-length",
                                                       "content-encoding",
                                                       "set-cookie",
                                                       "set-cookie2",
                                                       "clear-site-data",
                                                       "service-worker-allowed",
                                                       "content-security-policy",
                                                       "x-content-type-options",
                                                       "strict-transport-security",
                                                       "alt-svc",
                                                       "x-request-id",
                                                       "server-timing"};

bool stays_behind(std::string_view name, std::string_view value) {
  const auto starts = [name](std::string_view prefix) {
    return name.size() >= prefix.size() && same_name(name.substr(0, prefix.size()), prefix);
  };
  if (starts("x-bridge-") || starts("access-control-")) return true;
  if ((same_name(name, "proxy-status") || same_name(name, "cache-status")) &&
      value.find("bridge55") != std::string_view::npos)
    return true;
  return std::any_of(kNotDown.begin(), kNotDown.end(),
                     [&](std::string_view entry) { return same_name(entry, name); });
}

bool known_method(std::string_view method) {
  constexpr std::array<std::string_view, 7> kMethods = {"GET",   "HEAD",   "POST",   "PUT",
                                                        "PATCH", "DELETE", "OPTIONS"};
  return std::find(kMethods.begin(), kMethods.end(), method) != kMethods.end();
}

std::optional<std::chrono::milliseconds> asked_timeout(const std::string& seconds) {
  if (seconds.empty()) return std::chrono::milliseconds(kAskedTimeout);
  double value = 0;
  const char* end = seconds.data() + seconds.size();
  const auto read = std::from_chars(seconds.data(), end, value);
  if (read.ec != std::errc{} || read.ptr != end || !(value > 0) || value > 86400) return {};
  return std::chrono::milliseconds(static_cast<std::int64_t>(value * 1000));
}

// One request of an app below /via.
class ViaFetch {
 public:
  ViaFetch(local::Exchange& exchange, Via via) : exchange_(exchange), via_(std::move(via)) {}
  ~ViaFetch() { exchange_.unwatch(); }

  net::awaitable<void> run() {
    std::optional<Refusal> refusal = co_await prepare();
    if (refusal) {
      const Refusal said = sandboxed(std::move(*refusal));
      co_await exchange_.refuse(said);
      co_return;
    }
    exchange_.watch([this] {
      gone_ = true;
      if (errand_) errand_->app_gone();
    });
    errand_.emplace(via_.upstream, make_wish());
    refusal = co_await errand_->obtain();
    std::string answer;
    if (!refusal) refusal = co_await read(answer);
    if (gone_) co_return;
    if (!refusal) refusal = vendor_refusal(answer);
    if (!refusal) {
      FetchedPage page;
      const std::string_view fault = read_fetched_page(answer, page);
      if (fault.empty() && page.status_code() >= 200 && page.status_code() <= 999) {
        co_await respond(page);
        co_return;
      }
      const std::string why(fault.empty() ? "its status is none of a final answer" : fault);
      refusal =
          sent(Refusal{502, "BAD_GATEWAY", "the answer of /fetch cannot be understood: " + why, {}, {}});
    }
    if (refusal->status == 0) refusal = Refusal{503, "DRAINING", "the daemon is stopping", {}, {}};
    count(refusal->status);
    refusal->headers.emplace_back("X-Bridge-Attempts", std::to_string(errand_->attempts()));
    const Refusal said = sandboxed(std::move(*refusal));
    co_await exchange_.refuse(said);
  }

 private:
  net::awaitable<std::optional<Refusal>> prepare() {
    using Result = std::optional<Refusal>;
    const local::Head& head = exchange_.head;
    if (!known_method(head.method))
      co_return Result(Refusal{405,
                               "BAD_REQUEST",
                               "the scraping network sends no such method",
                               {{"Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"}},
                               {}});
    auto fields = target_fields(head, via_.signs_in);
    if (auto* refusal = std::get_if<Refusal>(&fields)) co_return Result(std::move(*refusal));
    const Steering steering = steering_of(head);
    const auto timeout = asked_timeout(steering.timeout);
    if (!timeout) co_return Result(local::bad_request("X-Timeout: expected seconds, such as 30"));
    auto own = gateway::asked_duration(head, "x-bridge-timeout");
    if (auto* refusal = std::get_if<Refusal>(&own)) co_return Result(std::move(*refusal));
    auto max_wait = gateway::asked_duration(head, "x-bridge-max-wait");
    if (auto* refusal = std::get_if<Refusal>(&max_wait)) co_return Result(std::move(*refusal));
    deadline_ = started_ + std::get<0>(own).value_or(*timeout + kGrace);
    max_wait_ = std::get<0>(max_wait).value_or(via_.upstream->settings.max_wait);
    std::variant<std::string, Refusal> body = co_await exchange_.read_body(deadline_);
    if (auto* refusal = std::get_if<Refusal>(&body)) co_return Result(std::move(*refusal));
    const std::string& text = std::get<std::string>(body);
    if (!simdjson::validate_utf8(text.data(), text.size()))
      co_return Result(Refusal{415,
                               "BAD_REQUEST",
                               "the body is not UTF-8; the scraping network takes bodies as JSON text only",
                               {},
                               {}});
    FetchAsk ask{head.method, std::get<Fields>(std::move(fields)), text, {}};
    body_ = fetch_body(ask);
    add_field("X-Target-URL", via_.url);
    add_field("X-Geo", steering.geo);
    add_field("X-Agent", steering.agent);
    add_field("X-Timeout", steering.timeout);
    add_field("X-Expect-JSON", steering.expect_json);
    add_field("Content-Type", "application/json");
    co_return Result{};
  }

  void add_field(std::string_view name, const std::string& value) {
    if (!value.empty()) fields_.emplace_back(name, value);
  }

  gateway::Wish make_wish() {
    gateway::Wish wish;
    const std::string& method = exchange_.head.method;
    wish.kind = kind_ = method == "GET" || method == "HEAD" || method == "OPTIONS" ? Kind::read : Kind::write;
    wish.rank = gateway::rank_of(wish.kind);
    wish.method = "POST";
    wish.target = "/fetch";
    for (const auto& [name, value] : fields_)
      wish.fields.push_back({name, value});
    wish.request_id = exchange_.wrapping.request_id;
    wish.app = exchange_.who();
    wish.has_body = true;
    wish.body = std::move(body_);
    wish.started = started_;
    wish.deadline = deadline_;
    wish.max_wait = max_wait_;
    return wish;
  }

  net::awaitable<std::optional<Refusal>> read(std::string& answer) {
    using Result = std::optional<Refusal>;
    for (;;) {
      const SteadyTime until = errand_->body_deadline();
      const net::HttpCall::Piece piece = co_await errand_->call().read_body(until);
      if (piece.error) {
        answer.clear();
        Result refusal = co_await errand_->body_failed(piece.error);
        if (!refusal) refusal = co_await errand_->obtain();  // it is worth another try
        if (refusal) co_return refusal;
        continue;
      }
      if (piece.data.empty()) {
        status_ = errand_->call().head().status;
        retry_after_ = errand_->call().head().get("retry-after");
        errand_->call().finish();
        co_return Result{};
      }
      if (answer.size() + piece.data.size() > kMaxAnswer)
        co_return Result(sent(Refusal{502, "TOO_LARGE", "the page is larger than 16 MiB", {}, {}}));
      answer.append(piece.data);
    }
  }

  // The network's own errors are not the target's answer.
  std::optional<Refusal> vendor_refusal(const std::string& answer) {
    if (status_ == 200) return {};
    std::string said = answer.substr(0, 500);
    gateway::mask_key(said, via_.upstream->settings.api_key.reveal());
    const std::string message = "the scraping network answered " + std::to_string(status_) + ": " + said;
    Refusal refusal{502, "BAD_GATEWAY", message, {}, {}};
    if (status_ == 429) {
      refusal.status = 429;
      refusal.code = "RATE_LIMITED";
      refusal.headers = {{"Retry-After", retry_after_.empty() ? "1" : retry_after_}};
    } else if (status_ == 504) {
      refusal.status = 504;
      refusal.code = "TIMEOUT";
    }
    return sent(std::move(refusal));
  }

  Refusal sent(Refusal refusal) const {
    refusal.sent = errand_->sent();
    return refusal;
  }

  void count(unsigned status) { via_.upstream->count(kind_, status, exchange_.app.name); }

  net::awaitable<void> respond(const FetchedPage& page) {
    std::string lines;
    const std::string final_url =
        json::is_string(page.final_url) ? json::text(page.final_url) : std::string();
    const std::string_view body = page.body();
    for (const auto& [name, value] : page.fields())
      if (!stays_behind(name, value)) gateway::append_line(lines, name, value);
    for (const auto& [name, value] : sandbox_headers())
      gateway::append_line(lines, name, value);
    if (net::is_field_value(page.node_id)) gateway::append_line(lines, "X-Bridge-Agent", page.node_id);
    gateway::append_line(lines, "X-Bridge-Blocked", page.blocked ? "true" : "false");
    if (!final_url.empty() && net::is_field_value(final_url))
      gateway::append_line(lines, "X-Bridge-Final-URL", final_url);
    gateway::append_timing(lines, errand_->attempts(), errand_->queue_time(), errand_->upstream_time());
    const unsigned status = page.status_code();
    count(status);
    const bool none = status == 204 || status == 304;
    local::Exchange::Start start{status, local::reason_of(status), lines, body.size(), none};
    if (none) start.length.reset();
    start.bodiless = none || exchange_.head.method == "HEAD";
    exchange_.begin(start);
    bool there = true;
    for (std::size_t at = 0; at < body.size() && !start.bodiless && there; at += kPiece) {
      exchange_.add(body.substr(at, kPiece));
      there = co_await exchange_.flush();
    }
    if (there) co_await exchange_.finish();
  }

  local::Exchange& exchange_;
  Via via_;
  const SteadyTime started_ = SteadyClock::now();
  SteadyTime deadline_;
  std::chrono::milliseconds max_wait_{0};
  Fields fields_;
  std::string body_, retry_after_;
  std::optional<Errand> errand_;
  Kind kind_ = Kind::read;
  unsigned status_ = 0;
  bool gone_ = false;
};

}  // namespace

std::vector<std::pair<std::string, std::string>> sandbox_headers() {
  return {{"Content-Security-Policy", "sandbox; default-src 'none'"}, {"X-Content-Type-Options", "nosniff"}};
}

// An error of our own has `nosniff` anyway.
Refusal sandboxed(Refusal refusal) {
  refusal.headers.push_back(sandbox_headers().front());
  return refusal;
}

net::awaitable<void> serve_via_fetch(local::Exchange& exchange, Via via) {
  ViaFetch fetch(exchange, std::move(via));
  co_await fetch.run();
}

}  // namespace bridge55::scraping
