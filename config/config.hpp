// What an operator writes in bridge55.yaml, as typed values: defaults, units and one sentence a field.
// Knows nothing of the daemon. Filled by config/loader.hpp; every default of the contract's section 4 stands
// here and only here.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bridge55::config {

using Duration = std::chrono::milliseconds;
using namespace std::chrono_literals;

// A count of bytes (`64KiB`, `2GiB`).
struct Bytes {
  std::uint64_t count = 0;
  friend bool operator==(Bytes, Bytes) = default;
};

constexpr Bytes kib(std::uint64_t n) {
  return {n << 10};
}
constexpr Bytes mib(std::uint64_t n) {
  return {n << 20};
}
constexpr Bytes gib(std::uint64_t n) {
  return {n << 30};
}

// A value that must never be shown: it has no stream operator and no formatter on purpose. `reveal` is the
// only way out.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  const std::string& reveal() const { return value_; }
  bool empty() const { return value_.empty(); }
  friend bool operator==(const Secret&, const Secret&) = default;

 private:
  std::string value_;
};

// One local door: a TCP address or a UNIX socket, with what protects it.
struct Listen {
  std::string host;                 // TCP: address to bind, as written (`127.0.0.1`, `::1`)
  std::uint16_t port = 0;           // TCP: port; 0 asks the kernel for a free one
  std::string unix_path;            // UNIX: path of the socket; empty for TCP
  unsigned mode = 0660;             // UNIX: file mode of the socket
  std::string group;                // UNIX: group that owns the socket; empty keeps the process's
  std::string cert_file, key_file;  // TCP: TLS certificate chain and key (PEM); empty means plain
  bool is_unix() const { return !unix_path.empty(); }
  friend bool operator==(const Listen&, const Listen&) = default;
};

enum class UpstreamKind { abp, mm, scraping, websocket };

// How to verify the far side of a TLS connection.
struct ClientTls {
  std::string ca_file;      // PEM bundle; empty means the system's store
  std::string server_name;  // for SNI and the host check; empty means the URL's host
  bool verify = true;       // false accepts any certificate (said loudly at start)
  friend bool operator==(const ClientTls&, const ClientTls&) = default;
};

// `60/min`, `10/s`; `burst` is for scraping's token bucket and 0 means "as many as `requests`".
struct RateLimit {
  unsigned requests = 60;
  Duration window = 1min;
  unsigned burst = 0;
  friend bool operator==(const RateLimit&, const RateLimit&) = default;
};

// `10%` of the window, or a plain count.
struct Reserve {
  double fraction = 0.10;
  unsigned count = 0;  // used instead of the fraction where not 0
  friend bool operator==(const Reserve&, const Reserve&) = default;
};

// Where a generic WebSocket feed keeps what an event needs: dotted paths into a frame. Empty: the upstream's
// name as channel, `MESSAGE` as event, no counters, the whole frame as payload.
struct FeedFields {
  std::string channel, event, seq, ts, payload;
  friend bool operator==(const FeedFields&, const FeedFields&) = default;
};

struct KeepAlive {
  Duration interval = 30s;  // our own ping when idle for so long
  Duration dead_after =
      75s;  // no traffic at all for so long: the session is dead (two and a half intervals where not given)
  friend bool operator==(const KeepAlive&, const KeepAlive&) = default;
};

struct Timeouts {
  Duration connect = 10s, login = 30s, first_byte = 30s, idle = 60s, total = 120s;
  friend bool operator==(const Timeouts&, const Timeouts&) = default;
};

struct Retry {
  unsigned attempts = 3;
  Duration backoff = 250ms, max_backoff = 4s;
  friend bool operator==(const Retry&, const Retry&) = default;
};

struct Breaker {
  unsigned failures = 5;
  Duration open = 10s;
  friend bool operator==(const Breaker&, const Breaker&) = default;
};

// What a placement may not exceed. Nothing set means nothing refused.
struct Guard {
  std::map<std::string, std::string> max_stake;  // currency -> decimal text, compared as decimals
  std::optional<unsigned> max_orders_per_minute;
  std::vector<std::string> bookmakers;  // empty: all
  bool test_only = false;
  friend bool operator==(const Guard&, const Guard&) = default;
};

struct Upstream {
  std::string name;
  UpstreamKind kind = UpstreamKind::abp;
  std::string url;     // REST base, without a trailing slash
  std::string ws_url;  // event socket; empty for scraping
  Secret api_key;
  std::vector<std::string> channels;  // empty: all that the key allows
  bool reliable_delivery = false;
  unsigned sessions = 1;  // 1..4
  RateLimit rate_limit;
  Reserve cancel_reserve;
  ClientTls tls;
  Secret proxy;  // HTTP CONNECT proxy URL (it may hold a password); empty: HTTPS_PROXY / NO_PROXY of the
                 // environment
  std::string login = "{}";  // JSON object merged over the login message (websocket: the whole message)
  std::string ack = R"({"type":"ack","seq":"{seq}"})";  // JSON template of the acknowledgement
  std::string auth_header = "X-API-Key";
  bool auth_header_given =
      false;          // a websocket feed sends its key as a header only where the config names one
  FeedFields fields;  // kind websocket only
  KeepAlive keep_alive;
  Timeouts timeouts;
  Retry retry;
  Breaker breaker;
  Duration max_wait = 5s;               // in the gateway's queue
  Duration max_wait_placement = 500ms;  // the same for placements
  std::vector<std::string> share;
  std::map<std::string, Duration> cache;
  bool block_on_emergency = true;
  std::optional<Duration> reconcile = 5min;  // none: off
  Guard guard;
  friend bool operator==(const Upstream&, const Upstream&) = default;
};

enum class RelayKind { websocket, amqp, fetch };

struct RelayReply {
  std::string when, send;
  friend bool operator==(const RelayReply&, const RelayReply&) = default;
};

// A standing scraping job whose output becomes events.
struct Relay {
  std::string name;
  RelayKind kind = RelayKind::websocket;
  std::string upstream;
  std::string url;
  std::map<std::string, Secret> headers, cookies;  // they carry session secrets
  std::string geo, agent;
  Duration idle_timeout = 0s;
  std::vector<std::string> on_connect;
  std::vector<RelayReply> reply;
  std::string host;
  std::uint16_t port = 5672;
  bool ssl = false;
  std::string virtual_host = "/", username;
  Secret password;
  std::string exchange, routing_key = "#", queue_prefix = "scrape";
  unsigned heartbeat = 60;  // seconds
  Duration every = 5s;
  bool emit_always = false;  // `emit: always`
  std::string method = "GET", body;
  Duration timeout = 30s;
  bool allow_redirects = true;
  friend bool operator==(const Relay&, const Relay&) = default;
};

struct Journal {
  std::string path = "/var/lib/bridge55/journal.db";
  Duration retention_age = std::chrono::hours(24 * 7);
  Bytes retention_size = gib(2);
  friend bool operator==(const Journal&, const Journal&) = default;
};

enum class SinkKind { rabbitmq, unix_socket };
enum class Declare { active, passive, none };

struct Exchange {
  std::string name = "bridge55.events";
  std::string type = "topic";
  bool durable = true;
  friend bool operator==(const Exchange&, const Exchange&) = default;
};

struct Queue {
  std::string name;
  std::string type = "quorum";  // quorum | classic | stream
  std::vector<std::string> bind;
  friend bool operator==(const Queue&, const Queue&) = default;
};

// Gateway requests over AMQP (served by a later part; read and checked now).
struct AmqpRequests {
  std::string queue;
  std::vector<std::string> allow{"read"};
  Duration keep = 24h;
  friend bool operator==(const AmqpRequests&, const AmqpRequests&) = default;
};

struct Sink {
  std::string name;
  SinkKind kind = SinkKind::rabbitmq;
  std::vector<Secret> urls;  // rabbitmq: tried in turn (they hold passwords)
  ClientTls tls;             // for amqps
  Declare declare = Declare::active;
  Exchange exchange;
  Duration confirm_timeout = 30s;
  std::vector<Queue> queues;
  std::optional<AmqpRequests> requests;
  std::string path;      // unix
  unsigned mode = 0660;  // unix
  std::string group;     // unix
  friend bool operator==(const Sink&, const Sink&) = default;
};

enum class Operator { eq, ne, in, not_in, gt, gte, lt, lte, exists, matches };

// One condition of a route or a `where=` query: `field` is a dotted path into the envelope. Values are
// compared as the contract says: numbers by value from their digits, everything else as text.
struct Condition {
  std::string field;
  Operator op = Operator::eq;
  std::vector<std::string> values;  // one, but for in and not_in; `true`/`false` for exists
  friend bool operator==(const Condition&, const Condition&) = default;
};

// All lists empty: everything matches.
struct Match {
  std::vector<std::string> source, channel, event, key;
  std::vector<Condition> where;
  friend bool operator==(const Match&, const Match&) = default;
};

enum class BodyMode { envelope, payload, raw };

struct Route {
  Match match;
  std::vector<std::string> to;  // sink names
  std::string routing_key;      // template; empty: {source}.{channel}.{event|lower}
  std::string exchange;         // template; empty: the sink's own
  BodyMode body = BodyMode::envelope;
  bool stop = false;
  friend bool operator==(const Route&, const Route&) = default;
};

enum class Scope : unsigned {
  events = 1,
  read = 2,
  scrape = 4,
  trade = 8,
  cancel = 16,
  accounts = 32,
  admin = 64
};

struct Client {
  std::string name;
  Secret token;      // exactly one of token, user, group
  std::string user;  // by SO_PEERCRED on UNIX sockets
  std::string group;
  unsigned allow = 0;  // Scope bits; trade includes cancel already
  Guard guard;
  friend bool operator==(const Client&, const Client&) = default;
};

enum class LogFormat { text, json };

struct Log {
  std::string level = "info";  // trace | debug | info | warning | error
  LogFormat format = LogFormat::text;
  friend bool operator==(const Log&, const Log&) = default;
};

struct Http {
  std::vector<std::string> allowed_origins, allowed_hosts;
  Bytes max_header = kib(16), max_body = mib(10), max_frame = mib(16);
  Duration header_timeout = 10s;
  unsigned max_connections = 10000;
  friend bool operator==(const Http&, const Http&) = default;
};

struct Config {
  std::vector<Listen> listen;  // empty section: 127.0.0.1:5580 alone
  std::vector<Upstream> upstreams;
  std::vector<Relay> relays;
  Journal journal;
  std::vector<Sink> sinks;
  std::optional<std::vector<Route>> routes;    // absent: every sink gets every event
  std::optional<std::vector<Client>> clients;  // absent: section 9's defaults
  Duration state_keep = 24h;
  Duration trades_keep = std::chrono::hours(24 * 30);
  Duration consumers_expire = std::chrono::hours(24 * 7);
  Log log;
  Http http;
  friend bool operator==(const Config&, const Config&) = default;
};

}  // namespace bridge55::config
