// Broken requests in any form and any pieces: never a crash, never more than one reading of the same bytes.
#include "daemon/local/http_body.hpp"
#include "daemon/local/query.hpp"
#include "daemon/local/unix_lines.hpp"

#include <random>

#include <gtest/gtest.h>

namespace bridge55::local {
namespace {

const std::vector<std::string> kSeeds = {
    "GET /events?where=payload.a:eq:1&after=5 HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n",
    "POST /events/ack HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
    "chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "POST /events/ack HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
    "\r\nHEAD /%41 HTTP/1.0\r\nHost: [::1]:80\r\nExpect: 100-continue\r\n\r\n"};

std::string mutate(std::string text, std::mt19937& random) {
  static constexpr std::string_view kPieces[] = {
      "\r\n", "\n", ":", " ", "\t", "chunked", "0", "%2f", "Content-Length: 1", "\xff", "\r"};
  for (unsigned i = 1 + random() % 4; i > 0; --i) {
    const std::size_t at = random() % (text.size() + 1);
    switch (random() % 4) {
      case 0:
        text.insert(at, kPieces[random() % std::size(kPieces)]);
        break;
      case 1:
        text.erase(at, random() % 8);
        break;
      case 2:
        if (at < text.size()) text[at] = static_cast<char>(random());
        break;
      default:
        text.insert(at, text.substr(at, random() % 16));
    }
  }
  return text;
}

// The requests in some bytes, as far as they are accepted, read in pieces of `step`.
std::string read_all(std::string_view bytes, std::size_t step) {
  std::string buffer, seen;
  std::size_t fed = 0;
  const auto feed = [&] {
    const std::string_view next = bytes.substr(fed, step);
    fed += next.size();
    buffer += next;
    return !next.empty();
  };
  for (;;) {
    HeadScanner scanner(4096);
    auto state = scanner.scan(buffer);
    while (state == HeadScanner::State::more && feed())
      state = scanner.scan(buffer);
    if (state != HeadScanner::State::complete) return seen;
    auto parsed = parse_head(std::string_view(buffer).substr(0, scanner.size()));
    buffer.erase(0, scanner.size());
    if (std::holds_alternative<Refusal>(parsed)) return seen;
    const Head& head = std::get<Head>(parsed);
    seen += '[' + head.method + ' ' + head.target + ']';
    (void)parse_target(head.target);
    BodyDecoder body(head, 1024);
    while (!body.done()) {
      const BodyDecoder::Step taken = body.take(buffer);
      seen += taken.data;
      buffer.erase(0, taken.consumed);
      if (body.refused() || (taken.consumed == 0 && !feed())) return seen;
    }
  }
}

TEST(HttpFuzz, PiecesMakeNoDifference) {
  std::mt19937 random(55);
  for (int i = 0; i < 20'000; ++i) {
    const std::string text =
        mutate(kSeeds[random() % kSeeds.size()], random) + kSeeds[random() % kSeeds.size()];
    const std::string whole = read_all(text, text.size());
    ASSERT_EQ(read_all(text, 1), whole) << text;
    ASSERT_EQ(read_all(text, 7), whole) << text;
  }
}

TEST(LineFuzz, AnyLineIsACommandOrAnError) {
  std::mt19937 random(56);
  for (int i = 0; i < 20'000; ++i) {
    const std::string line = mutate(
        R"({"consumer": "risk", "after": "earliest", "channel": ["orders"], "where": "a:eq:1", "ack": "1"})",
        random);
    const auto parsed = parse_command(line);
    if (const auto* fault = std::get_if<std::string>(&parsed)) {
      ASSERT_FALSE(fault->empty());
    }
  }
}

}  // namespace
}  // namespace bridge55::local
