#include "config/reading.hpp"

#include <algorithm>
#include <tuple>

namespace bridge55::config {
namespace {

std::vector<Error> sorted(std::vector<Error> errors) {
  std::stable_sort(errors.begin(), errors.end(), [](const Error& a, const Error& b) {
    return std::tie(a.line, a.column) < std::tie(b.line, b.column);
  });
  return errors;
}

}  // namespace

Error Reading::make(Position at, std::string_view path, std::string message) const {
  return {file_, at.line, at.column, path.empty() ? "document" : std::string(path), std::move(message)};
}

void Reading::error(Position at, std::string_view path, std::string message) {
  if (errors_.size() == max_errors)
    message = "has more errors than are told; expected fewer than " + std::to_string(max_errors);
  if (errors_.size() <= max_errors) errors_.push_back(make(at, path, std::move(message)));
}

void Reading::warning(Position at, std::string_view path, std::string message) {
  if (warnings_.size() < max_errors) warnings_.push_back(make(at, path, std::move(message)));
}

bool Reading::has_error(std::string_view path) const {
  return std::any_of(errors_.begin(), errors_.end(), [path](const Error& error) {
    if (!error.key_path.starts_with(path)) return false;
    return error.key_path.size() == path.size() || error.key_path[path.size()] == '.' ||
           error.key_path[path.size()] == '[';
  });
}

std::vector<Error> Reading::take_errors() {
  return sorted(std::move(errors_));
}
std::vector<Error> Reading::take_warnings() {
  return sorted(std::move(warnings_));
}

const Place* Reading::find(const std::string& path) const {
  const auto found = places_.find(path);
  return found == places_.end() ? nullptr : &found->second;
}

std::string printable(std::string_view text) {
  constexpr std::size_t limit = 60;
  std::string out;
  for (const char c : text.substr(0, limit)) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7F || c == '`' ? '?' : c;
  }
  if (text.size() <= limit) return out;
  while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0xC0) == 0x80)
    out.pop_back();
  if (!out.empty() && static_cast<unsigned char>(out.back()) >= 0xC0) out.pop_back();
  return out + "…";
}

std::string child_path(const std::string& parent, std::string_view key) {
  return parent.empty() ? std::string(key) : parent + "." + std::string(key);
}

std::string item_path(const std::string& parent, std::size_t index) {
  return parent + "[" + std::to_string(index) + "]";
}

}  // namespace bridge55::config
