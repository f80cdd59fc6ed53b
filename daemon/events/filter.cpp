#include "daemon/events/filter.hpp"

#include "daemon/events/condition.hpp"
#include "daemon/events/text_set.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace bridge55::events {
namespace {

using config::Operator;

constexpr std::array<std::pair<std::string_view, Operator>, 10> kOperators{{{"eq", Operator::eq},
                                                                            {"ne", Operator::ne},
                                                                            {"in", Operator::in},
                                                                            {"not_in", Operator::not_in},
                                                                            {"gt", Operator::gt},
                                                                            {"gte", Operator::gte},
                                                                            {"lt", Operator::lt},
                                                                            {"lte", Operator::lte},
                                                                            {"exists", Operator::exists},
                                                                            {"matches", Operator::matches}}};

std::vector<std::string> split_by_comma(std::string_view list) {
  std::vector<std::string> parts;
  for (std::size_t comma = 0; comma != std::string_view::npos;) {
    comma = list.find(',');
    parts.emplace_back(list.substr(0, comma));
    if (comma != std::string_view::npos) list.remove_prefix(comma + 1);
  }
  return parts;
}

}  // namespace

struct Filter::Compiled {
  TextSet sources, channels, events, keys;
  std::vector<CompiledCondition> where;

  bool plainly(const Event& event) const {
    return sources.admits(event.source()) && channels.admits(event.channel()) &&
           events.admits(event.name()) && keys.admits(event.key()) &&
           std::all_of(where.begin(), where.end(),
                       [&](const CompiledCondition& condition) { return condition.holds(event); });
  }
};

std::variant<Filter, std::string> Filter::compile(const config::Match& match) {
  Filter filter;
  filter.everything_ = match == config::Match{};
  if (filter.everything_) return filter;
  auto compiled = std::make_shared<Compiled>();
  compiled->sources = TextSet(match.source);
  compiled->channels = TextSet(match.channel);
  compiled->events = TextSet(match.event);
  compiled->keys = TextSet(match.key);
  for (const config::Condition& condition : match.where) {
    auto result = CompiledCondition::compile(condition);
    if (auto* wrong = std::get_if<std::string>(&result)) return std::move(*wrong);
    compiled->where.push_back(std::get<CompiledCondition>(std::move(result)));
  }
  filter.compiled_ = std::move(compiled);
  return filter;
}

std::variant<config::Condition, std::string> Filter::parse_where(std::string_view text) {
  const std::size_t first = text.find(':');
  if (first == std::string_view::npos || first == 0) {
    return "`" + std::string(text) + "` is no condition; expected field:operator:value";
  }
  const std::size_t second = text.find(':', first + 1);
  const std::string_view name =
      text.substr(first + 1, second == std::string_view::npos ? second : second - first - 1);
  const auto known = std::find_if(kOperators.begin(), kOperators.end(),
                                  [&](const auto& entry) { return entry.first == name; });
  if (known == kOperators.end()) {
    return "`" + std::string(name) +
           "` is no operator; expected eq, ne, in, not_in, gt, gte, lt, lte, exists or matches";
  }
  const bool has_value = second != std::string_view::npos;
  if (!has_value && known->second != Operator::exists) {
    return "`" + std::string(text) + "` lacks its value; expected field:operator:value";
  }
  const std::string_view value = has_value ? text.substr(second + 1) : "true";
  config::Condition condition{std::string(text.substr(0, first)), known->second, {}};
  const bool list = known->second == Operator::in || known->second == Operator::not_in;
  condition.values = list ? split_by_comma(value) : std::vector<std::string>{std::string(value)};
  auto checked = CompiledCondition::compile(condition);
  if (auto* wrong = std::get_if<std::string>(&checked)) return std::move(*wrong);
  return condition;
}

bool Filter::takes_source(std::string_view source) const {
  return everything_ || compiled_->sources.admits(source);
}

bool Filter::matches_plainly(const Event& event) const {
  return everything_ || compiled_->plainly(event);
}

bool Filter::only_sources() const {
  return everything_ || (compiled_->channels.empty() && compiled_->events.empty() &&
                         compiled_->keys.empty() && compiled_->where.empty());
}

bool Filter::matches(const Event& event) const {
  if (everything_) return true;
  // A gap of nothing in particular (a start after a crash, say) concerns every stream.
  if (event.is_gap() && (event.facts().about.empty() || takes_source(event.facts().about))) return true;
  return compiled_->plainly(event);
}

}  // namespace bridge55::events
