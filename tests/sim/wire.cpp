#include "tests/sim/wire.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace bridge55::sim {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kBigField = 65536;
constexpr std::size_t kEndless = 256U << 20;
constexpr std::size_t kPiece = 100;

struct Answer {
  Stream& stream;
  const HttpRequest& request;
  const HttpResponse& response;
  const RestFault& fault;

  std::size_t bytes_or(std::size_t fallback) const { return fault.bytes == 0 ? fallback : fault.bytes; }
};
using Writer = asio::awaitable<bool> (*)(Answer);

HttpResponse with_field(HttpResponse response, std::string name, std::string value) {
  response.headers.emplace_back(std::move(name), std::move(value));
  return response;
}

asio::awaitable<void> end_as_asked(Answer a) {
  if (a.fault.text == "cut") {
    a.stream.cut();
  } else {
    co_await end_badly(a.stream, a.fault.fin);
  }
}

asio::awaitable<bool> lose(Answer a) {
  co_await end_as_asked(a);
  co_return false;
}

asio::awaitable<bool> hang(Answer a) {
  std::array<char, 1024> sink{};
  for (std::size_t size = 1; size > 0;)
    size = co_await a.stream.read_some(asio::buffer(sink));
  co_return false;
}

asio::awaitable<bool> cut_answer(Answer a) {
  const auto kept = std::min(a.bytes_or(a.response.body.size() / 2), a.response.body.size());
  const std::string bytes =
      head_bytes(a.response, a.response.body.size(), a.request.keep_alive) + a.response.body.substr(0, kept);
  const bool written = co_await a.stream.write(bytes);
  // A reset right behind the bytes would take them with it.
  if (written && !a.fault.fin) co_await pause_for(milliseconds(20));
  co_await end_as_asked(a);
  co_return false;
}

asio::awaitable<bool> slow_body(Answer a) {
  const std::string bytes = to_bytes(a.response, a.request.keep_alive);
  const bool all = a.fault.text == "head";
  std::size_t at = all ? 0 : bytes.size() - a.response.body.size();
  bool written = co_await a.stream.write(std::string_view(bytes).substr(0, at));
  while (written && at < bytes.size()) {
    const auto size = std::min(a.bytes_or(1), bytes.size() - at);
    co_await pause_for(a.fault.delay);
    written = co_await a.stream.write(std::string_view(bytes).substr(at, size));
    at += size;
  }
  co_return written;
}

asio::awaitable<bool> wrong_length(Answer a) {
  const auto said = std::max<std::int64_t>(0, std::ssize(a.response.body) + a.fault.by);
  const std::string bytes =
      head_bytes(a.response, static_cast<std::uint64_t>(said), a.request.keep_alive) + a.response.body;
  const bool written = co_await a.stream.write(bytes);
  if (written && a.fault.by < 0) co_return true;  // the surplus waits where the next answer should begin
  co_await end_badly(a.stream, true);
  co_return false;
}

asio::awaitable<bool> endless_headers(Answer a) {
  bool written = co_await a.stream.write("HTTP/1.1 200 OK\r\n");
  std::string fields;
  for (int i = 0; i < 64; ++i)
    fields += "X-Filler-" + std::to_string(i) + ": " + std::string(1000, 'x') + "\r\n";
  for (std::size_t sent = 0; written && sent < a.bytes_or(kEndless); sent += fields.size())
    written = co_await a.stream.write(fields);
  co_await end_badly(a.stream, true);
  co_return false;
}

asio::awaitable<bool> big_header(Answer a) {
  const auto response = with_field(a.response, "X-Big", std::string(a.bytes_or(kBigField), 'b'));
  const std::string bytes = to_bytes(response, a.request.keep_alive);
  const bool written = co_await a.stream.write(bytes);
  co_return written;
}

/// A chunked answer; `extension` on every chunk, `trailers` before the last empty line.
asio::awaitable<bool> chunked_with(Answer a, std::string extension, std::string trailers) {
  std::string bytes =
      head_bytes(with_field(a.response, "Transfer-Encoding", "chunked"), std::nullopt, a.request.keep_alive);
  std::string_view rest = a.response.body;
  while (!rest.empty()) {
    const auto piece = rest.substr(0, kPiece);
    bytes += chunk_bytes(piece, extension);
    rest.remove_prefix(piece.size());
  }
  bytes += "0" + extension + "\r\n" + trailers + "\r\n";
  const bool written = co_await a.stream.write(bytes);
  co_return written;
}

asio::awaitable<bool> big_trailers(Answer a) {
  std::string trailers;
  for (int i = 0; trailers.size() < a.bytes_or(kBigField); ++i)
    trailers += "X-Trailer-" + std::to_string(i) + ": " + std::string(1000, 't') + "\r\n";
  return chunked_with(a, {}, std::move(trailers));
}

asio::awaitable<bool> chunked(Answer a) {
  return chunked_with(a, {}, {});
}

asio::awaitable<bool> chunk_extensions(Answer a) {
  return chunked_with(a, R"(;plain;name=value;quoted="a;b\"c)" + std::string(a.fault.bytes, 'e') + '"', {});
}

asio::awaitable<bool> interim(Answer a) {
  std::string bytes;
  for (std::size_t i = 0; i < a.bytes_or(1); ++i) {
    bytes += "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n";
    bytes += "HTTP/1.1 100 Continue\r\n\r\n";
  }
  bytes += to_bytes(a.response, a.request.keep_alive);
  const bool written = co_await a.stream.write(bytes);
  co_return written;
}

/// Cut, it is half of the body and an end that only TLS can tell from the real one.
asio::awaitable<bool> until_close(Answer a) {
  const auto kept = a.fault.text == "cut" ? a.response.body.size() / 2 : a.response.body.size();
  const std::string bytes = head_bytes(a.response, std::nullopt, false) + a.response.body.substr(0, kept);
  co_await a.stream.write(bytes);
  if (kept < a.response.body.size()) co_await end_as_asked(a);
  co_return false;
}

asio::awaitable<bool> http10(Answer a) {
  std::string bytes = "HTTP/1.0 " + std::to_string(a.response.status) + ' ' + reason_of(a.response.status);
  for (const auto& [name, value] : a.response.headers)
    bytes += "\r\n" + name + ": " + value;
  bytes += "\r\nContent-Length: " + std::to_string(a.response.body.size()) + "\r\n\r\n" + a.response.body;
  co_await a.stream.write(bytes);
  co_return false;
}

asio::awaitable<bool> garbage(Answer a) {
  co_await a.stream.write(a.fault.text);
  co_await end_badly(a.stream, true);
  co_return false;
}

const std::map<std::string, Writer>& writers() {
  static const std::map<std::string, Writer> table{{"lost_before", lose},
                                                   {"lost_after", lose},
                                                   {"reset_on_head", lose},
                                                   {"close_idle", lose},
                                                   {"hang", hang},
                                                   {"cut_answer", cut_answer},
                                                   {"slow_body", slow_body},
                                                   {"wrong_length", wrong_length},
                                                   {"endless_headers", endless_headers},
                                                   {"big_header", big_header},
                                                   {"big_trailers", big_trailers},
                                                   {"chunked", chunked},
                                                   {"chunk_extensions", chunk_extensions},
                                                   {"interim", interim},
                                                   {"until_close", until_close},
                                                   {"http10", http10},
                                                   {"garbage", garbage}};
  return table;
}

}  // namespace

asio::awaitable<void> pause_for(milliseconds time) {
  if (time <= milliseconds(0)) co_return;
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  boost::system::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

asio::awaitable<void> end_badly(Stream& stream, bool fin) {
  if (fin) {
    co_await stream.finish();
  } else {
    stream.reset();
  }
}

std::string chunk_bytes(std::string_view data, std::string_view extension) {
  std::array<char, 20> size{};
  const int digits = std::snprintf(size.data(), size.size(), "%zx", data.size());
  std::string bytes(size.data(), static_cast<std::size_t>(digits));
  bytes.append(extension).append("\r\n").append(data).append("\r\n");
  return bytes;
}

asio::awaitable<bool> write_answer(Stream& stream, const HttpRequest& request, const HttpResponse& response,
                                   const std::optional<RestFault>& fault) {
  if (fault) {
    const auto writer = writers().at(fault->name);
    const Answer answer{stream, request, response, *fault};
    const bool again = co_await writer(answer);
    co_return again&& request.keep_alive;
  }
  const std::string bytes = request.method == "HEAD"
                                ? head_bytes(response, response.body.size(), request.keep_alive)
                                : to_bytes(response, request.keep_alive);
  const bool written = co_await stream.write(bytes);
  co_return written&& request.keep_alive;
}

}  // namespace bridge55::sim
