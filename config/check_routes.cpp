#include "config/checker.hpp"
#include "config/describe.hpp"
#include "config/reader.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace bridge55::config {
namespace {

constexpr Operator last_operator = Operator::matches;

using Known = std::set<std::string, std::less<>>;

// One value of a key that takes one or a list.
std::string value_path(const std::string& path, std::size_t index, const Checker& checker) {
  const std::string item = item_path(path, index);
  return checker.given(item) ? item : path;
}

std::string listed(const Known& known) {
  constexpr std::size_t most = 20;
  std::string list;
  std::size_t told = 0;
  for (const std::string& name : known) {
    if (told++ == most) return "one of " + list + ", …";
    list += (list.empty() ? "" : ", ") + name;
  }
  return list.empty() ? "none, since none is configured" : "one of " + list;
}

void check_references(const std::vector<std::string>& names, const std::string& path, const Known& known,
                      const std::string& what, Checker& checker) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (known.contains(names[i]) || checker.full()) continue;
    const std::string at = value_path(path, i, checker);
    const std::string_view meant = nearest(names[i], known);
    const std::string hint = meant.empty() ? "" : ", did you mean `" + std::string(meant) + "`?";
    std::string message = checker.quoted(at, names[i]);
    message.append("is no ").append(what).append(hint).append("; expected ").append(listed(known));
    checker.at_value(at, std::move(message));
  }
}

void check_condition(const Condition& condition, const std::string& path, Checker& checker) {
  int given = 0;
  for (int op = 0; op <= static_cast<int>(last_operator); ++op)
    if (checker.given(child_path(path, operator_name(static_cast<Operator>(op))))) ++given;
  const std::string only = child_path(path, operator_name(condition.op));
  if (checker.given(only) && condition.values.empty())
    checker.at_value(only, "is empty; expected at least one value");
  if (given == 1) return;
  checker.at_value(path,
                   std::string(given == 0 ? "has no operator" : "has more than one operator") +
                       "; expected exactly one of eq, ne, in, not_in, gt, gte, lt, lte, exists and matches");
}

void check_queues(const Sink& sink, const std::string& path, Checker& checker) {
  Known names;
  for (std::size_t i = 0; i < sink.queues.size(); ++i) {
    const std::string at = item_path(path + ".queues", i) + ".name";
    if (sink.queues[i].name.starts_with("amq."))
      checker.at_value(at, "begins with amq., which is the broker's own; expected another name");
    if (!sink.queues[i].name.empty() && !names.insert(sink.queues[i].name).second)
      checker.at_value(at, "is a name used twice; expected a name of its own");
  }
  if (sink.requests && names.contains(sink.requests->queue))
    checker.at_value(path + ".requests.queue", "is also one of queues; expected a queue of its own");
}

}  // namespace

void check_sinks(const Config& config, Checker& checker) {
  for (const Sink& sink : config.sinks) {
    const std::string path = "sinks." + sink.name;
    if (sink.kind != SinkKind::rabbitmq) continue;
    if (checker.given(path + ".url") && sink.urls.empty())
      checker.at_value(path + ".url", "is empty; expected at least one URL");
    check_queues(sink, path, checker);
    const auto encrypted = [](const Secret& url) { return url.reveal().starts_with("amqps:"); };
    if (sink.tls != ClientTls{} && std::none_of(sink.urls.begin(), sink.urls.end(), encrypted))
      checker.warn(path + ".tls", "has no effect; expected a URL with amqps://");
    if (!sink.tls.verify) checker.warn(path + ".tls.verify", "accepts any certificate; expected true");
  }
}

void check_routes(const Config& config, Checker& checker) {
  if (!config.routes) return;
  Known sources{"bridge"};
  Known sinks;
  for (const Upstream& upstream : config.upstreams)
    sources.insert(upstream.name);
  for (const Sink& sink : config.sinks)
    sinks.insert(sink.name);
  for (std::size_t i = 0; i < config.routes->size(); ++i) {
    const Route& route = (*config.routes)[i];
    const std::string path = item_path("routes", i);
    check_references(route.match.source, path + ".match.source", sources, "upstream", checker);
    check_references(route.to, path + ".to", sinks, "sink", checker);
    if (checker.given(path + ".to") && route.to.empty() && !route.stop)
      checker.at_value(path + ".to", "is empty; expected a sink, or stop: true to drop what matches");
    for (std::size_t j = 0; j < route.match.where.size(); ++j)
      check_condition(route.match.where[j], item_path(path + ".match.where", j), checker);
  }
}

}  // namespace bridge55::config
