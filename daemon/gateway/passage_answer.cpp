// The answer's way back: handed through as it comes, or asked for again.
#include "daemon/base/log.hpp"
#include "daemon/gateway/headers.hpp"
#include "daemon/gateway/passage.hpp"

namespace bridge55::gateway {
namespace {

using local::Refusal;

constexpr std::size_t kHeld = 64u << 10;  // an answer that short is complete before the app sees its head

}  // namespace

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

namespace {
// A stream of events ends when one side leaves, or when the daemon stops.
struct Streaming {
  Streaming(Upstream& of, Errand& one, bool endless) : upstream(of), errand(endless ? &one : nullptr) {
    if (errand) upstream.streams.insert(errand);
  }
  ~Streaming() {
    if (errand) upstream.streams.erase(errand);
  }
  Upstream& upstream;
  Errand* errand;
};
}  // namespace

// Hands the answer through as it comes. A short one waits until it is whole, so that one that is cut on the
// way can be asked for again.
net::awaitable<std::optional<Refusal>> Passage::stream(Errand& errand, bool& flushed) {
  using Result = std::optional<Refusal>;
  if (gone_) co_return Result(Refusal{0, {}, {}, {}, {}});
  const Streaming streaming(*upstream_, errand, errand.body_deadline() == SteadyTime::max());
  net::HttpCall& call = errand.call();
  const net::ResponseHead& head = call.head();
  const unsigned status = head.status;
  std::string lines;
  lines.reserve(1024);
  append_lines(head, lines);
  if (!cache_status_.empty()) append_line(lines, "Cache-Status", cache_status_);
  append_timing(lines, errand.attempts(), errand.queue_time(), errand.upstream_time());
  local::Exchange::Start start{status, head.reason, lines, {}, head.body == net::HttpBody::none};
  if (head.body == net::HttpBody::length) start.length = head.length;
  if (start.bodiless) {
    const std::string_view length = head.get("content-length");
    const bool told = exchange_.head.method == "HEAD" || status == 304;  // RFC 9110, 8.6
    if (!length.empty() && told) append_line(lines, "Content-Length", length);
    start.lines = lines;
  }
  const bool held = start.length && *start.length <= kHeld;
  const bool tells_usage = held && status == 200 && !below_.classified.empty() &&
                           below_.classified == upstream_->api->usage_path();
  std::string usage, masked;
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
    // The vendor shows a key to who has it; apps do not (vendor docs, Scraping: GET /usage).
    if (held && piece.data.find(upstream_->settings.api_key.reveal()) != std::string_view::npos) {
      masked.assign(piece.data);
      mask_key(masked, upstream_->settings.api_key.reveal());
      piece.data = masked;
    }
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

}  // namespace bridge55::gateway
