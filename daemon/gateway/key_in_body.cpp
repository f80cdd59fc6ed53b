#include "daemon/gateway/key_in_body.hpp"

#include "daemon/events/json.hpp"

namespace bridge55::gateway {

std::string put_key(std::string& body, std::string_view key) {
  const std::string_view fault = json::validate_copy(body);
  if (!fault.empty()) return "the body is not valid JSON: " + std::string(fault);
  std::string out = R"({"apiKey":)" + json::quoted(key);
  const bool object = json::members(body, [&](std::string_view name, std::string_view value) {
    if (json::same_name(name, "apiKey") || json::same_name(name, "key")) return true;
    out.append(",\"").append(name).append("\":").append(value);
    return true;
  });
  if (!object) return "the body must be a JSON object";
  body = std::move(out) + '}';
  return {};
}

}  // namespace bridge55::gateway
