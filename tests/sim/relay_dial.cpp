#include "tests/sim/relay_dial.hpp"

#include "tests/sim/frames.hpp"

#include <algorithm>
#include <strings.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

namespace bridge55::sim {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::size_t kReadSize = 16384;
constexpr std::uint32_t kHeadLimit = 65536;

asio::ssl::context& client_tls() {
  static asio::ssl::context context = [] {
    asio::ssl::context made(asio::ssl::context::tls_client);
    made.set_verify_mode(asio::ssl::verify_none);
    return made;
  }();
  return context;
}

/// As Python and the docs' example say it: "connection refused".
std::string words_of(const error_code& error) {
  std::string text = error.message();
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') text[0] = static_cast<char>(text[0] + 32);
  return text;
}

std::string field_of(const Fields& fields, const char* name) {
  for (const auto& field : fields) {
    if (strcasecmp(field.first.c_str(), name) == 0) return field.second;
  }
  return {};
}

/// Whether the comma-separated list of offered subprotocols has the one that was chosen.
bool offers(const std::string& list, const std::string& chosen) {
  std::string_view rest = list;
  while (!rest.empty()) {
    const auto end = std::min(rest.find(','), rest.size());
    auto one = rest.substr(0, end);
    while (one.starts_with(' '))
      one.remove_prefix(1);
    while (one.ends_with(' '))
      one.remove_suffix(1);
    if (one == chosen) return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

/// What is wrong with the target's answer, empty if nothing (RFC 6455 section 4.1).
std::string judge(const http::response<http::empty_body>& answer, const Fields& sent) {
  if (answer.result_int() != 101) return "HTTP " + std::to_string(answer.result_int());
  const auto accept = answer["Sec-WebSocket-Accept"];
  if (std::string_view(accept.data(), accept.size()) != accept_key(field_of(sent, "sec-websocket-key")))
    return "bad Sec-WebSocket-Accept";
  if (answer.count("Sec-WebSocket-Extensions") != 0) return "an extension that was not offered";
  const std::string chosen(answer["Sec-WebSocket-Protocol"]);
  if (!chosen.empty() && !offers(field_of(sent, "sec-websocket-protocol"), chosen))
    return "a subprotocol that was not offered";
  return {};
}

}  // namespace

asio::awaitable<std::string> Dial::open(const Endpoint& endpoint) {
  error_code error;
  const auto found = co_await resolver_.async_resolve(endpoint.host, endpoint.port,
                                                      asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return words_of(error);
  const auto executor = co_await asio::this_coro::executor;
  error = asio::error::host_not_found;
  for (const auto& entry : found) {
    if (cancelled_) co_return "cancelled";
    stream_ = std::make_unique<Stream>(tcp::socket(executor), endpoint.tls ? &client_tls() : nullptr);
    co_await stream_->socket().async_connect(entry.endpoint(),
                                             asio::redirect_error(asio::use_awaitable, error));
    if (!error) break;
  }
  if (error) co_return words_of(error);
  error = co_await stream_->connect_handshake(endpoint.host);
  if (error) co_return words_of(error);
  co_return std::string();
}

asio::awaitable<std::string> Dial::upgrade(const std::string& path, const Fields& fields) {
  std::string request = "GET " + path + " HTTP/1.1\r\n";
  for (const auto& [name, value] : fields)
    request += name + ": " + value + "\r\n";
  request += "\r\n";
  const bool written = co_await stream_->write(request);
  if (!written) co_return "connection lost";
  std::string wrong = co_await read_answer(fields);
  co_return wrong;
}

asio::awaitable<std::string> Dial::read_answer(const Fields& fields) {
  http::response_parser<http::empty_body> parser;
  parser.header_limit(kHeadLimit);
  parser.skip(true);
  std::string buffer;
  while (!parser.is_header_done()) {
    const auto before = buffer.size();
    buffer.resize(before + kReadSize);
    const std::size_t size = co_await stream_->read_some(asio::buffer(buffer.data() + before, kReadSize));
    buffer.resize(before + size);
    if (size == 0) co_return "connection lost";
    error_code error;
    const auto used = parser.put(asio::buffer(buffer), error);
    buffer.erase(0, used);
    if (error && error != http::error::need_more) co_return "no HTTP answer";
  }
  const auto protocol = parser.get()["Sec-WebSocket-Protocol"];
  subprotocol_.assign(protocol.data(), protocol.size());
  rest_ = std::move(buffer);
  std::string wrong = judge(parser.get(), fields);
  co_return wrong;
}

void Dial::cancel() {
  cancelled_ = true;
  resolver_.cancel();
  if (stream_) stream_->reset();
}

}  // namespace bridge55::sim
