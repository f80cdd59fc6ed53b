#include "config/describe.hpp"
#include "config/scalars.hpp"

#include <array>

namespace bridge55::config {
namespace {

struct Op {
  std::string_view name;
  Operator op;
  std::string_view help;
};

constexpr std::array<Op, 10> operators{
    {{"eq", Operator::eq, "Equal; numbers by value."},
     {"ne", Operator::ne, "Not equal."},
     {"in", Operator::in, "Equal to one of a list."},
     {"not_in", Operator::not_in, "Equal to none of a list."},
     {"gt", Operator::gt, "Greater than."},
     {"gte", Operator::gte, "Greater than or equal to."},
     {"lt", Operator::lt, "Less than."},
     {"lte", Operator::lte, "Less than or equal to."},
     {"exists", Operator::exists, "true: the field is there; false: it is not."},
     {"matches", Operator::matches, "Matches a regular expression of RE2."}}};

constexpr std::array<std::pair<std::string_view, BodyMode>, 3> bodies{
    {{"envelope", BodyMode::envelope}, {"payload", BodyMode::payload}, {"raw", BodyMode::raw}}};

bool takes_list(Operator op) {
  return op == Operator::in || op == Operator::not_in;
}

// One operator's value: taking it makes it the condition's operator.
Scalar value_of(Condition& condition, Operator op, std::size_t index) {
  const TextRule& rule = op == Operator::matches ? rules::regex : rules::any;
  Scalar out;
  out.nulls = true;
  out.expected = op == Operator::exists ? "true or false" : rule.expected;
  out.schema = op == Operator::exists    ? R"({"type":"boolean"})"
               : op == Operator::matches ? R"({"type":"string"})"
                                         : R"({"type":["string","number","boolean","null"]})";
  out.bare = op == Operator::exists;
  out.set = [&condition, op, index, rule](const std::string& text) -> std::string {
    if (op == Operator::exists && text != "true" && text != "false") return "is not a boolean";
    auto fault = rule.fault(text);
    condition.op = op;
    condition.values.resize(std::max(condition.values.size(), index + 1));
    condition.values[index] = text;
    return fault;
  };
  out.get = [&condition, op, index]() -> std::optional<std::string> {
    if (condition.op != op || index >= condition.values.size()) return std::nullopt;
    return condition.values[index];
  };
  return out;
}

Scalars values_of(Condition& condition, Operator op) {
  Scalars out;
  out.alone = true;
  out.present = [&condition, op] { return condition.op == op && !condition.values.empty(); };
  out.size = [&condition] { return condition.values.size(); };
  out.resize = [&condition, op](std::size_t n) {
    condition.op = op;
    condition.values.assign(n, "");
  };
  out.at = [&condition, op](std::size_t i) { return value_of(condition, op, i); };
  return out;
}

void describe_condition(Visitor& v, Condition& condition) {
  v.scalar({"field", "A dotted path into the envelope.", Need::always},
           text(condition.field, rules::envelope_path));
  for (const Op& op : operators) {
    if (takes_list(op.op)) v.scalars({op.name, op.help}, values_of(condition, op.op));
    if (!takes_list(op.op)) v.scalar({op.name, op.help}, value_of(condition, op.op, 0));
  }
}

void describe_match(Visitor& v, Match& match) {
  v.scalars({"source", "Names of upstreams, or bridge."}, one_or_more_texts(match.source, rules::word));
  v.scalars({"channel", "As the vendor sends it."}, one_or_more_texts(match.channel, rules::word));
  v.scalars({"event", "As the vendor sends it."}, one_or_more_texts(match.event, rules::word));
  v.scalars({"key", "Identity of the thing in the payload."}, one_or_more_texts(match.key, rules::not_empty));
  v.sections({"where", "Conditions that must all hold."},
             list_of<Condition>(match.where, describe_condition));
}

}  // namespace

std::string_view operator_name(Operator op) {
  const auto found =
      std::find_if(operators.begin(), operators.end(), [op](const Op& row) { return row.op == op; });
  return found == operators.end() ? std::string_view{} : found->name;
}

void describe(Visitor& v, Route& route) {
  v.section({"match", "Which events; empty: all of them."},
            [&](Visitor& m) { describe_match(m, route.match); });
  v.scalar({"stop", "Ends the list for an event that matches."}, boolean(route.stop));
  v.scalars({"to", "Sinks by name; may be left out with stop: true.", route.stop ? Need::none : Need::here},
            one_or_more_texts(route.to, rules::word));
  v.scalar({"routing_key", "Template. Default: {source}.{channel}.{event|lower}."},
           text_or_none(route.routing_key, rules::message_template));
  v.scalar({"exchange", "Template. Default: the sink's exchange."},
           text_or_none(route.exchange, rules::message_template));
  v.scalar({"body", "The envelope, the payload alone or the whole upstream frame."},
           choice<BodyMode>(route.body, bodies));
}

}  // namespace bridge55::config
