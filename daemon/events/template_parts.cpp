#include "daemon/events/template_parts.hpp"

#include <algorithm>

namespace bridge55::events {
namespace {

using Parsed = std::variant<std::vector<TemplatePart>, std::string>;

bool is_path_byte(char byte) {
  return byte != '{' && byte != '}' && byte != '"' && byte != '|' && static_cast<unsigned char>(byte) > ' ';
}

bool is_path(std::string_view path) {
  return !path.empty() && path.front() != '.' && path.back() != '.' &&
         path.find("..") == std::string_view::npos && std::all_of(path.begin(), path.end(), is_path_byte);
}

// What stands between the braces; the error text is empty on success.
std::string parse_placeholder(std::string_view inner, TemplatePart& part) {
  const std::size_t bar = inner.find('|');
  part.path = inner.substr(0, bar);
  if (!is_path(part.path))
    return "`{" + std::string(inner) + "}` names no field; expected a dotted path such as {payload.userRef}";
  if (bar == std::string_view::npos) return {};
  const std::string_view change = inner.substr(bar + 1);
  if (change != "lower" && change != "upper")
    return "`|" + std::string(change) + "` is unknown; expected |lower or |upper";
  part.letter_case = change == "lower" ? TemplatePart::Case::lower : TemplatePart::Case::upper;
  return {};
}

}  // namespace

Parsed parse_template(std::string_view text) {
  std::vector<TemplatePart> parts;
  while (!text.empty()) {
    const std::size_t brace = text.find_first_of("{}");
    if (brace != 0) {
      parts.emplace_back().literal = text.substr(0, brace);
      text.remove_prefix(std::min(brace, text.size()));
      continue;
    }
    if (text.front() == '}') return "a } closes nothing; expected {field}";
    const std::size_t close = text.find('}');
    if (close == std::string_view::npos) return "a { is never closed; expected {field}";
    if (std::string wrong = parse_placeholder(text.substr(1, close - 1), parts.emplace_back());
        !wrong.empty())
      return wrong;
    text.remove_prefix(close + 1);
  }
  return parts;
}

void change_case(std::string& text, std::size_t from, TemplatePart::Case letter_case) {
  if (letter_case == TemplatePart::Case::as_is) return;
  const char first = letter_case == TemplatePart::Case::lower ? 'A' : 'a';
  for (std::size_t i = from; i < text.size(); ++i) {
    if (text[i] >= first && text[i] <= first + 25) text[i] = static_cast<char>(text[i] ^ 0x20);
  }
}

}  // namespace bridge55::events
