#include "tests/sim/http.hpp"

#include "tests/sim/frames.hpp"

#include <algorithm>

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

namespace bridge55::sim {

namespace http = boost::beast::http;
using boost::system::error_code;
using Parser = http::request_parser<http::string_body>;

namespace {

constexpr std::size_t kReadSize = 16384;
constexpr std::uint64_t kBodyLimit = 256ULL << 20;  // POST /emit may carry a huge frame

void split_query(std::string_view text, HttpRequest& request) {
  while (!text.empty()) {
    const auto end = std::min(text.find('&'), text.size());
    const auto pair = text.substr(0, end);
    const auto equals = std::min(pair.find('='), pair.size());
    const auto value = equals < pair.size() ? pair.substr(equals + 1) : std::string_view{};
    if (!pair.empty()) request.query.emplace(percent_decode(pair.substr(0, equals)), percent_decode(value));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

HttpRequest take(Parser& parser) {
  HttpRequest request;
  auto message = parser.release();
  request.method = std::string(message.method_string());
  request.target = std::string(message.target());
  const auto mark = std::min(request.target.find('?'), request.target.size());
  request.path = percent_decode(std::string_view(request.target).substr(0, mark));
  if (mark < request.target.size()) split_query(std::string_view(request.target).substr(mark + 1), request);
  for (const auto& field : message) {
    std::string name(field.name_string());
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    request.headers.emplace(std::move(name), std::string(field.value()));
  }
  request.keep_alive = message.keep_alive();
  request.body = std::move(message.body());
  return request;
}

/// Whether the parser wants more bytes; `error` says whether what it got was a request.
bool parse(Parser& parser, std::string& buffer, error_code& error) {
  const auto used = parser.put(boost::asio::buffer(buffer), error);
  buffer.erase(0, used);
  if (error == http::error::need_more) {
    error = {};
    return true;
  }
  return !error && !parser.is_done();
}

std::string_view reason_of(unsigned status) {
  const auto text = http::obsolete_reason(http::int_to_status(status));
  return {text.data(), text.size()};
}

}  // namespace

std::string HttpRequest::header(const std::string& lower_name) const {
  const auto found = headers.find(lower_name);
  return found == headers.end() ? std::string() : found->second;
}

std::optional<std::string> HttpRequest::parameter(const std::string& name) const {
  const auto found = query.find(name);
  if (found == query.end()) return std::nullopt;
  return found->second;
}

boost::asio::awaitable<std::optional<HttpRequest>> read_request(Stream& stream, std::string& buffer) {
  Parser parser;
  parser.eager(true);
  parser.body_limit(kBodyLimit);
  std::string chunk(kReadSize, '\0');
  for (;;) {
    error_code error;
    const bool more = buffer.empty() || parse(parser, buffer, error);
    if (error) co_return std::nullopt;
    if (!more) co_return take(parser);
    const std::size_t size = co_await stream.read_some(boost::asio::buffer(chunk));
    if (size == 0) co_return std::nullopt;
    buffer.append(chunk.data(), size);
  }
}

std::string to_bytes(const HttpResponse& response, bool keep_alive) {
  std::string bytes = "HTTP/1.1 " + std::to_string(response.status) + ' ';
  bytes += reason_of(response.status);
  bytes += "\r\n";
  for (const auto& [name, value] : response.headers)
    bytes += name + ": " + value + "\r\n";
  bytes += "Content-Length: " + std::to_string(response.body.size()) + "\r\n";
  bytes += keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  return bytes + response.body;
}

std::string switching_protocols(const std::string& client_key) {
  return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Accept: " +
         accept_key(client_key) + "\r\n\r\n";
}

HttpResponse json_response(unsigned status, std::string body) {
  return {status, std::move(body), {{"Content-Type", "application/json"}}};
}

std::string percent_decode(std::string_view text) {
  const auto hex = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape =
        text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0;
    if (escape) {
      result += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    } else {
      result += text[i] == '+' ? ' ' : text[i];
    }
  }
  return result;
}

}  // namespace bridge55::sim
