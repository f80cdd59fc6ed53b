#include "config/describe.hpp"
#include "config/scalars.hpp"
#include "config/scopes.hpp"
#include "config/urls.hpp"

#include <array>

namespace bridge55::config {
namespace {

constexpr Duration day = std::chrono::hours(24);
constexpr Range<Duration> keeping{1ms, 3650 * day};

Scalar tcp_address(Listen& listen) {
  Scalar out;
  out.expected = "address:port, such as 127.0.0.1:5580 or [::1]:5580";
  out.schema = R"({"type":"string","pattern":"^.+:[0-9]+$"})";
  out.set = [&listen](const std::string& text) -> std::string {
    const HostPort parts = split_host_port(text);
    if (parts.host.empty()) return "is not an address with a port";
    if (!is_ip_address(parts.host) && parts.host != "localhost")
      return "is neither an IP address nor localhost";
    listen.host = parts.host;
    listen.port = static_cast<std::uint16_t>(std::stoul(parts.port));
    return "";
  };
  out.get = [&listen]() -> std::optional<std::string> {
    if (listen.host.empty()) return std::nullopt;
    const bool v6 = listen.host.find(':') != std::string::npos;
    return (v6 ? "[" + listen.host + "]" : listen.host) + ":" + std::to_string(listen.port);
  };
  return out;
}

Scalars scopes(unsigned& bits) {
  Scalars out;
  out.alone = true;
  out.size = [&bits] { return scope_names(bits).size(); };
  out.resize = [&bits](std::size_t) { bits = 0; };
  out.at = [&bits](std::size_t i) {
    Scalar scope;
    scope.expected = rules::scope.expected;
    scope.schema = R"({"enum":["events","read","scrape","trade","cancel","accounts","admin"]})";
    scope.set = [&bits](const std::string& name) {
      bits |= scope_bit(name);
      return rules::scope.fault(name);
    };
    scope.get = [&bits, i]() -> std::optional<std::string> {
      const auto names = scope_names(bits);
      return i < names.size() ? std::optional(names[i]) : std::nullopt;
    };
    return scope;
  };
  return out;
}

void describe_journal(Visitor& v, Journal& journal) {
  v.scalar({"path", "The journal's file."}, text(journal.path, rules::absolute_path));
  v.section({"retention", "What the journal keeps; whichever limit comes first."}, [&](Visitor& r) {
    r.scalar({"age", "Events older than this go."}, duration(journal.retention_age, keeping));
    r.scalar(
        {"size", "When it presses, relays, betslip, fixtures and scores go first, orders and bets last."},
        size(journal.retention_size, {kib(64), gib(1 << 20)}));
  });
}

void describe_log(Visitor& v, Log& log) {
  static constexpr std::array<std::string_view, 5> levels{"trace", "debug", "info", "warning", "error"};
  static constexpr std::array<std::pair<std::string_view, LogFormat>, 2> formats{
      {{"text", LogFormat::text}, {"json", LogFormat::json}}};
  v.scalar({"level", "The least that is logged."}, one_of(log.level, levels));
  v.scalar({"format", "Lines for people, or JSON."}, choice<LogFormat>(log.format, formats));
}

void describe_http(Visitor& v, Http& http) {
  v.scalars({"allowed_origins", "Web origins whose pages may call the local API."},
            texts(http.allowed_origins, rules::origin));
  v.scalars({"allowed_hosts", "Names in Host that are answered beside the loopback ones."},
            texts(http.allowed_hosts, rules::host));
  v.scalar({"max_header", "Of a request's header."}, size(http.max_header, {Bytes{256}, mib(1)}));
  v.scalar({"max_body", "Of a request's body."}, size(http.max_body, {Bytes{0}, gib(1)}));
  v.scalar({"max_frame", "Of a WebSocket frame."}, size(http.max_frame, {Bytes{125}, gib(1)}));
  v.scalar({"header_timeout", "Time for a request's header to arrive."},
           duration(http.header_timeout, {1ms, 10min}));
  v.scalar({"max_connections", "Local connections at once."}, integer(http.max_connections, {1, 1'000'000}));
}

void describe_one_duration(Visitor& v, const Key& key, Duration& field) {
  v.scalar(key, duration(field, keeping));
}

}  // namespace

void describe(Visitor& v, Listen& listen) {
  v.scalar({.name = "tcp",
            .help = "TCP address and port; one that is not loopback needs clients: and tls:.",
            .decides = true},
           tcp_address(listen));
  v.scalar({.name = "unix", .help = "Path of a UNIX socket, instead of tcp.", .decides = true},
           text_or_none(listen.unix_path, rules::socket_path));
  const bool is_tcp = !listen.is_unix();
  const bool is_unix = listen.is_unix() || listen.host.empty();
  const Optional tls{[] {}, [&listen] { return !listen.cert_file.empty() || !listen.key_file.empty(); }};
  v.optional_section(
      {.name = "tls", .help = "TLS of a TCP listener.", .applies = is_tcp, .applies_to = "tcp"}, tls,
      [&](Visitor& t) {
        t.scalar({"cert_file", "Certificate chain (PEM).", Need::always},
                 text(listen.cert_file, rules::absolute_path));
        t.scalar({"key_file", "Its private key (PEM).", Need::always},
                 text(listen.key_file, rules::absolute_path));
      });
  v.scalar(
      {.name = "mode", .help = "File mode of the UNIX socket.", .applies = is_unix, .applies_to = "unix"},
      file_mode(listen.mode));
  v.scalar({.name = "group",
            .help = "Group that owns the UNIX socket; default: the process's.",
            .applies = is_unix,
            .applies_to = "unix"},
           text_or_none(listen.group, rules::word));
}

void describe(Visitor& v, Client& client) {
  v.scalar({"name", "The app's name in logs, metrics and trades.", Need::always},
           text(client.name, rules::name));
  v.scalar({"token", "How it is known: Authorization: Bearer, X-API-Key or the vendor's login field."},
           secret(client.token, rules::api_key));
  v.scalar({"user", "How it is known: the user of the process on a UNIX socket."},
           text_or_none(client.user, rules::word));
  v.scalar({"group", "How it is known: a group of the process on a UNIX socket."},
           text_or_none(client.group, rules::word));
  v.scalars({"allow", "What it may do."}, scopes(client.allow));
  v.section({"guard", "What its placements may not exceed."}, [&](Visitor& g) { describe(g, client.guard); });
}

void describe(Visitor& v, Config& config) {
  v.sections({"listen", "The local doors. Default: 127.0.0.1:5580."},
             list_of<Listen>(config.listen, describe));
  v.on_read([&](const auto&) {
    if (!config.listen.empty()) return;
    config.listen.emplace_back();
    config.listen.back().host = "127.0.0.1";
    config.listen.back().port = 5580;
  });
  v.sections({"upstreams", "The vendor's APIs, by the name that their events and paths carry.", Need::always},
             named<Upstream>(config.upstreams, describe));
  v.sections({"relays", "Standing scraping jobs whose output becomes events, by name."},
             named<Relay>(config.relays, describe));
  v.section({"journal", "Where events are kept, and for how long."},
            [&](Visitor& j) { describe_journal(j, config.journal); });
  v.sections({"sinks", "Where events go beside local clients, by name."},
             named<Sink>(config.sinks, describe));
  v.sections({"routes", "Which events go to which sinks, in order. Absent: every sink gets every event."},
             optional_list_of<Route>(config.routes, describe));
  v.sections(
      {"clients", "Which apps may do what. Absent: the UNIX socket grants all, TCP events, read and scrape."},
      optional_list_of<Client>(config.clients, describe));
  v.section({"state", "The latest value of every key."}, [&](Visitor& s) {
    describe_one_duration(s, {"keep", "What is final leaves the state after this."}, config.state_keep);
  });
  v.section({"trades", "The record of placements."}, [&](Visitor& t) {
    describe_one_duration(t, {"keep", "A placement's record goes after this."}, config.trades_keep);
  });
  v.section({"consumers", "Durable consumers."}, [&](Visitor& c) {
    describe_one_duration(c, {"expire", "A name that nobody used for so long is dropped."},
                          config.consumers_expire);
  });
  v.section({"log", "Standard error."}, [&](Visitor& l) { describe_log(l, config.log); });
  v.section({"http", "Limits of the local listener."}, [&](Visitor& h) { describe_http(h, config.http); });
}

}  // namespace bridge55::config
