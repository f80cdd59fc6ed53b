#include "config/describe.hpp"
#include "config/scalars.hpp"

#include <array>

namespace bridge55::config {
namespace {

constexpr std::array<std::pair<std::string_view, UpstreamKind>, 4> kinds{
    {{"abp", UpstreamKind::abp},
     {"mm", UpstreamKind::mm},
     {"scraping", UpstreamKind::scraping},
     {"websocket", UpstreamKind::websocket}}};

// What the vendor documents for each of its APIs (vendor docs: overview, authentication and WebSocket pages).
struct KindDefaults {
  std::string_view url, ws_url;
  unsigned requests;
  Duration window;
};

KindDefaults defaults_of(UpstreamKind kind) {
  switch (kind) {
    case UpstreamKind::abp:
      return {"https://v2.55-tech.com", "wss://v2.55-tech.com/ws", 60, 1min};
    case UpstreamKind::mm:
      return {"https://mmapi.55-tech.com", "wss://mmapi.55-tech.com/ws/subscribe", 100, 1min};
    case UpstreamKind::scraping:
      return {"https://scraping-api.55-tech.com", "", 10, 1s};
    case UpstreamKind::websocket:
      return {"", "", 60, 1min};
  }
  return {};
}

const std::pair<std::string_view, UpstreamKind>* kind_named(std::string_view name) {
  const auto found =
      std::find_if(kinds.begin(), kinds.end(), [&](const auto& kind) { return kind.first == name; });
  return found == kinds.end() ? nullptr : &*found;
}

void apply_defaults(Upstream& upstream) {
  const KindDefaults defaults = defaults_of(upstream.kind);
  upstream.url = defaults.url;
  upstream.ws_url = defaults.ws_url;
  upstream.rate_limit = {defaults.requests, defaults.window, 0};
}

void trim_slash(std::string& url) {
  while (url.ends_with('/'))
    url.pop_back();
}

void describe_session(Visitor& v, Upstream& u) {
  const bool feed = u.kind == UpstreamKind::websocket;
  v.scalars({"channels", "Event channels to subscribe to; empty: all that the key allows."},
            texts(u.channels, rules::word));
  v.scalar({"reliable_delivery", "Asks the vendor for acknowledged delivery."}, boolean(u.reliable_delivery));
  v.scalar({"sessions", "Parallel upstream sessions, merged without duplicates."},
           integer(u.sessions, {1, 4}));
  v.json({"login", "Merged over the login message; for a websocket, the whole message."}, u.login);
  v.json({"ack", "Template of the acknowledgement."}, u.ack);
  v.section(
      {.name = "fields",
       .help = "Where a frame of a websocket feed holds what an event needs.",
       .applies = feed,
       .applies_to = "kind: websocket"},
      [&](Visitor& f) {
        f.scalar({"channel", "Default: the upstream's name."},
                 text_or_none(u.fields.channel, rules::frame_path));
        f.scalar({"event", "Default: MESSAGE."}, text_or_none(u.fields.event, rules::frame_path));
        f.scalar({"seq", "Default: none."}, text_or_none(u.fields.seq, rules::frame_path));
        f.scalar({"ts", "Default: none."}, text_or_none(u.fields.ts, rules::frame_path));
        f.scalar({"payload", "Default: the whole frame."}, text_or_none(u.fields.payload, rules::frame_path));
      });
  v.section({"keep_alive", "How a dead session is found."}, [&](Visitor& k) {
    k.scalar({"interval", "Our own ping after so long without traffic."},
             duration(u.keep_alive.interval, {10ms, 1h}));
    k.on_read([&](const auto&) { u.keep_alive.dead_after = u.keep_alive.interval * 5 / 2; });
    k.scalar(
        {"dead_after", "No traffic at all for so long ends the session. Default: two and a half intervals."},
        duration(u.keep_alive.dead_after, {10ms, 24h}));
  });
  v.scalar({"reconcile", "How often state is checked against REST, or off."},
           duration_or_off(u.reconcile, {100ms, std::chrono::hours(168)}));
}

void describe_connection(Visitor& v, Upstream& u) {
  v.section({"tls", "How the far side is verified."}, [&](Visitor& t) { describe(t, u.tls); });
  v.scalar({"proxy", "HTTP CONNECT proxy. Default: HTTPS_PROXY and NO_PROXY of the environment."},
           secret_url(u.proxy, rules::proxy_url));
  v.section({"timeouts", "Deadlines of a request or session upstream."}, [&](Visitor& t) {
    t.scalar({"connect", "Name, TCP and TLS."}, duration(u.timeouts.connect, {1ms, 1h}));
    t.scalar({"login", "Until the login is answered."}, duration(u.timeouts.login, {1ms, 1h}));
    t.scalar({"first_byte", "Until an answer begins."}, duration(u.timeouts.first_byte, {1ms, 1h}));
    t.scalar({"idle", "Between two pieces of an answer."}, duration(u.timeouts.idle, {1ms, 1h}));
    t.scalar({"total", "A whole request, retries included."}, duration(u.timeouts.total, {1ms, 1h}));
  });
  v.section({"retry", "Of reads and cancels."}, [&](Visitor& r) {
    r.scalar({"attempts", "All of them, the first included."}, integer(u.retry.attempts, {1, 20}));
    r.scalar({"backoff", "Before the second attempt, jittered."}, duration(u.retry.backoff, {1ms, 1min}));
    r.scalar({"max_backoff", "What it grows to."}, duration(u.retry.max_backoff, {1ms, 10min}));
  });
  v.section({"breaker", "Answers for an upstream that keeps failing."}, [&](Visitor& b) {
    b.scalar({"failures", "In a row, until it opens."}, integer(u.breaker.failures, {1, 10'000}));
    b.scalar({"open", "Until it probes."}, duration(u.breaker.open, {1ms, 1h}));
  });
}

void describe_rate(Visitor& v, Upstream& u) {
  const Key key{"rate_limit",
                "N/s or N/min; what the vendor's headers say overrules it. Default: abp 60/min, mm 100/min, "
                "scraping 10/s."};
  const bool bucket = u.kind == UpstreamKind::scraping;
  const Key burst{.name = "burst",
                  .help = "Requests at once out of scraping's token bucket. Default: as many as the limit.",
                  .applies = bucket,
                  .applies_to = "kind: scraping"};
  const auto burst_scalar = [&u] {
    Scalar out = integer(u.rate_limit.burst, {1, 1'000'000});
    out.get = [&u] {
      return u.rate_limit.burst == 0 ? std::nullopt : std::optional(std::to_string(u.rate_limit.burst));
    };
    return out;
  };
  v.scalar_or_section(
      key, rate(u.rate_limit),
      [&](Visitor& r) {
        r.scalar({"limit", "N/s or N/min."}, rate(u.rate_limit));
        r.scalar(burst, burst_scalar());
      },
      false);
  v.scalar(burst, burst_scalar());
}

void describe_waiting(Visitor& v, Upstream& u) {
  const auto placements = [&u] { return std::min(Upstream{}.max_wait_placement, u.max_wait); };
  const Range<Duration> range{0s, 10min};
  v.scalar_or_section(
      {"max_wait", "In the gateway's queue; placements wait 500ms."}, duration(u.max_wait, range),
      [&](Visitor& w) {
        w.scalar({"default", "All but placements."}, duration(u.max_wait, range));
        w.on_read([&u, placements](const auto&) { u.max_wait_placement = placements(); });
        w.scalar({"placements", "Default: 500ms, or max_wait where that is less."},
                 duration(u.max_wait_placement, range));
      },
      u.max_wait_placement != placements());
  v.on_read([&u, placements](const auto& given) {
    if (!given("max_wait.default") && !given("max_wait.placements")) u.max_wait_placement = placements();
  });
}

void describe_gateway(Visitor& v, Upstream& u) {
  describe_rate(v, u);
  v.scalar({"cancel_reserve", "Of the limit, at least 2, that only cancels and settlement look-ups may use."},
           reserve(u.cancel_reserve));
  Scalar header = text(u.auth_header, rules::http_token);
  header.get = [&u] {
    return u.kind == UpstreamKind::websocket && !u.auth_header_given ? std::nullopt
                                                                     : std::optional(u.auth_header);
  };
  v.scalar({"auth_header", "Header that carries the key."}, header);
  v.on_read([&u](const auto& given) {
    u.auth_header_given = u.kind == UpstreamKind::websocket && given("auth_header");
  });
  describe_waiting(v, u);
  v.scalars({"share", "Paths whose GETs may be answered together."}, texts(u.share, rules::url_path));
  v.dictionary({"cache", "Paths whose GETs may be answered from memory, and for how long."},
               dictionary_of<Duration>(u.cache, "a path", rules::url_path, [](Duration& d) {
                 return duration(d, {1ms, 24h});
               }));
  v.scalar({"block_on_emergency", "Refuses placements while the vendor says emergency."},
           boolean(u.block_on_emergency));
  v.section({"guard", "What a placement may not exceed."}, [&](Visitor& g) { describe(g, u.guard); });
}

}  // namespace

void describe(Visitor& v, ClientTls& tls) {
  v.scalar({"ca_file", "PEM bundle to trust. Default: the system's."},
           text_or_none(tls.ca_file, rules::absolute_path));
  v.scalar({"server_name", "For SNI and the host check. Default: the URL's host."},
           text_or_none(tls.server_name, rules::host));
  v.scalar({"verify", "false accepts any certificate."}, boolean(tls.verify));
}

void describe(Visitor& v, Guard& guard) {
  v.dictionary({"max_stake", "The most a placement may stake, by currency."},
               dictionary_of<std::string>(guard.max_stake, "a currency", rules::word, decimal));
  v.scalar({"max_orders_per_minute", "Orders in any minute."},
           optional_integer(guard.max_orders_per_minute, {0, 1'000'000}));
  v.scalars({"bookmakers", "The only ones allowed; empty: all."}, texts(guard.bookmakers, rules::word));
  v.scalar({"test_only", "Only orders with testOrder true."}, boolean(guard.test_only));
}

void describe(Visitor& v, Upstream& u) {
  const auto* by_name = kind_named(u.name);
  v.on_read([&](const auto&) {
    if (by_name != nullptr) u.kind = by_name->second;
  });
  v.scalar({.name = "kind",
            .help = "Which API it speaks. Default: the upstream's name.",
            .need = by_name != nullptr ? Need::none : Need::here,
            .decides = true},
           choice<UpstreamKind>(u.kind, kinds));
  v.on_read([&](const auto&) { apply_defaults(u); });
  const bool feed = u.kind == UpstreamKind::websocket;
  v.scalar({"url", "REST base. Default: the vendor's for abp, mm and scraping."},
           url(u.url, rules::http_url));
  v.on_read([&](const auto&) { trim_slash(u.url); });
  v.scalar({"ws_url", "Event socket. Default: the vendor's for abp and mm.", feed ? Need::here : Need::none},
           url(u.ws_url, rules::ws_url));
  v.scalar({"api_key", "The vendor's key; a websocket feed may have none.", feed ? Need::none : Need::here},
           secret(u.api_key, rules::api_key));
  describe_session(v, u);
  describe_connection(v, u);
  describe_gateway(v, u);
}

}  // namespace bridge55::config
