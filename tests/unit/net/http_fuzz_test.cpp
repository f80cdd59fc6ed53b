// Answers in random splits and with random damage: never a crash, never a loop, and the same result whatever
// the splits.
#include "daemon/net/http_response.hpp"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

namespace bridge55 {
namespace {

using net::BodyDecoder;
using net::ResponseParser;

struct Result {
  int head = 0, body = -1;  // last states
  unsigned status = 0;
  std::string fields, data, trouble;
  std::size_t left = 0;
  friend bool operator==(const Result&, const Result&) = default;
};

// Takes the answer in pieces whose sizes `next_size` gives.
template <class NextSize>
Result read(std::string_view text, NextSize next_size) {
  Result out;
  ResponseParser parser;
  BodyDecoder decoder;
  parser.reset(false);
  std::string_view waiting;
  bool in_body = false, over = false;
  while (!text.empty() && !over) {
    const std::size_t size = std::min<std::size_t>(next_size(), text.size());
    waiting = text.substr(0, size);
    text.remove_prefix(size);
    if (!in_body) {
      const auto state = parser.feed(waiting);
      out.head = static_cast<int>(state);
      over = state == ResponseParser::State::failed;
      if (state != ResponseParser::State::complete) continue;
      in_body = true;
      decoder.begin(parser.head().body, parser.head().length);
    }
    for (;;) {
      std::string_view piece;
      const auto state = decoder.next(waiting, piece);
      out.body = static_cast<int>(state);
      if (state == BodyDecoder::State::piece) out.data += piece;
      over = state == BodyDecoder::State::end || state == BodyDecoder::State::failed;
      if (state != BodyDecoder::State::piece) break;
    }
  }
  if (in_body) {
    out.status = parser.head().status;
    for (const auto& [name, value] : parser.head().fields)
      out.fields.append(name).append("=").append(value).append(";");
    // Bytes behind a failure are nobody's.
    if (out.body == static_cast<int>(BodyDecoder::State::end)) out.left = waiting.size() + text.size();
  }
  out.trouble = in_body ? decoder.trouble() : parser.trouble();
  return out;
}

std::string random_answer(std::mt19937& random) {
  const auto below = [&](unsigned n) { return random() % n; };
  std::string text = below(4) == 0 ? "HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" : "";
  const bool old = below(8) == 0;
  text += old ? "HTTP/1.0 200 OK\r\n" : "HTTP/1.1 " + std::to_string(200 + below(300)) + " OK\r\n";
  for (unsigned i = below(6); i > 0; --i)
    text += "Field-" + std::to_string(i) + ": " + std::string(below(40), 'v') + "\r\n";
  const std::string body(below(300), 'b');
  if (!old && below(2) == 0) {
    text += "Transfer-Encoding: chunked\r\n\r\n";
    for (std::size_t at = 0; at < body.size();) {
      const std::size_t size = std::min<std::size_t>(1 + below(60), body.size() - at);
      char line[16];
      std::snprintf(line, sizeof line, "%zx%s\r\n", size, below(3) == 0 ? ";e=1" : "");
      text += line + body.substr(at, size) + "\r\n";
      at += size;
    }
    text += below(2) == 0 ? "0\r\n\r\n" : "0\r\nT: 1\r\n\r\n";
  } else {
    if (below(4) != 0) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    text += "\r\n" + body;
  }
  if (below(4) == 0) text += "behind";
  return text;
}

void damage(std::string& text, std::mt19937& random) {
  constexpr std::string_view kNasty("\r\n\0: ;,0fx\x7f\xff", 12);
  for (unsigned i = random() % 4; i > 0 && !text.empty(); --i) {
    const std::size_t at = random() % text.size();
    switch (random() % 4) {
      case 0:
        text[at] = kNasty[random() % kNasty.size()];
        break;
      case 1:
        text.erase(at, 1 + random() % 5);
        break;
      case 2:
        text.insert(at, 1, kNasty[random() % kNasty.size()]);
        break;
      default:
        text.insert(at, text.substr(random() % text.size(), random() % 30));
    }
  }
}

TEST(HttpFuzz, SplitsChangeNothingAndDamageEndsInWords) {
  std::mt19937 random(55);
  for (int round = 0; round < 20'000; ++round) {
    std::string text = random_answer(random);
    if (round % 2 != 0) damage(text, random);
    const Result whole = read(text, [&] { return text.size(); });
    const Result bytes = read(text, [] { return 1; });
    const Result pieces = read(text, [&] { return 1 + random() % 50; });
    ASSERT_EQ(whole, bytes) << text;
    ASSERT_EQ(whole, pieces) << text;
    const bool failed = whole.body == static_cast<int>(BodyDecoder::State::failed) ||
                        whole.head == static_cast<int>(ResponseParser::State::failed);
    ASSERT_EQ(failed, !whole.trouble.empty()) << text;
    if (round % 2 == 0) {
      ASSERT_FALSE(failed) << text << whole.trouble;
    }
  }
}

TEST(HttpFuzz, NoiseIsRefused) {
  std::mt19937 random(56);
  for (int round = 0; round < 2'000; ++round) {
    std::string text(1 + random() % 200, '\0');
    for (char& c : text)
      c = static_cast<char>(random());
    text[0] = 'x';
    EXPECT_EQ(read(text, [&] { return 1 + random() % 9; }).head,
              static_cast<int>(ResponseParser::State::failed));
  }
}

}  // namespace
}  // namespace bridge55
