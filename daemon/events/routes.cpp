#include "daemon/events/routes.hpp"

#include "daemon/events/filter.hpp"
#include "daemon/events/json.hpp"

#include <algorithm>
#include <utility>

namespace bridge55::events {
namespace {

constexpr std::size_t kLongestKey = 255;  // AMQP 0-9-1, 4.2.5.3: a short string

// A byte of a value that RabbitMQ would refuse in a routing key or read as part of the topic pattern.
bool breaks_key(char byte) {
  return static_cast<unsigned char>(byte) <= ' ' || byte == '.' || byte == '*' || byte == '#' ||
         byte == '\x7f';
}

// U+0080 to U+009F are control characters too: two bytes in UTF-8.
bool is_c1_control(std::string_view text, std::size_t at) {
  return text[at] == '\xC2' && at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) < 0xA0;
}

bool is_control(char byte) {
  return static_cast<unsigned char>(byte) < ' ' || byte == '\x7f';
}

void append_value(std::string& key, std::string_view value, bool (*breaks)(char) = breaks_key) {
  if (value.empty()) {
    key += '_';
    return;
  }
  for (std::size_t at = 0; at < value.size(); ++at) {
    if (is_c1_control(value, at)) {
      key += '_';
      ++at;
    } else {
      key += breaks(value[at]) ? '_' : value[at];
    }
  }
}

// What a remote broker's message was published with is a routing key already: its words stay words.
constexpr std::string_view kRemoteKey = "relay.routing_key";

void cut_to_limit(std::string& key) {
  if (key.size() <= kLongestKey) return;
  std::size_t end = kLongestKey;
  while (end > 0 && (static_cast<unsigned char>(key[end]) & 0xC0) == 0x80)
    --end;
  key.resize(end);
}

}  // namespace

std::variant<Template, std::string> Template::compile(std::string_view text) {
  auto parsed = parse_template(text);
  if (auto* wrong = std::get_if<std::string>(&parsed)) return std::move(*wrong);
  Template result;
  result.parts_ = std::get<std::vector<TemplatePart>>(std::move(parsed));
  return result;
}

std::string Template::routing_key(const Event& event) const {
  std::string key, scratch;
  for (const TemplatePart& part : parts_) {
    key += part.literal;
    if (part.path.empty()) continue;
    const std::size_t from = key.size();
    append_value(key, field(event, part.path, scratch).text(),
                 part.path == kRemoteKey ? is_control : breaks_key);
    change_case(key, from, part.letter_case);
    if (key.size() > kLongestKey) break;
  }
  cut_to_limit(key);
  return key;
}

std::string default_routing_key(const Event& event) {
  std::string key;
  key.reserve(event.source().size() + event.channel().size() + event.name().size() + 5);
  append_value(key, event.source());
  key += '.';
  append_value(key, event.channel());
  key += '.';
  const std::size_t name = key.size();
  append_value(key, event.name());
  change_case(key, name, TemplatePart::Case::lower);
  cut_to_limit(key);
  return key;
}

struct SinkRoutes::Compiled {
  struct Route {
    std::size_t position = 0;
    Filter filter;
    bool names_sink = false, stop = false;
    config::BodyMode body = config::BodyMode::envelope;
    std::optional<Template> routing_key, exchange;

    // Whether every event of this source ends here, for all routes behind.
    bool ends_source(std::string_view source) const {
      return stop && filter.only_sources() && filter.takes_source(source);
    }
  };
  std::vector<Route> routes;

  Target target(const Route& route, const Event& event) const {
    Target target;
    target.route = route.position;
    target.body = route.body;
    if (route.exchange) target.exchange = route.exchange->routing_key(event);
    target.routing_key =
        route.routing_key ? route.routing_key->routing_key(event) : default_routing_key(event);
    return target;
  }

  // The first route that can give the sink an event of this source (of any, where it is empty), or none.
  const Route* giver(std::string_view source) const {
    for (const Route& route : routes) {
      if (route.names_sink && (source.empty() || route.filter.takes_source(source))) return &route;
      if (!source.empty() && route.ends_source(source)) break;
    }
    return nullptr;
  }

  void add_gap(const Event& event, std::size_t plain_from, std::vector<Target>& out) const;
};

// Queues are bound to `bridge.gap.#`, so a gap must arrive under its own key even where routes that match it
// plainly chose others.
void SinkRoutes::Compiled::add_gap(const Event& event, std::size_t plain_from,
                                   std::vector<Target>& out) const {
  const Route* const route = giver(event.facts().about);
  if (route == nullptr) return;
  std::string key = default_routing_key(event);
  const bool there =
      std::any_of(out.begin() + static_cast<std::ptrdiff_t>(plain_from), out.end(),
                  [&](const Target& target) { return target.exchange.empty() && target.routing_key == key; });
  if (!there) out.push_back({route->position, {}, std::move(key), config::BodyMode::envelope});
}

namespace {

std::string place(std::size_t position, std::string_view what) {
  return "routes[" + std::to_string(position) + "]." + std::string(what);
}

// An empty text is no template; the error text is empty on success.
std::string compile_template(std::string_view text, std::optional<Template>& into) {
  if (text.empty()) return {};
  auto compiled = Template::compile(text);
  if (auto* wrong = std::get_if<std::string>(&compiled)) return std::move(*wrong);
  into = std::get<Template>(std::move(compiled));
  return {};
}

}  // namespace

std::variant<SinkRoutes, std::string> SinkRoutes::compile(
    const std::optional<std::vector<config::Route>>& routes, std::string_view sink) {
  SinkRoutes result;
  if (!routes) return result;
  auto compiled = std::make_shared<Compiled>();
  for (std::size_t position = 0; position < routes->size(); ++position) {
    const config::Route& given = (*routes)[position];
    const bool names_sink = std::find(given.to.begin(), given.to.end(), sink) != given.to.end();
    if (!names_sink && !given.stop) continue;
    Compiled::Route& route = compiled->routes.emplace_back();
    route.position = position;
    route.names_sink = names_sink;
    route.stop = given.stop;
    route.body = given.body;
    auto filter = Filter::compile(given.match);
    if (auto* wrong = std::get_if<std::string>(&filter)) return place(position, "match.where: ") + *wrong;
    route.filter = std::get<Filter>(std::move(filter));
    if (const auto wrong = compile_template(given.routing_key, route.routing_key); !wrong.empty()) {
      return place(position, "routing_key: ") + wrong;
    }
    if (const auto wrong = compile_template(given.exchange, route.exchange); !wrong.empty()) {
      return place(position, "exchange: ") + wrong;
    }
  }
  result.compiled_ = std::move(compiled);
  return result;
}

void SinkRoutes::targets(const Event& event, std::vector<Target>& out) const {
  if (!compiled_) {
    out.push_back({0, {}, default_routing_key(event), config::BodyMode::envelope});
    return;
  }
  const std::size_t from = out.size();
  for (const Compiled::Route& route : compiled_->routes) {
    if (!route.filter.matches_plainly(event)) continue;
    if (route.names_sink) out.push_back(compiled_->target(route, event));
    if (route.stop) break;
  }
  if (event.is_gap()) compiled_->add_gap(event, from, out);
}

}  // namespace bridge55::events
