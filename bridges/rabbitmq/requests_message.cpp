#include "bridges/rabbitmq/requests_message.hpp"

#include "daemon/events/json.hpp"
#include "daemon/local/text.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include <openssl/sha.h>

namespace bridge55::rabbitmq {
namespace {

using local::InnerRequest;
using local::Refusal;
using Headers = std::vector<std::pair<std::string, std::string>>;

// What a client library puts into its headers about its own connection: made anew here.
constexpr std::array<std::string_view, 5> kOfTheirConnection = {"host", "content-length", "connection",
                                                                "keep-alive", "proxy-connection"};

Refusal unusable(std::string message) {
  return {422, "BAD_REQUEST", std::move(message), {}, {}};
}

bool is(std::string_view name, std::string_view other) {
  return local::same_ignoring_case(name, other);
}

bool is_array(std::string_view token) {
  return token.starts_with('[');
}

// False where it is neither a text nor a number.
bool add_header(Headers& headers, const std::string& name, std::string_view value) {
  if (!json::is_string(value) && !json::is_number(value)) return false;
  headers.emplace_back(name, json::text(value));
  return true;
}

std::optional<Refusal> read_headers(std::string_view token, Headers& headers) {
  if (token == "null") return {};
  std::optional<Refusal> fault;
  const bool object = json::members(token, [&](std::string_view key, std::string_view value) {
    const std::string name = json::text('"' + std::string(key) + '"');
    const bool theirs = std::any_of(kOfTheirConnection.begin(), kOfTheirConnection.end(),
                                    [&](std::string_view one) { return is(one, name); });
    if (theirs) return true;
    bool good = true;
    if (is_array(value)) {
      json::elements(value, [&](std::string_view one) { return good = add_header(headers, name, one); });
    } else {
      good = add_header(headers, name, value);
    }
    if (!good) fault = unusable("headers." + name + ": expected a text");
    return good;
  });
  if (!object) return unusable("headers: expected an object of texts");
  return fault;
}

std::optional<Refusal> read_text(std::string_view member, std::string_view token, std::string& into) {
  if (!json::is_string(token)) return unusable(std::string(member) + ": expected a text");
  into = json::text(token);
  return {};
}

std::optional<Refusal> read_member(std::string_view name, std::string_view token, InnerRequest& request) {
  if (name == "method") return read_text(name, token, request.method);
  if (name == "path") return read_text(name, token, request.path);
  if (name == "headers") return read_headers(token, request.headers);
  if (token != "null") request.body = json::is_string(token) ? json::text(token) : std::string(token);
  return {};
}

bool has_header(const Headers& headers, std::string_view name) {
  return std::any_of(headers.begin(), headers.end(), [&](const auto& one) { return is(one.first, name); });
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

void append_headers(std::string& out, const Headers& headers) {
  std::vector<bool> said(headers.size());
  bool first = true;
  for (std::size_t i = 0; i < headers.size(); ++i) {
    if (said[i]) continue;
    std::vector<std::size_t> same;
    for (std::size_t j = i; j < headers.size(); ++j) {
      if (is(headers[j].first, headers[i].first)) same.push_back(j);
    }
    if (!std::exchange(first, false)) out += ',';
    json::append_quoted(out, headers[i].first);
    out += same.size() > 1 ? ":[" : ":";
    for (const std::size_t at : same) {
      if (at != i) out += ',';
      said[at] = true;
      json::append_quoted(out, headers[at].second);
    }
    if (same.size() > 1) out += ']';
  }
}

}  // namespace

std::variant<InnerRequest, Refusal> read_request(std::string_view message) {
  if (const std::string_view why = json::validate_copy(message); !why.empty())
    return local::bad_request("the message is not JSON: " + std::string(why));
  constexpr std::array<std::string_view, 4> kMembers = {"method", "path", "headers", "body"};
  InnerRequest request;
  std::optional<Refusal> fault;
  std::array<bool, kMembers.size()> seen{};
  const bool object = json::members(message, [&](std::string_view key, std::string_view value) {
    std::size_t at = 0;
    while (at < kMembers.size() && !json::same_name(key, kMembers[at]))
      ++at;
    if (at == kMembers.size()) {
      fault = unusable("`" + std::string(key) +
                       "` is no member of a request; expected method, path, headers, body");
    } else if (std::exchange(seen[at], true)) {
      fault = unusable(std::string(kMembers[at]) + ": there twice");
    } else {
      fault = read_member(kMembers[at], value, request);
    }
    return !fault;
  });
  if (!object) return local::bad_request("the message is not an object with method, path, headers and body");
  if (fault) return std::move(*fault);
  if (!request.path.starts_with('/'))
    return unusable("path: expected a path of this daemon, from `/`, such as /abp/orders");
  // A JSON text without a type would not be read as JSON by every server.
  if (request.body && !has_header(request.headers, "content-type") &&
      json::validate_copy(*request.body).empty())
    request.headers.emplace_back("Content-Type", "application/json");
  return request;
}

std::uint64_t print_of(const InnerRequest& request) {
  std::string all;
  const std::string_view body = request.body ? std::string_view(*request.body) : std::string_view();
  for (const std::string_view part : {std::string_view(request.method), std::string_view(request.path), body})
    all.append(std::to_string(part.size())).append(":").append(part);
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(all.data()), all.size(), digest.data());
  std::uint64_t print = 0;
  std::memcpy(&print, digest.data(), sizeof print);
  return print;
}

std::string reply_text(const local::InnerAnswer& answer) {
  std::string out = R"({"status":)" + std::to_string(answer.status) + R"(,"headers":{)";
  append_headers(out, answer.headers);
  out += R"(},"body":)";
  const std::string_view json_text = trimmed(answer.body);
  if (!json_text.empty() && json::validate_copy(json_text).empty()) return out.append(json_text) + '}';
  std::string quoted = json::quoted(answer.body);
  // Where something had to be replaced it was no UTF-8.
  if (json::text(quoted) == answer.body) return out + quoted + '}';
  return out + '"' + json::base64(answer.body) + R"(","encoding":"base64"})";
}

}  // namespace bridge55::rabbitmq
