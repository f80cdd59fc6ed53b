#include "tests/sim/bench_http.hpp"

#include "tests/sim/rest.hpp"
#include "tests/sim/wire.hpp"

#include <algorithm>

namespace bridge55::sim {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kBlock = 65536;
constexpr std::size_t kJsonBytes = 1024;

/// A KB of JSON like a page of one order.
const std::string& json_body() {
  static const std::string body = [] {
    std::string text =
        R"({"status":"success","orders":[{"orderId":327,"requestUuid":"eb45b192-317b-42d5-9f65-af497b9fa8c1",)"
        R"("orderStatus":"FILLED","orderStake":10.0,"orderPrice":1.95,"pad":")";
    const std::string_view end = R"("}],"count":1,"hasMore":false,"nextCursor":null})";
    text.append(kJsonBytes - text.size() - end.size(), 'x');
    return text.append(end);
  }();
  return body;
}

const std::string& json_answer() {
  static const std::string bytes = to_bytes(json_response(200, json_body()), true);
  return bytes;
}

/// Repeats `0123456789abcdef` from any position.
std::string pattern(std::size_t at, std::size_t size) {
  static const std::string block = [] {
    std::string text;
    while (text.size() < kBlock + 16)
      text += "0123456789abcdef";
    return text;
  }();
  return block.substr(at % 16, std::min(size, kBlock));
}

bool starts_with_folded(std::string_view line, std::string_view lower) {
  return line.size() >= lower.size() &&
         std::equal(lower.begin(), lower.end(), line.begin(),
                    [](char want, char c) { return want == (c >= 'A' && c <= 'Z' ? c + 32 : c); });
}

/// The key's value in a head of plain fields; nothing where a field needs the careful reader.
std::optional<std::string_view> key_in(std::string_view head) {
  std::optional<std::string_view> key;
  for (auto at = head.find("\r\n"); at + 2 < head.size();) {
    const auto end = head.find("\r\n", at + 2);
    std::string_view line = head.substr(at + 2, end - at - 2);
    at = end;
    if (starts_with_folded(line, "x-api-key:")) {
      line.remove_prefix(10);
      line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
      key = line;
    }
    for (const std::string_view careful :
         {"content-length:", "transfer-encoding:", "connection: close", "expect:"}) {
      if (starts_with_folded(line, careful)) return std::nullopt;
    }
  }
  return key;
}

bool is_unlimited(const BenchSide& side) {
  const auto& o = side.vendor.options;
  return (side.api == Api::abp ? o.abp_limit : side.api == Api::mm ? o.mm_limit : 0) == 0;
}

struct Transfer {
  Stream& stream;
  const HttpRequest& request;
  std::uint64_t number(const char* name, std::uint64_t fallback) const {
    return static_cast<std::uint64_t>(
        std::max<std::int64_t>(0, number_parameter(request, name, static_cast<std::int64_t>(fallback))));
  }
};

HttpResponse binary() {
  return {200, {}, {{"Content-Type", "application/octet-stream"}}};
}

asio::awaitable<bool> send_bytes(Transfer t) {
  const auto n = t.number("n", 0);
  const std::string head = head_bytes(binary(), n, t.request.keep_alive);
  bool written = co_await t.stream.write(head);
  for (std::uint64_t at = 0; written && at < n; at += kBlock) {
    const std::string block = pattern(0, n - at);
    written = co_await t.stream.write(block);
  }
  co_return written;
}

asio::awaitable<bool> send_chunks(Transfer t) {
  const auto n = t.number("n", 0);
  const auto piece = std::max<std::uint64_t>(1, n / std::max<std::uint64_t>(1, t.number("pieces", 10)));
  auto response = binary();
  response.headers.emplace_back("Transfer-Encoding", "chunked");
  const std::string head = head_bytes(response, std::nullopt, t.request.keep_alive);
  bool written = co_await t.stream.write(head);
  for (std::uint64_t at = 0; written && at < n;) {
    const std::string data = pattern(at, std::min(piece, n - at));
    const std::string bytes = chunk_bytes(data);
    written = co_await t.stream.write(bytes);
    at += data.size();
  }
  if (written) written = co_await t.stream.write("0\r\n\r\n");
  co_return written;
}

/// Back as it comes: with Content-Length where the request had one, else chunked.
asio::awaitable<bool> echo(Transfer t, RequestReader& reader) {
  auto response = binary();
  const bool chunked = !t.request.length;
  if (chunked) response.headers.emplace_back("Transfer-Encoding", "chunked");
  const std::string head = head_bytes(response, t.request.length, t.request.keep_alive);
  bool written = co_await t.stream.write(head);
  std::string piece;
  while (written) {
    const bool read = co_await reader.read_piece(piece);
    if (!read) co_return false;
    if (piece.empty()) break;
    const std::string bytes = chunked ? chunk_bytes(piece) : std::string();
    written = co_await t.stream.write(chunked ? std::string_view(bytes) : std::string_view(piece));
  }
  if (written && chunked) written = co_await t.stream.write("0\r\n\r\n");
  co_return written;
}

/// Reads it all, then tells how much it was.
asio::awaitable<bool> count(Transfer t, RequestReader& reader) {
  std::string piece;
  std::uint64_t total = 0;
  for (;;) {
    const bool read = co_await reader.read_piece(piece);
    if (!read) co_return false;
    if (piece.empty()) break;
    total += piece.size();
  }
  const std::string bytes =
      to_bytes(json_response(200, R"({"bytes":)" + std::to_string(total) + "}"), t.request.keep_alive);
  const bool written = co_await t.stream.write(bytes);
  co_return written;
}

asio::awaitable<bool> dispatch(Transfer t, RequestReader& reader) {
  const auto& path = t.request.path;
  if (t.request.method == "POST" && path == "/bench/echo") co_return co_await echo(t, reader);
  if (t.request.method == "POST" && path == "/bench/count") co_return co_await count(t, reader);
  std::string ignored;
  const bool read = co_await reader.read_body(ignored);
  if (!read) co_return false;
  if (t.request.method == "GET" && path == "/bench/bytes") co_return co_await send_bytes(t);
  if (t.request.method == "GET" && path == "/bench/chunked") co_return co_await send_chunks(t);
  const bool json = t.request.method == "GET" && path == "/bench/json";
  const std::string bytes =
      to_bytes(json ? json_response(200, json_body()) : not_found("Benchmark"), t.request.keep_alive);
  const bool written = co_await t.stream.write(bytes);
  co_return written;
}

}  // namespace

bool take_bench_json(const BenchSide& side, std::string& buffer, std::string& answers) {
  static constexpr std::string_view kLine = "GET /bench/json HTTP/1.1\r\n";
  if (!buffer.starts_with(kLine) || !is_unlimited(side)) return false;
  std::size_t at = 0;
  while (std::string_view(buffer).substr(at).starts_with(kLine)) {
    const auto end = buffer.find("\r\n\r\n", at);
    if (end == std::string::npos) break;
    const auto key = key_in(std::string_view(buffer).substr(at, end + 2 - at));
    if (!key) break;
    const KeyEntry* entry = side.vendor.find_key(side.api, *key);
    if (entry == nullptr || entry->key.state != Key::State::active) break;
    ++side.vendor.stats_of(side.api).rest_requests;
    answers += json_answer();
    at = end + 4;
  }
  buffer.erase(0, at);
  return at > 0;
}

asio::awaitable<bool> answer_bench(BenchSide side, Stream& stream, RequestReader& reader,
                                   const HttpRequest& request) {
  ++side.vendor.stats_of(side.api).rest_requests;
  KeyEntry* entry = nullptr;
  auto refusal = refuse(side.vendor, side.api, request, entry);
  if (refusal) {
    const std::string bytes = to_bytes(*refusal, false);
    co_await stream.write(bytes);
    co_return false;
  }
  const Transfer transfer{stream, request};
  const bool done = co_await dispatch(transfer, reader);
  co_return done&& request.keep_alive;
}

}  // namespace bridge55::sim
