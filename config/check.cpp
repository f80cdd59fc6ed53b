#include "config/check.hpp"

#include "config/checker.hpp"
#include "config/units.hpp"
#include "config/urls.hpp"

#include <algorithm>
#include <array>
#include <map>

namespace bridge55::config {
namespace {

// The contract's reserved names, and `admin`, which POST /admin/… takes.
constexpr std::array<std::string_view, 12> reserved{"bridge",  "events", "state",  "status",
                                                    "trades",  "via",    "relays", "metrics",
                                                    "healthz", "livez",  "readyz", "admin"};

std::string parent_of(const std::string& path) {
  const std::size_t end = path.find_last_of(".[");
  return end == std::string::npos ? "" : path.substr(0, end);
}

// Sources, sinks and relays share one space of names: `wait --for abp,rabbit` must know what is meant.
class Names {
 public:
  explicit Names(Checker& checker) : checker_(checker) {}

  void add(const std::string& section, const std::string& name) {
    const std::string path = child_path(section, printable(name));
    if (!is_name(name)) {
      checker_.at_key(
          path, "is not a name; expected 1 to 64 letters, digits, _ and -, the first a letter or digit");
    } else if (std::find(reserved.begin(), reserved.end(), name) != reserved.end()) {
      checker_.at_key(path,
                      "is a reserved name; expected another than bridge, events, state, status, trades, via, "
                      "relays, metrics, "
                      "healthz, livez, readyz and admin");
    } else if (const auto [first, added] = sections_.emplace(name, section);
               !added && first->second != section) {
      checker_.at_key(path,
                      "is a name used twice, first in " + first->second + "; expected a name of its own");
    }
  }

 private:
  Checker& checker_;
  std::map<std::string, std::string> sections_;
};

void check_exposure(const Listen& listen, const std::string& path, bool has_clients, Checker& checker) {
  if (listen.host.empty() || is_loopback(listen.host)) return;
  const bool has_tls = !listen.cert_file.empty();
  if (has_tls && has_clients) return;
  const std::string lacks = !has_tls && !has_clients ? "clients: and tls:" : has_tls ? "clients:" : "tls:";
  checker.at_value(path + ".tcp", checker.quoted(path + ".tcp", listen.host) +
                                      "is reachable from other machines; expected a loopback address, or " +
                                      lacks + " as well");
}

}  // namespace

Position Checker::key_of(const std::string& path) const {
  if (path.empty()) return {};
  const Place* place = reading_.find(path);
  return place != nullptr ? place->key : key_of(parent_of(path));
}

void Checker::at_value(const std::string& path, std::string message) {
  if (reading_.has_error(path)) return;
  const Place* place = reading_.find(path);
  reading_.error(place != nullptr ? place->value : key_of(path), path, std::move(message));
}

void Checker::at_key(const std::string& path, std::string message) {
  reading_.error(key_of(path), path, std::move(message));
}

void Checker::missing(const std::string& path, std::string message) {
  if (!reading_.has_error(path)) reading_.error(key_of(parent_of(path)), path, std::move(message));
}

void Checker::warn(const std::string& path, std::string message) {
  const Place* place = reading_.find(path);
  reading_.warning(place != nullptr ? place->value : key_of(path), path, std::move(message));
}

std::string Checker::quoted(const std::string& path, std::string_view value) const {
  const Place* place = reading_.find(path);
  return place != nullptr && place->outside ? "" : "`" + printable(value) + "` ";
}

void check_names(const Config& config, Checker& checker) {
  Names names(checker);
  for (const Upstream& upstream : config.upstreams)
    names.add("upstreams", upstream.name);
  for (const Relay& relay : config.relays)
    names.add("relays", relay.name);
  for (const Sink& sink : config.sinks)
    names.add("sinks", sink.name);
}

void check_listeners(const Config& config, Checker& checker) {
  std::map<std::string, std::string> doors;
  for (std::size_t i = 0; i < config.listen.size(); ++i) {
    const Listen& listen = config.listen[i];
    const std::string path = item_path("listen", i);
    const bool tcp = checker.given(path + ".tcp");
    const bool unix_socket = checker.given(path + ".unix");
    if (checker.given(path) && tcp == unix_socket)
      checker.at_value(path, tcp ? "has both tcp and unix; expected one of them"
                                 : "has neither tcp nor unix; expected one of them");
    check_exposure(listen, path, config.clients.has_value(), checker);
    const bool any_port = !listen.is_unix() && listen.port == 0;
    if (any_port || (listen.host.empty() && !listen.is_unix())) continue;
    const std::string door =
        listen.is_unix() ? listen.unix_path : listen.host + ":" + std::to_string(listen.port);
    const std::string key = path + (listen.is_unix() ? ".unix" : ".tcp");
    if (const auto [first, added] = doors.emplace(door, path); !added)
      checker.at_value(key, "is used twice, first by " + first->second + "; expected an address of its own");
  }
  for (const Sink& sink : config.sinks) {
    if (sink.kind != SinkKind::unix_socket || sink.path.empty()) continue;
    const std::string path = "sinks." + sink.name;
    if (const auto [first, added] = doors.emplace(sink.path, path); !added)
      checker.at_value(path + ".path",
                       "is used twice, first by " + first->second + "; expected a socket of its own");
  }
}

void check(Config& config, Reading& reading) {
  Checker checker(reading);
  check_names(config, checker);
  check_listeners(config, checker);
  check_upstreams(config, checker);
  check_relays(config, checker);
  check_sinks(config, checker);
  check_routes(config, checker);
  check_clients(config, checker);
}

}  // namespace bridge55::config
