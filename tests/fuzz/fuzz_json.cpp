// Any bytes: the fast path and the strict check agree, and what passed can be cut to the last byte.
#include "daemon/events/json.hpp"
#include "daemon/events/json_check.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

namespace json = bridge55::json;

void require(bool holds) {
  if (!holds) std::abort();
}

// Every part of a valid text is valid by itself, and a string survives decoding and quoting.
void take_apart(std::string_view value) {
  require(json::detail::check(value).empty());
  if (json::is_number(value))
    require(json::looks_like_number(value) && json::compare_numbers(value, value) == 0);
  if (json::is_string(value)) {
    const std::string text = json::text(value);
    require(json::text(json::quoted(text)) == text);
  }
  json::elements(value, [](std::string_view element) {
    require(json::detail::check(element).empty());
    return true;
  });
  json::members(value, [value](std::string_view key, std::string_view member) {
    require(json::detail::check(member).empty());
    const std::string name = json::text("\"" + std::string(key) + "\"");
    if (!name.empty() && name.find('.') == std::string::npos) require(!json::find(value, name).empty());
    return true;
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const bool valid = json::validate_copy(bytes).empty();
  require(json::validate_copy(json::quoted(bytes)).empty());
  if (!valid) return 0;
  require(json::detail::check(bytes).empty());
  const std::size_t end = json::detail::skip_value(bytes, 0);
  require(json::detail::skip_space(bytes, end) == bytes.size());
  take_apart(json::find(bytes, ""));
  return 0;
}
