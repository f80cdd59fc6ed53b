#include "daemon/events/condition.hpp"

#include "daemon/events/json.hpp"

#include <algorithm>
#include <optional>

#include <re2/re2.h>

namespace bridge55::events {
namespace {

using config::Operator;

// What a value is compared as: the decoded text of a string, the bytes of anything else (`true`, `null`,
// `1.50`).
class ComparedText {
 public:
  explicit ComparedText(const FieldValue& value) : view_(value.token) {
    if (value.plain || !json::is_string(value.token)) return;
    view_ = value.token.substr(1, value.token.size() - 2);
    if (view_.find('\\') == std::string_view::npos) return;
    decoded_ = json::text(value.token);
    view_ = decoded_;
  }
  ComparedText(const ComparedText&) = delete;
  ComparedText& operator=(const ComparedText&) = delete;
  std::string_view view() const { return view_; }

 private:
  std::string decoded_;
  std::string_view view_;
};

bool is_text(const FieldValue& value) {
  return value.plain || json::is_string(value.token);
}
bool is_number(const FieldValue& value) {
  return !value.plain && json::is_number(value.token);
}

bool satisfies(Operator op, int order) {
  switch (op) {
    case Operator::gt:
      return order > 0;
    case Operator::gte:
      return order >= 0;
    case Operator::lt:
      return order < 0;
    case Operator::lte:
      return order <= 0;
    default:
      return false;
  }
}

std::shared_ptr<const re2::RE2> compile_pattern(const std::string& pattern) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(1 << 20);  // program and automaton together, a pattern
  return std::make_shared<const re2::RE2>(pattern, options);
}

std::string wrong_count(const config::Condition& condition) {
  const bool list = condition.op == Operator::in || condition.op == Operator::not_in;
  if (list) return condition.values.empty() ? "the list is empty; expected at least one value" : "";
  return condition.values.size() == 1 ? "" : "expected one value";
}

}  // namespace

std::variant<CompiledCondition, std::string> CompiledCondition::compile(const config::Condition& condition) {
  if (condition.field.empty()) return "the field is empty; expected a dotted path such as payload.userRef";
  if (std::string wrong = wrong_count(condition); !wrong.empty()) return condition.field + ": " + wrong;
  CompiledCondition compiled;
  compiled.field_ = condition.field;
  compiled.op_ = condition.op;
  compiled.operand_ = condition.values.front();
  compiled.operand_is_number_ = json::looks_like_number(compiled.operand_);
  compiled.texts_ = TextSet(condition.values);
  std::copy_if(condition.values.begin(), condition.values.end(), std::back_inserter(compiled.numbers_),
               json::looks_like_number);
  if (condition.op == Operator::exists && compiled.operand_ != "true" && compiled.operand_ != "false") {
    return condition.field + ": exists takes true or false, not `" + compiled.operand_ + "`";
  }
  if (condition.op == Operator::matches) {
    compiled.pattern_ = compile_pattern(compiled.operand_);
    if (!compiled.pattern_->ok())
      return condition.field + ": bad regular expression: " + compiled.pattern_->error();
  }
  return compiled;
}

bool CompiledCondition::is_one_of(const FieldValue& value) const {
  const ComparedText text(value);
  if (texts_.contains(text.view())) return true;
  return is_number(value) && std::any_of(numbers_.begin(), numbers_.end(), [&](const std::string& number) {
           return json::compare_numbers(value.token, number) == 0;
         });
}

// Digits are ordered by value in strings too (vendors send prices and ids as either), everything else as
// text; so times in ISO 8601 order.
bool CompiledCondition::ordered(const FieldValue& value) const {
  if (!is_text(value) && !is_number(value)) return false;
  const ComparedText text(value);
  const bool both_numbers = operand_is_number_ && json::looks_like_number(text.view());
  if (is_number(value) && !both_numbers) return false;
  return satisfies(
      op_, both_numbers ? json::compare_numbers(text.view(), operand_) : text.view().compare(operand_));
}

bool CompiledCondition::holds(const FieldValue& value) const {
  switch (op_) {
    case Operator::eq:
    case Operator::in:
      return value.present && is_one_of(value);
    case Operator::ne:
    case Operator::not_in:
      return !value.present || !is_one_of(value);
    case Operator::exists:
      return value.present == (operand_ == "true");
    case Operator::matches: {
      if (!value.present) return false;
      const ComparedText text(value);
      return re2::RE2::PartialMatch(re2::StringPiece(text.view().data(), text.view().size()), *pattern_);
    }
    default:
      return value.present && ordered(value);
  }
}

bool CompiledCondition::holds(const Event& event) const {
  std::string scratch;
  return holds(bridge55::events::field(event, field_, scratch));
}

}  // namespace bridge55::events
