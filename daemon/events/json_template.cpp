#include "daemon/events/json_template.hpp"

#include "daemon/events/json.hpp"

#include <utility>

namespace bridge55::events {
namespace {

bool is_missing(std::string_view token) {
  return token.empty() || token == "null";
}

// Whether the string that ends at `end` names a member rather than being a value.
bool is_key(std::string_view json, std::size_t end) {
  end = json::detail::skip_space(json, end);
  return end < json.size() && json[end] == ':';
}

std::string shown(std::string_view token, TemplatePart::Case letter_case) {
  std::string text = is_missing(token) ? "_" : json::text(token);
  change_case(text, 0, letter_case);
  return text;
}

}  // namespace

void JsonTemplate::add_literal(std::string_view text) {
  if (text.empty()) return;
  if (parts_.empty() || !parts_.back().part.path.empty()) parts_.emplace_back();
  parts_.back().part.literal += text;
}

// One string value with its quotes; the error text is empty on success.
std::string JsonTemplate::add_string(std::string_view string) {
  auto parsed = parse_template(string.substr(1, string.size() - 2));
  if (auto* wrong = std::get_if<std::string>(&parsed)) return std::move(*wrong);
  auto& parts = std::get<std::vector<TemplatePart>>(parsed);
  const bool alone = parts.size() == 1 && !parts.front().path.empty();
  if (alone) {
    parts_.push_back({std::move(parts.front()), true});
    return {};
  }
  add_literal("\"");
  for (TemplatePart& part : parts) {
    if (part.path.empty()) {
      add_literal(part.literal);
    } else {
      parts_.push_back({std::move(part), false});
    }
  }
  add_literal("\"");
  return {};
}

std::variant<JsonTemplate, std::string> JsonTemplate::compile(std::string_view json) {
  if (const std::string_view wrong = json::validate_copy(json); !wrong.empty())
    return "not JSON: " + std::string(wrong);
  JsonTemplate result;
  for (std::size_t at = 0; at < json.size();) {
    const std::size_t quote = json.find('"', at);
    result.add_literal(json.substr(at, quote - at));
    if (quote == std::string_view::npos) break;
    const std::size_t end = json::detail::skip_value(json, quote);
    const std::string_view string = json.substr(quote, end - quote);
    if (is_key(json, end)) {
      result.add_literal(string);
    } else if (std::string wrong = result.add_string(string); !wrong.empty()) {
      return wrong;
    }
    at = end;
  }
  return result;
}

std::string JsonTemplate::render(
    const std::function<std::string_view(std::string_view name)>& raw_token_of) const {
  std::string out;
  for (const Part& part : parts_) {
    out += part.part.literal;
    if (part.part.path.empty()) continue;
    const std::string_view token = raw_token_of(part.part.path);
    const std::string text = shown(token, part.part.letter_case);
    if (!part.alone) {
      const std::string quoted = json::quoted(text);
      out.append(quoted, 1, quoted.size() - 2);
    } else if (is_missing(token) || part.part.letter_case != TemplatePart::Case::as_is) {
      json::append_quoted(out, text);
    } else {
      out += token;
    }
  }
  return out;
}

}  // namespace bridge55::events
