#include "config/json_text.hpp"

#include "config/expand.hpp"

#include <algorithm>
#include <array>
#include <set>

namespace bridge55::config {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::size_t digits(std::string_view text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size() && is_digit(text[end]))
    ++end;
  return end - at;
}

// RFC 8259, section 6.
bool is_json_number(std::string_view text) {
  std::size_t at = text.starts_with('-') ? 1 : 0;
  const std::size_t whole = digits(text, at);
  if (whole == 0 || (whole > 1 && text[at] == '0')) return false;
  at += whole;
  if (at < text.size() && text[at] == '.') {
    const std::size_t fraction = digits(text, at + 1);
    if (fraction == 0) return false;
    at += 1 + fraction;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    const std::size_t exponent = digits(text, at);
    if (exponent == 0) return false;
    at += exponent;
  }
  return at == text.size();
}

std::string scalar_of(const TreeNode& node, const std::string& path, Reading& reading) {
  const Expanded value = expand(node.text, reading.environment());
  if (!value.error.empty()) reading.error(node.at, path, value.error);
  const bool word = value.text == "true" || value.text == "false";
  const bool bare = node.plain && !value.from_outside && (word || is_json_number(value.text));
  return bare ? value.text : json_string(value.text);
}

std::string list_of(const TreeNode& node, const std::string& path, Reading& reading) {
  std::string out = "[";
  for (std::size_t i = 0; i < node.items.size(); ++i)
    out += (i == 0 ? "" : ",") + json_of(node.items[i], item_path(path, i), reading);
  return out + "]";
}

std::string mapping_of(const TreeNode& node, const std::string& path, Reading& reading) {
  std::string out = "{";
  std::set<std::string_view> seen;
  for (const Entry& entry : node.entries) {
    const std::string name = child_path(path, printable(entry.key));
    if (!seen.insert(entry.key).second)
      reading.error(entry.at, name, "is given twice; expected each key once");
    out += (out.size() == 1 ? "" : ",") + json_string(entry.key) + ":" + json_of(entry.value, name, reading);
  }
  return out + "}";
}

bool harmless(std::string_view member) {
  constexpr std::array<std::string_view, 9> members{"type",   "op",      "action",   "method", "event",
                                                    "events", "channel", "channels", "id"};
  return std::find(members.begin(), members.end(), member) != members.end();
}

// The end of the string that opens at `at`, its closing quote included.
std::size_t string_end(std::string_view json, std::size_t at) {
  for (std::size_t i = at + 1; i < json.size(); ++i) {
    if (json[i] == '\\') {
      ++i;
    } else if (json[i] == '"') {
      return i + 1;
    }
  }
  return json.size();
}

}  // namespace

std::string json_of(const TreeNode& node, const std::string& path, Reading& reading) {
  switch (node.kind) {
    case TreeNode::Kind::null:
      return "null";
    case TreeNode::Kind::scalar:
      return scalar_of(node, path, reading);
    case TreeNode::Kind::list:
      return list_of(node, path, reading);
    case TreeNode::Kind::mapping:
      return mapping_of(node, path, reading);
  }
  return "null";
}

std::string json_string(std::string_view text) {
  constexpr std::string_view hex = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) {
      out += std::string("\\u00") + hex[byte >> 4] + hex[byte & 15U];
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out + "\"";
}

std::string without_expansion(std::string text) {
  for (std::size_t at = text.find("${"); at != std::string::npos; at = text.find("${", at + 3))
    text.insert(at, "$");
  return text;
}

std::string shown_json(std::string_view json) {
  std::string out;
  std::string member;  // the nearest one before the value at hand
  for (std::size_t at = 0; at < json.size();) {
    if (json[at] != '"') {
      out += json[at];
      if (json[at] == ':' || json[at] == ',') out += ' ';
      ++at;
      continue;
    }
    const std::size_t end = string_end(json, at);
    const std::string_view quoted = json.substr(at, end - at);
    const std::string_view inside = quoted.substr(1, quoted.size() - 2);
    const bool is_member = end < json.size() && json[end] == ':';
    const bool is_template = inside.starts_with('{') && inside.ends_with('}');
    const bool visible = is_member || inside.empty() || is_template || harmless(member);
    if (is_member) member = inside;
    const std::string shown = visible ? std::string(quoted) : "\"***\"";
    out += is_member ? shown : without_expansion(shown);
    at = end;
  }
  return out;
}

}  // namespace bridge55::config
