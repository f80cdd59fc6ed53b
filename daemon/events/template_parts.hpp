// The placeholder syntax that routing keys and JSON templates share:
// `fills.{payload.orderCurrency}.{event|lower}`. Pure.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace bridge55::events {

struct TemplatePart {
  enum class Case { as_is, lower, upper };
  std::string literal, path;  // one of the two
  Case letter_case = Case::as_is;
};

// The parts in order, or what is wrong and what was expected.
std::variant<std::vector<TemplatePart>, std::string> parse_template(std::string_view text);

// ASCII letters from `from` on; other bytes, and so UTF-8, stay.
void change_case(std::string& text, std::size_t from, TemplatePart::Case letter_case);

}  // namespace bridge55::events
