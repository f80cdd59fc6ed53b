#include "tests/sim/options.hpp"

#include <charconv>
#include <map>

#include <CLI/CLI.hpp>

namespace bridge55::sim {
namespace {

constexpr std::size_t kBenchQueue = 100'000;
constexpr double kBenchRate = 20'000;  // above this a book of real orders would cost more than it shows

struct Texts {
  std::vector<std::string> abp_keys, abp_inactive, abp_expired, mm_keys, mm_inactive, scraping_keys;
  std::string rate = "0";
  double time_scale = 1.0;
  std::optional<std::size_t> queue;
  std::int64_t login_ms = -1, ping_ms = -1, pong_ms = -1, heartbeat_ms = -1, limit_window_ms = -1;
  std::int64_t order_life_ms = -1, dedup_ms = -1, relay_connect_ms = -1, relay_target_ms = -1;
  bool no_limits = false;
};

/// `KEY` or `KEY=CLIENT`; keys without a client all belong to `demo`.
void add_keys(const std::vector<std::string>& texts, Key::State state, std::vector<Key>& keys) {
  for (const auto& text : texts) {
    const auto at = text.rfind('=');
    const bool named = at != std::string::npos && at + 1 < text.size();
    keys.push_back({named ? text.substr(0, at) : text, named ? text.substr(at + 1) : "demo", state});
  }
}

void set_time(milliseconds& time, std::int64_t given, double scale) {
  if (given >= 0) {
    time = milliseconds(given);
  } else {
    time = milliseconds(
        std::max<std::int64_t>(1, static_cast<std::int64_t>(static_cast<double>(time.count()) * scale)));
  }
}

bool set_rate(const std::string& text, Options& options) {
  if (text == "max") {
    options.rate_max = true;
    return true;
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), options.rate);
  return error == std::errc{} && end == text.data() + text.size() && options.rate >= 0;
}

void add_serving(CLI::App& app, Options& o) {
  app.add_option("--abp", o.abp_listen, "ABP address:port, port 0 = free; 'off' = none")
      ->capture_default_str();
  app.add_option("--mm", o.mm_listen, "MM address:port; 'same' = on ABP's port; 'off' = none")
      ->capture_default_str();
  app.add_option("--scraping", o.scraping_listen, "Scraping API address:port; 'off' = none")
      ->capture_default_str();
  app.add_option("--control", o.control_listen, "control API address:port")->capture_default_str();
  app.add_flag("--tls", o.tls, "TLS on the vendor ports, certificate made at start");
  const std::map<std::string, Certificate> certificates{{"good", Certificate::good},
                                                        {"expired", Certificate::expired},
                                                        {"wrong-name", Certificate::wrong_name},
                                                        {"unknown-ca", Certificate::unknown_ca}};
  app.add_option("--tls-cert", o.certificate, "good, expired, wrong-name or unknown-ca")
      ->transform(CLI::CheckedTransformer(certificates));
  app.add_option("--ca-out", o.ca_out, "write the CA certificate (PEM) here");
  app.add_option("--ports-file", o.ports_file, "write the start-up JSON line here too, atomically");
}

void add_keys_and_editions(CLI::App& app, Options& o, Texts& t) {
  app.add_option("--abp-key", t.abp_keys, "KEY or KEY=CLIENT, repeatable (default abp-demo-key)");
  app.add_option("--abp-inactive-key", t.abp_inactive, "a known ABP key that is inactive");
  app.add_option("--abp-expired-key", t.abp_expired, "a known ABP key that has expired");
  app.add_option("--mm-key", t.mm_keys, "UUID or UUID=CLIENT, repeatable");
  app.add_option("--mm-inactive-key", t.mm_inactive, "a known MM key that is inactive");
  app.add_option("--scraping-key", t.scraping_keys, "KEY, repeatable (default scraping-demo-key)");
  app.add_option("--connections-per-key", o.connections_per_key, "WebSocket sessions a key")
      ->capture_default_str();
  const std::map<std::string, AbpKeepAlive> keepalives{{"ping", AbpKeepAlive::ping},
                                                       {"heartbeat", AbpKeepAlive::heartbeat}};
  app.add_option("--abp-keepalive", o.abp_keepalive, "ping (documented) or heartbeat (earlier edition)")
      ->transform(CLI::CheckedTransformer(keepalives));
  app.add_flag("--abp-earlier-events", o.abp_earlier_events,
               "STATUS_CHANGE, settlements as UPDATE, no betslip");
  const std::map<std::string, MmEdition> editions{
      {"both", MmEdition::both}, {"snake", MmEdition::snake}, {"camel", MmEdition::camel}};
  app.add_option("--mm-edition", o.mm_edition, "both, snake (api_key) or camel (apiKey)")
      ->transform(CLI::CheckedTransformer(editions));
  app.add_flag("--mm-lists-in-object", o.mm_lists_in_object,
               "MM REST lists as {\"data\": […]} instead of bare");
  app.add_flag("--batch-ack", o.batch_ack, "features.batchAck true: an ack covers all up to its seq");
  app.add_option("--auth-errors", o.auth_errors, "REST 401 shapes: current, earlier or later edition")
      ->check(CLI::IsMember({"current", "earlier", "later"}));
  app.add_flag("--limit-headers", o.limit_headers, "429 with Retry-After and X-RateLimit-* (later edition)");
  app.add_option("--abp-limit", o.abp_limit, "REST requests a window, 0 = none")->capture_default_str();
  app.add_option("--mm-limit", o.mm_limit, "REST requests a window, 0 = none")->capture_default_str();
  app.add_option("--scraping-rps", o.scraping_rps, "tokens a second, 0 = no limit")->capture_default_str();
  app.add_option("--scraping-burst", o.scraping_burst, "capacity of the token bucket (the rps)");
  app.add_flag("--no-limits", t.no_limits, "no REST limit at all");
}

void add_rest(CLI::App& app, Options& o, Texts& t) {
  app.add_option("--fill", o.placing.fill, "how placements go")
      ->check(CLI::IsMember({"filled", "partial", "pending", "rejected"}))
      ->capture_default_str();
  app.add_option("--duplicates", o.placing.duplicates, "how a duplicate requestUuid is told")
      ->check(CLI::IsMember({"documented", "409", "declined"}))
      ->capture_default_str();
  app.add_option("--page-size", o.page_size, "rows a page where the request names no limit")
      ->capture_default_str();
  app.add_option("--request-log", o.request_log, "requests kept for GET /requests")->capture_default_str();
  app.add_option("--order-life-ms", t.order_life_ms, "life of an order without expiresAt (5000)");
  app.add_option("--dedup-ms", t.dedup_ms, "a requestUuid is remembered for so long (1800000)");
}

void add_times(CLI::App& app, Options& o, Texts& t) {
  app.add_option("--time-scale", t.time_scale, "multiplies all of the vendor's times")
      ->check(CLI::PositiveNumber);
  app.add_option("--login-ms", t.login_ms, "login deadline (30000)");
  app.add_option("--ping-ms", t.ping_ms, "ABP ping interval (30000)");
  app.add_option("--pong-ms", t.pong_ms, "ABP pong deadline (120000)");
  app.add_option("--heartbeat-ms", t.heartbeat_ms, "MM heartbeat interval (60000)");
  app.add_option("--limit-window-ms", t.limit_window_ms, "REST limit window (60000)");
  app.add_option("--relay-connect-ms", t.relay_connect_ms, "deadline of a relay's connect message (10000)");
  app.add_option("--relay-target-ms", t.relay_target_ms, "an agent's time to reach a relay's target (30000)");
  app.add_option("--window", o.window, "unacknowledged messages under reliable delivery")
      ->capture_default_str();
  app.add_option("--queue", t.queue,
                 "messages waiting for one client before close 1013 (2000; bench 100000), 0 = unbounded");
  app.add_option("--send-buffer", o.send_buffer, "SO_SNDBUF of client sockets, bytes");
}

void add_life(CLI::App& app, Options& o, Texts& t) {
  app.add_option("--rate", t.rate, "events a second in total, or max")->capture_default_str();
  app.add_option("--burst", o.burst, "send so many events at full speed after the first login");
  app.add_flag("--at-boot", o.at_boot, "life starts at once instead of with the first login");
  app.add_option("--mm-share", o.mm_share, "MM's part of the rate while both are alive")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--seed", o.seed, "the same seed tells the same story")->capture_default_str();
  app.add_option("--emergency-every", o.emergency_every, "about one emergency in N events, 0 = never")
      ->capture_default_str();
  app.add_flag("--bench", o.bench, "pre-rendered events, no book (implied by a rate of 20000 or more)");
  app.add_option("--payload-bytes", o.payload_bytes, "bench: exact payload size");
  app.add_flag("--stamp", o.stamp, "bench: \"sentNs\" (CLOCK_REALTIME) in each payload");
  app.add_option("--journal", o.journal, "frames kept for GET /sent (10000; 0 in bench mode)");
  app.add_option("--book", o.book, "orders and bets that REST remembers")->capture_default_str();
}

void finish(Options& o, const Texts& t) {
  if (o.abp_listen == "off") o.abp_listen.clear();
  if (o.mm_listen == "off") o.mm_listen.clear();
  if (o.scraping_listen == "off") o.scraping_listen.clear();
  o.one_port = o.mm_listen == "same" || (o.mm_listen == o.abp_listen && !o.abp_listen.ends_with(":0"));
  if (o.one_port) o.mm_listen.clear();
  add_keys(t.abp_keys, Key::State::active, o.abp_keys);
  add_keys(t.mm_keys, Key::State::active, o.mm_keys);
  if (o.abp_keys.empty()) add_keys({"abp-demo-key"}, Key::State::active, o.abp_keys);
  if (o.mm_keys.empty()) add_keys({"55555555-5555-4555-8555-555555555555"}, Key::State::active, o.mm_keys);
  add_keys(t.scraping_keys, Key::State::active, o.scraping_keys);
  if (o.scraping_keys.empty()) add_keys({"scraping-demo-key"}, Key::State::active, o.scraping_keys);
  add_keys(t.abp_inactive, Key::State::inactive, o.abp_keys);
  add_keys(t.abp_expired, Key::State::expired, o.abp_keys);
  add_keys(t.mm_inactive, Key::State::inactive, o.mm_keys);
  set_time(o.times.login, t.login_ms, t.time_scale);
  set_time(o.times.abp_ping, t.ping_ms, t.time_scale);
  set_time(o.times.abp_pong, t.pong_ms, t.time_scale);
  set_time(o.times.heartbeat, t.heartbeat_ms, t.time_scale);
  set_time(o.times.limit_window, t.limit_window_ms, t.time_scale);
  set_time(o.times.order_life, t.order_life_ms, t.time_scale);
  set_time(o.times.dedup, t.dedup_ms, t.time_scale);
  set_time(o.times.relay_connect, t.relay_connect_ms, t.time_scale);
  set_time(o.times.relay_target, t.relay_target_ms, t.time_scale);
  if (t.no_limits) {
    o.abp_limit = o.mm_limit = 0;
    o.scraping_rps = 0;
  }
  o.bench = o.bench || o.stamp || o.payload_bytes != 0 || o.rate_max || o.rate >= kBenchRate;
  // A benchmark wants to see a slow reader's latency, not its end.
  o.queue = t.queue.value_or(o.bench ? kBenchQueue : o.queue);
}

}  // namespace

std::optional<int> parse_options(int argc, char** argv, Options& options) {
  CLI::App app("bridge55-sim: a simulated vendor with the ABP, MM and Scraping APIs");
  Texts texts;
  add_serving(app, options);
  add_keys_and_editions(app, options, texts);
  add_rest(app, options, texts);
  add_times(app, options, texts);
  add_life(app, options, texts);
  try {
    app.parse(argc, argv);
    if (!set_rate(texts.rate, options)) throw CLI::ValidationError("--rate", "a number or max");
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 64;
  }
  finish(options, texts);
  return std::nullopt;
}

std::size_t journal_size(const Options& options) {
  if (options.journal) return *options.journal;
  return options.bench ? 0 : 10'000;
}

}  // namespace bridge55::sim
