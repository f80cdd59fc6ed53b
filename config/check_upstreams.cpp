#include "config/checker.hpp"
#include "config/units.hpp"

#include <algorithm>
#include <map>

namespace bridge55::config {
namespace {

constexpr std::string_view vendor_domain = ".55-tech.com";

bool at_vendor(std::string_view url) {
  const std::size_t authority = url.find("://");
  if (authority == std::string_view::npos) return false;
  const std::string_view host =
      url.substr(authority + 3, url.find_first_of(":/", authority + 3) - authority - 3);
  return host.ends_with(vendor_domain);
}

// The key goes to both URLs: one of them left at the vendor while the other points elsewhere is most likely a
// slip.
void warn_of_mixed_urls(const Upstream& upstream, const std::string& path, Checker& checker) {
  if (upstream.url.empty() || upstream.ws_url.empty() ||
      at_vendor(upstream.url) == at_vendor(upstream.ws_url))
    return;
  for (const char* key : {".url", ".ws_url"})
    if (!checker.given(path + key))
      checker.warn(path + key, "is still the vendor's while its other half is not; expected both or neither");
}

void check_upstream(const Upstream& upstream, Checker& checker) {
  const std::string path = "upstreams." + upstream.name;
  if (upstream.keep_alive.dead_after <= upstream.keep_alive.interval)
    checker.at_value(path + ".keep_alive.dead_after",
                     "is not longer than interval; expected about two and a half intervals");
  if (upstream.retry.max_backoff < upstream.retry.backoff)
    checker.at_value(path + ".retry.max_backoff",
                     "is less than backoff; expected at least " + print_duration(upstream.retry.backoff));
  if (checker.given(path + ".burst") && checker.given(path + ".rate_limit.burst"))
    checker.at_value(path + ".burst", "is given twice, also as rate_limit.burst; expected it once");
  if (checker.given(path + ".rate_limit") && checker.given(path + ".rate_limit.burst") &&
      !checker.given(path + ".rate_limit.limit"))
    checker.missing(path + ".rate_limit.limit", "is missing; expected N/s or N/min beside burst");
  if (upstream.kind == UpstreamKind::mm && !upstream.api_key.empty() && !is_uuid(upstream.api_key.reveal()))
    checker.warn(path + ".api_key",
                 "is not a UUID, as the vendor documents MM keys to be; expected 8-4-4-4-12 hex digits");
  if (!upstream.tls.verify) checker.warn(path + ".tls.verify", "accepts any certificate; expected true");
  warn_of_mixed_urls(upstream, path, checker);
}

}  // namespace

void check_upstreams(const Config& config, Checker& checker) {
  if (checker.given("upstreams") && config.upstreams.empty())
    checker.at_value("upstreams", "is empty; expected at least one upstream");
  for (const Upstream& upstream : config.upstreams)
    check_upstream(upstream, checker);
}

void check_relays(Config& config, Checker& checker) {
  const auto runs_relays = [](const Upstream& upstream) { return upstream.kind == UpstreamKind::scraping; };
  const auto only = std::find_if(config.upstreams.begin(), config.upstreams.end(), runs_relays);
  const auto many = std::count_if(config.upstreams.begin(), config.upstreams.end(), runs_relays);
  for (Relay& relay : config.relays) {
    const std::string path = "relays." + relay.name + ".upstream";
    if (relay.upstream.empty() && many == 1) relay.upstream = only->name;
    if (relay.upstream.empty()) {
      checker.missing(path, "is missing; expected the name of an upstream of kind: scraping");
      continue;
    }
    const auto found = std::find_if(config.upstreams.begin(), config.upstreams.end(),
                                    [&](const Upstream& u) { return u.name == relay.upstream; });
    if (found == config.upstreams.end())
      checker.at_value(path, checker.quoted(path, relay.upstream) +
                                 "is no upstream; expected the name of one of kind: scraping");
    else if (!runs_relays(*found))
      checker.at_value(
          path, checker.quoted(path, relay.upstream) + "is not of kind: scraping; expected one that is");
  }
}

void check_clients(const Config& config, Checker& checker) {
  if (!config.clients) return;
  std::map<std::string, std::string> seen;  // kind of identity and its value -> who has it
  for (std::size_t i = 0; i < config.clients->size(); ++i) {
    const Client& client = (*config.clients)[i];
    const std::string path = item_path("clients", i);
    const auto known_by = [&](const char* key) { return checker.given(path + key) ? 1 : 0; };
    if (known_by(".token") + known_by(".user") + known_by(".group") != 1)
      checker.at_value(path, "is not known by exactly one thing; expected one of token, user and group");
    if (client.allow == 0) checker.warn(path + ".allow", "allows nothing; expected one or more scopes");
    const auto refuse_twice = [&](const char* key, const std::string& value) {
      if (value.empty()) return;
      const auto [first, added] = seen.emplace(key + std::string(" ") + value, path);
      if (!added)
        checker.at_value(child_path(path, key),
                         "is used twice, first by " + first->second + "; expected each " + key + " once");
    };
    refuse_twice("name", client.name);
    refuse_twice("token", client.token.reveal());
    refuse_twice("user", client.user);
    refuse_twice("group", client.group);
  }
}

}  // namespace bridge55::config
