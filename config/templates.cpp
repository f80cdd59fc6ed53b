#include "config/templates.hpp"

#include "config/units.hpp"

#include <algorithm>
#include <array>

namespace bridge55::config {
namespace {

constexpr std::array<std::string_view, 15> envelope_members{
    "id",      "message_id", "source",    "channel",  "event", "key",      "received_at", "upstream",
    "payload", "old",        "recovered", "encoding", "relay", "snapshot", "reason"};
constexpr std::array<std::string_view, 2> filters{"lower", "upper"};

std::string field_fault(std::string_view inside) {
  const std::size_t bar = inside.find('|');
  if (auto fault = envelope_path_fault(inside.substr(0, bar)); !fault.empty())
    return "has a field that " + fault;
  if (bar == std::string_view::npos) return "";
  const std::string_view filter = inside.substr(bar + 1);
  return std::find(filters.begin(), filters.end(), filter) == filters.end()
             ? "has a filter that is neither |lower nor |upper"
             : "";
}

}  // namespace

std::string path_fault(std::string_view path) {
  if (path.empty()) return "is empty";
  if (has_control(path) || path.find_first_of(" {}|") != std::string_view::npos)
    return "holds a character that no path may hold";
  if (path.front() == '.' || path.back() == '.' || path.find("..") != std::string_view::npos)
    return "has an empty segment";
  return "";
}

std::string envelope_path_fault(std::string_view path) {
  if (auto fault = path_fault(path); !fault.empty()) return fault;
  const std::string_view first = path.substr(0, path.find('.'));
  const bool known =
      std::find(envelope_members.begin(), envelope_members.end(), first) != envelope_members.end();
  return known ? "" : "does not begin with a member of the envelope";
}

std::string template_fault(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t brace = text.find_first_of("{}", at);
    if (brace == std::string_view::npos) return "";
    if (text[brace] == '}') return "has a `}` without a `{` before it";
    const std::size_t close = text.find_first_of("{}", brace + 1);
    if (close == std::string_view::npos || text[close] == '{') return "has a `{` that is never closed";
    if (auto fault = field_fault(text.substr(brace + 1, close - brace - 1)); !fault.empty()) return fault;
    at = close + 1;
  }
  return "";
}

}  // namespace bridge55::config
