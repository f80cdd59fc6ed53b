#include "tests/sim/fetch.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>

namespace bridge55::sim {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

namespace {

constexpr int kMostRedirects = 10;
constexpr std::uint64_t kBodyLimit = 512ULL << 20;

/// One request over a connected stream; `parser` has the answer afterwards.
template <class AsyncStream>
asio::awaitable<error_code> exchange(AsyncStream& stream, const http::request<http::string_body>& request,
                                     http::response_parser<http::string_body>& parser) {
  error_code error;
  co_await http::async_write(stream, request, asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return error;
  beast::flat_buffer buffer;
  co_await http::async_read(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, error));
  co_return error;
}

http::request<http::string_body> make_request(const FetchRequest& from, const Target& target) {
  http::request<http::string_body> request;
  request.version(11);
  request.method_string(from.method);
  request.target(target.path);
  const bool usual = target.port == (target.tls ? "443" : "80");
  request.set(http::field::host, usual ? target.host : target.host + ':' + target.port);
  for (const auto& [name, value] : from.headers)
    request.insert(name, value);
  if (request.find(http::field::accept) == request.end()) request.set(http::field::accept, "*/*");
  request.set(http::field::connection, "close");
  if (!from.body.empty() || (from.method != "GET" && from.method != "HEAD")) {
    request.body() = from.body;
    request.prepare_payload();
  }
  return request;
}

asio::awaitable<error_code> connect(beast::tcp_stream& stream, const Target& target) {
  error_code error;
  asio::ip::tcp::resolver resolver(stream.get_executor());
  const auto found = co_await resolver.async_resolve(target.host, target.port,
                                                     asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return error;
  co_await stream.async_connect(found, asio::redirect_error(asio::use_awaitable, error));
  co_return error;
}

asio::awaitable<error_code> over_tls(beast::tcp_stream stream, const Target& target,
                                     const http::request<http::string_body>& request,
                                     http::response_parser<http::string_body>& parser) {
  asio::ssl::context context(asio::ssl::context::tls_client);
  context.set_verify_mode(asio::ssl::verify_none);
  beast::ssl_stream<beast::tcp_stream> secure(std::move(stream), context);
  SSL_set_tlsext_host_name(secure.native_handle(), target.host.c_str());
  error_code error;
  co_await secure.async_handshake(asio::ssl::stream_base::client,
                                  asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return error;
  const error_code done = co_await exchange(secure, request, parser);
  co_return done;
}

/// The timeout left is the stream's from the start: it covers connecting, TLS, sending and the whole answer.
asio::awaitable<error_code> once(const FetchRequest& from, const Target& target, TimePoint deadline,
                                 http::response_parser<http::string_body>& parser) {
  beast::tcp_stream stream(co_await asio::this_coro::executor);
  stream.expires_at(deadline);
  const error_code error = co_await connect(stream, target);
  if (error) co_return error;
  const auto request = make_request(from, target);
  if (target.tls) {
    const error_code done = co_await over_tls(std::move(stream), target, request, parser);
    co_return done;
  }
  const error_code done = co_await exchange(stream, request, parser);
  co_return done;
}

void take_answer(FetchResult& result, http::response_parser<http::string_body>& parser) {
  auto& answer = parser.get();
  result.status = answer.result_int();
  result.headers.clear();
  for (const auto& field : answer) {
    std::string name(field.name_string());
    for (char& c : name)
      c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    result.headers.emplace_back(std::move(name), std::string(field.value()));
  }
  result.body = std::move(answer.body());
}

/// Makes `request` the next one of a redirect; false if the answer is none.
bool follow(FetchRequest& request, const FetchResult& result) {
  const auto status = result.status;
  if (!request.redirects ||
      (status != 301 && status != 302 && status != 303 && status != 307 && status != 308))
    return false;
  for (const auto& [name, value] : result.headers) {
    if (name != "location") continue;
    request.url = resolve_url(request.url, value);
    if (status == 303 || (status < 303 && request.method == "POST")) {
      request.method = "GET";
      request.body.clear();
    }
    return true;
  }
  return false;
}

}  // namespace

std::optional<Target> parse_target(const std::string& url) {
  Target target;
  target.tls = url.starts_with("https://");
  if (!target.tls && !url.starts_with("http://")) return std::nullopt;
  const std::string rest = url.substr(target.tls ? 8 : 7);
  const auto slash = std::min(rest.find_first_of("/?#"), rest.size());
  const std::string authority = rest.substr(0, slash);
  target.path = rest.substr(slash, rest.find('#') - slash);
  if (!target.path.starts_with('/')) target.path.insert(0, 1, '/');
  const auto colon = authority.rfind(':');
  const bool has_port = colon != std::string::npos && authority.find(']', colon) == std::string::npos;
  target.host = authority.substr(0, has_port ? colon : authority.size());
  target.port = has_port ? authority.substr(colon + 1) : target.tls ? "443" : "80";
  if (target.host.starts_with('[') && target.host.ends_with(']'))
    target.host = target.host.substr(1, target.host.size() - 2);
  if (target.host.empty() || target.path.find_first_of(" \r\n") != std::string::npos) return std::nullopt;
  return target;
}

std::string resolve_url(const std::string& base, const std::string& location) {
  if (location.starts_with("http://") || location.starts_with("https://")) return location;
  const auto scheme = base.find("://");
  if (location.starts_with("//")) return base.substr(0, scheme + 1) + location;
  const auto path = std::min(base.find('/', scheme + 3), base.size());
  if (location.starts_with('/')) return base.substr(0, path) + location;
  const auto last = base.substr(0, base.find('?')).rfind('/');
  return (last > path || last == path ? base.substr(0, last + 1) : base + '/') + location;
}

asio::awaitable<FetchResult> fetch(FetchRequest request) {
  FetchResult result;
  const auto start = Clock::now();
  for (int hop = 0; hop <= kMostRedirects; ++hop) {
    const auto target = parse_target(request.url);
    if (!target) {
      result.error = 502;
      result.reason = "Target URL is not http or https";
      break;
    }
    http::response_parser<http::string_body> parser;
    parser.body_limit(kBodyLimit);
    parser.header_limit(1U << 20);
    parser.skip(request.method == "HEAD");
    const error_code error = co_await once(request, *target, start + request.timeout, parser);
    if (error) {
      const bool late = error == beast::error::timeout || Clock::now() >= start + request.timeout;
      result.error = late ? 504 : 502;
      result.reason =
          late ? "Target did not respond within timeout" : "Target connection failed: " + error.message();
      break;
    }
    take_answer(result, parser);
    result.final_url = request.url;
    if (!follow(request, result)) break;
  }
  result.elapsed = std::chrono::duration_cast<milliseconds>(Clock::now() - start);
  co_return result;
}

}  // namespace bridge55::sim
