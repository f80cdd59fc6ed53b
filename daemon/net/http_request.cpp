#include "daemon/net/http_request.hpp"

#include "daemon/net/http_text.hpp"

#include <algorithm>
#include <array>

namespace bridge55::net {
namespace {

// What this builder alone decides: who is asked, where the body ends, how long the connection lives.
constexpr std::array<std::string_view, 10> kOurs = {
    "host", "content-length", "transfer-encoding", "connection", "keep-alive", "proxy-connection",
    "te",   "trailer",        "upgrade",           "expect"};

bool is_ours(std::string_view name) {
  return std::ranges::any_of(kOurs, [&](std::string_view one) { return same_name(one, name); });
}

// Visible ASCII without a fragment (RFC 9112, section 3.2.1).
bool is_target(std::string_view target) {
  return target.starts_with('/') &&
         std::ranges::all_of(target, [](char c) { return c > 0x20 && c < 0x7f && c != '#'; });
}

std::string_view refusal(const HttpRequest& request) {
  if (!is_token(request.method) || request.method == "CONNECT") return "the method cannot be sent";
  if (!is_target(request.target)) return "the target cannot be sent";
  if (request.host.empty() || !std::ranges::all_of(request.host, [](char c) { return c > 0x20 && c < 0x7f; }))
    return "the host cannot be sent";
  if (request.chunked && request.content_length) return "a body is chunked or has a length, not both";
  for (const auto& [name, value] : request.fields) {
    if (!is_token(name)) return "a field's name is not a token";
    if (!is_field_value(value)) return "a field's value has a control character";
    if (is_ours(name)) return "a field that the client itself decides";
  }
  return {};
}

}  // namespace

std::string_view build_request(const HttpRequest& request, BuiltRequest& out) {
  out.head.clear();
  if (const auto why = refusal(request); !why.empty()) return why;
  const auto add = [&out](std::initializer_list<std::string_view> parts) {
    for (const auto part : parts)
      out.head.append(part);
  };
  add({request.method, " ", request.target, " HTTP/1.1\r\nHost: ", request.host, "\r\n"});
  for (const auto& [name, value] : request.fields)
    add({name, ": ", value, "\r\n"});
  if (request.chunked) add({"Transfer-Encoding: chunked\r\n"});
  if (request.content_length) add({"Content-Length: ", std::to_string(*request.content_length), "\r\n"});
  add({"\r\n"});
  out.length = request.content_length.value_or(0);
  out.chunked = request.chunked;
  out.to_head = request.method == "HEAD";
  return {};
}

}  // namespace bridge55::net
