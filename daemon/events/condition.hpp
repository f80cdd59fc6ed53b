// One compiled `where` condition. Internal to daemon/events; immutable, so any thread may ask.
#pragma once

#include "config/config.hpp"
#include "daemon/events/event.hpp"
#include "daemon/events/filter.hpp"
#include "daemon/events/text_set.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace re2 {
class RE2;
}

namespace bridge55::events {

class CompiledCondition {
 public:
  // The condition, or what is wrong with it and what was expected.
  static std::variant<CompiledCondition, std::string> compile(const config::Condition& condition);
  bool holds(const Event& event) const;

 private:
  bool is_one_of(const FieldValue& value) const;
  bool ordered(const FieldValue& value) const;
  bool holds(const FieldValue& value) const;

  std::string field_;
  config::Operator op_ = config::Operator::eq;
  std::string operand_;  // the first value
  bool operand_is_number_ = false;
  TextSet texts_;                     // all values
  std::vector<std::string> numbers_;  // those that look like JSON numbers
  std::shared_ptr<const re2::RE2> pattern_;
};

}  // namespace bridge55::events
