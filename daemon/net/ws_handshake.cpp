#include "daemon/net/ws_handshake.hpp"

#include <algorithm>
#include <cstring>

#include <boost/asio/error.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/rfc7230.hpp>

namespace bridge55::net {
namespace {

namespace http = boost::beast::http;

constexpr std::size_t kMaxHead = 16u << 10;
constexpr std::size_t kMaxBody = 4u << 10;

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) || std::strchr("!#$%&'*+-.^_`|~", c) != nullptr;
  });
}

bool is_clean(std::string_view text, unsigned char lowest) {
  return std::all_of(text.begin(), text.end(),
                     [lowest](unsigned char c) { return c >= lowest && c != 0x7F; });
}

using Response = http::response_parser<http::empty_body>;

// RFC 6455, 4.1: what a client checks before it believes in the upgrade.
std::string_view objection(const Response::value_type& response, std::string_view key) {
  if (!boost::beast::iequals(response[http::field::upgrade], "websocket"))
    return "answer without Upgrade: websocket";
  if (!http::token_list(response[http::field::connection]).exists("upgrade"))
    return "answer without Connection: Upgrade";
  if (response.count(http::field::sec_websocket_accept) != 1 ||
      response[http::field::sec_websocket_accept] != ws::accept_value(key)) {
    return "wrong Sec-WebSocket-Accept";
  }
  if (response.count(http::field::sec_websocket_extensions) != 0) return "an extension that was not offered";
  return {};
}

}  // namespace

std::string_view check(const Upgrade& upgrade) {
  if (upgrade.host.empty() || !is_clean(upgrade.host, 0x21)) return "Host";
  if (!upgrade.target.starts_with('/') || !is_clean(upgrade.target, 0x21)) return "target";
  for (const auto& [name, value] : upgrade.headers) {
    if (!is_token(name) || !is_clean(value, 0x20)) return "header";
  }
  return {};
}

std::string upgrade_request(const Upgrade& upgrade, std::string_view key) {
  std::string text =
      "GET " + upgrade.target + " HTTP/1.1\r\nHost: " + upgrade.host +
      "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ";
  text.append(key).append("\r\n");
  for (const auto& [name, value] : upgrade.headers)
    text.append(name).append(": ").append(value).append("\r\n");
  return text.append("\r\n");
}

UpgradeAnswer judge(std::string_view head, std::string_view key) {
  UpgradeAnswer answer;
  try {
    Response parser;
    parser.header_limit(kMaxHead);
    parser.skip(true);
    error_code error;
    parser.put(boost::asio::buffer(head.data(), head.size()), error);
    if (error || !parser.is_header_done()) {
      answer.trouble = "answer is not HTTP: " + error.message();
      return answer;
    }
    const auto& response = parser.get();
    answer.status = response.result_int();
    if (answer.status == 101) {
      answer.trouble = objection(response, key);
      answer.subprotocol = response[http::field::sec_websocket_protocol];
    } else {
      answer.trouble = "answered " + std::to_string(answer.status);
      answer.retry_after = response[http::field::retry_after];
    }
  } catch (const std::exception& fault) {  // Beast throws length_error out of huge fields
    answer.trouble = std::string("answer cannot be read: ") + fault.what();
  }
  return answer;
}

awaitable<UpgradeAnswer> upgrade(Stream& stream, Upgrade request, ws::FrameReader& reader,
                                 SteadyTime deadline) {
  UpgradeAnswer answer;
  if (const std::string_view wrong = check(request); !wrong.empty()) {
    answer.trouble = "the upgrade request has an impossible " + std::string(wrong);
    co_return answer;
  }
  const std::string key = ws::fresh_key();
  const std::string text = upgrade_request(request, key);
  answer.error = co_await stream.write_all(text, deadline);
  std::string head;
  std::size_t end = std::string::npos;
  while (!answer.error && end == std::string::npos) {
    const std::size_t before = head.size();
    head.resize(before + 4096);
    const std::span<char> room(head.data() + before, 4096);
    const Transfer transfer = co_await stream.read_some(room, deadline);
    head.resize(before + transfer.bytes);
    answer.error = transfer.error;
    end = head.find("\r\n\r\n", before < 3 ? 0 : before - 3);
    if (end == std::string::npos && head.size() > kMaxHead) {
      answer.trouble = "answer has an endless head";
      co_return answer;
    }
  }
  if (answer.error) co_return answer;
  answer = judge(std::string_view(head).substr(0, end + 4), key);
  const std::string_view beyond = std::string_view(head).substr(end + 4);
  if (!answer.upgraded()) {
    answer.body = beyond.substr(0, kMaxBody);
  } else if (!beyond.empty()) {
    std::ranges::copy(beyond, reader.prepare(beyond.size()).begin());
    reader.commit(beyond.size());
  }
  co_return answer;
}

}  // namespace bridge55::net
