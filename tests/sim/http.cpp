#include "tests/sim/http.hpp"

#include "tests/sim/frames.hpp"

#include <algorithm>

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

namespace bridge55::sim {

namespace http = boost::beast::http;
using boost::system::error_code;
using BeastParser = http::request_parser<http::string_body>;

namespace {

constexpr std::size_t kReadSize = 16384;
constexpr std::uint32_t kHeaderLimit = 1U << 20;
constexpr std::uint64_t kBodyLimit = 4ULL << 30;  // POST /emit may carry a huge frame, /bench/echo more

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

void take_head(const BeastParser& parser, HttpRequest& request) {
  const auto& message = parser.get();
  request.method = std::string(message.method_string());
  request.target = std::string(message.target());
  const auto mark = std::min(request.target.find('?'), request.target.size());
  request.path = percent_decode(std::string_view(request.target).substr(0, mark));
  if (mark < request.target.size()) split_query(std::string_view(request.target).substr(mark + 1), request);
  for (const auto& field : message) {
    request.fields.emplace_back(field.name_string(), field.value());
    std::string name(field.name_string());
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    request.headers.emplace(std::move(name), std::string(field.value()));
  }
  request.keep_alive = message.keep_alive();
  if (const auto length = parser.content_length()) request.length = *length;
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

struct RequestReader::Parser : BeastParser {};

RequestReader::RequestReader(Stream& stream, std::string& buffer)
    : stream_(stream), buffer_(buffer), parser_(std::make_unique<Parser>()) {
  parser_->header_limit(kHeaderLimit);
  parser_->body_limit(kBodyLimit);
}

RequestReader::~RequestReader() = default;

/// False where the bytes are no request.
bool RequestReader::parse() {
  error_code error;
  const auto used = parser_->put(boost::asio::buffer(buffer_), error);
  buffer_.erase(0, used);
  if (error && error != http::error::need_more) malformed_ = true;
  return !malformed_;
}

boost::asio::awaitable<bool> RequestReader::more() {
  const auto before = buffer_.size();
  buffer_.resize(before + kReadSize);
  const std::size_t size =
      co_await stream_.read_some(boost::asio::buffer(buffer_.data() + before, kReadSize));
  buffer_.resize(before + size);
  co_return size > 0;
}

boost::asio::awaitable<bool> RequestReader::read_head(HttpRequest& request) {
  for (;;) {
    if (!buffer_.empty() && !parse()) co_return false;
    if (parser_->is_header_done()) break;
    const bool got = co_await more();
    if (!got) co_return false;
  }
  take_head(*parser_, request);
  request.arrived = Clock::now();
  parser_->eager(true);
  if (request.header("expect") == "100-continue" && buffer_.empty()) {
    const bool written = co_await stream_.write("HTTP/1.1 100 Continue\r\n\r\n");
    if (!written) co_return false;
  }
  co_return true;
}

boost::asio::awaitable<bool> RequestReader::read_body(std::string& body) {
  while (!parser_->is_done()) {
    if (!buffer_.empty()) {
      const auto left = buffer_.size();
      if (!parse()) co_return false;
      if (parser_->is_done() || buffer_.size() < left) continue;
    }
    const bool got = co_await more();
    if (!got) co_return false;
  }
  body = std::move(parser_->get().body());
  co_return true;
}

boost::asio::awaitable<bool> RequestReader::read_piece(std::string& piece) {
  auto& body = parser_->get().body();
  body.clear();
  while (!parser_->is_done() && body.empty()) {
    if (!buffer_.empty()) {
      const auto left = buffer_.size();
      if (!parse()) co_return false;
      if (parser_->is_done() || buffer_.size() < left) continue;
    }
    const bool got = co_await more();
    if (!got) co_return false;
  }
  piece.assign(body);
  co_return true;
}

std::string reason_of(unsigned status) {
  const auto text = http::obsolete_reason(http::int_to_status(status));
  return std::string(text.data(), text.size());
}

std::string head_bytes(const HttpResponse& response, std::optional<std::uint64_t> length, bool keep_alive) {
  std::string bytes =
      "HTTP/1.1 " + std::to_string(response.status) + ' ' + reason_of(response.status) + "\r\n";
  for (const auto& [name, value] : response.headers)
    bytes += name + ": " + value + "\r\n";
  if (length) bytes += "Content-Length: " + std::to_string(*length) + "\r\n";
  return bytes + (keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n");
}

std::string to_bytes(const HttpResponse& response, bool keep_alive) {
  // RFC 9110 section 8.6: no Content-Length in a 204.
  if (response.status == 204) return head_bytes(response, std::nullopt, keep_alive);
  return head_bytes(response, response.body.size(), keep_alive) + response.body;
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
