#include "daemon/net/sse.hpp"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace bridge55 {
namespace {

using net::SseEvent;
using net::SseParser;
using Next = SseParser::Next;

struct Told {
  std::string type, data, id;
  bool too_large = false;
  friend bool operator==(const Told&, const Told&) = default;
  friend void PrintTo(const Told& told, std::ostream* out) {
    *out << '[' << told.type << '|' << told.data << '|' << told.id << (told.too_large ? "|too large]" : "]");
  }
};
using All = std::vector<Told>;

// Each piece has memory of its own, which is gone when the next one comes.
class Feeder {
 public:
  explicit Feeder(std::size_t limit = 1 << 20) : parser(limit) {}
  void feed(std::string_view text) {
    std::vector<char> piece(text.begin(), text.end());
    parser.feed({piece.data(), piece.size()});
    SseEvent event;
    for (;;) {
      const Next next = parser.next(event);
      if (next == Next::more) break;
      all.push_back(
          {std::string(event.type), std::string(event.data), std::string(event.id), next == Next::too_large});
      sizes.push_back(event.size);
    }
    std::fill(piece.begin(), piece.end(), '#');
  }
  SseParser parser;
  All all;
  std::vector<std::uint64_t> sizes;
};

All whole(std::string_view text) {
  Feeder feeder;
  feeder.feed(text);
  return feeder.all;
}

All in_pieces(std::string_view text, std::size_t size) {
  Feeder feeder;
  for (std::size_t at = 0; at < text.size(); at += size)
    feeder.feed(text.substr(at, size));
  return feeder.all;
}

// The standard's algorithm as it is written, on the whole stream at once (WHATWG HTML, 9.2.6).
All reference(std::string text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  std::vector<std::string> lines;
  std::string line;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' || text[i] == '\n') {
      if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') ++i;
      lines.push_back(std::exchange(line, {}));
    } else {
      line += text[i];
    }
  }
  All all;
  std::string data, type, id;
  for (const std::string& one : lines) {
    if (one.empty()) {
      if (!data.empty()) {
        data.pop_back();
        all.push_back({type.empty() ? "message" : type, data, id});
      }
      data.clear();
      type.clear();
      continue;
    }
    if (one[0] == ':') continue;
    const std::size_t colon = one.find(':');
    const std::string name = one.substr(0, colon);
    std::string value = colon == std::string::npos ? "" : one.substr(colon + 1);
    if (value.starts_with(' ')) value.erase(0, 1);
    if (name == "event") type = value;
    if (name == "data") data += value + '\n';
    if (name == "id" && value.find('\0') == std::string::npos) id = value;
  }
  return all;
}

void expect_same_however_cut(const std::string& text) {
  const All expected = reference(text);
  EXPECT_EQ(whole(text), expected) << testing::PrintToString(text);
  for (std::size_t size = 1; size <= 5; ++size)
    ASSERT_EQ(in_pieces(text, size), expected) << size << testing::PrintToString(text);
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    Feeder feeder;
    feeder.feed(std::string_view(text).substr(0, cut));
    feeder.feed(std::string_view(text).substr(cut));
    ASSERT_EQ(feeder.all, expected) << cut << testing::PrintToString(text);
  }
}

TEST(Sse, AnEventIsItsTypeAndItsData) {
  EXPECT_EQ(whole("event: message\ndata: {\"a\": 1}\n\n"), (All{{"message", "{\"a\": 1}", ""}}));
}

TEST(Sse, WithoutATypeItIsAMessage) {
  EXPECT_EQ(whole("data:x\n\n"), (All{{"message", "x", ""}}));
}

TEST(Sse, ATypeHoldsForOneEvent) {
  EXPECT_EQ(whole("event: a\ndata: 1\n\ndata: 2\n\n"), (All{{"a", "1", ""}, {"message", "2", ""}}));
}

TEST(Sse, LinesOfDataAreJoinedByLineFeeds) {
  EXPECT_EQ(whole("data: a\ndata:\ndata:  b\n\n"), (All{{"message", "a\n\n b", ""}}));
}

TEST(Sse, OnlyOneSpaceBehindTheColonIsDropped) {
  EXPECT_EQ(whole("data:   x \n\n"), (All{{"message", "  x ", ""}}));
}

TEST(Sse, CommentsAndUnknownFieldsAreIgnored) {
  EXPECT_EQ(whole(": hello\nfoo: bar\ndata: x\n:\n\n"), (All{{"message", "x", ""}}));
}

TEST(Sse, AFieldWithoutColonHasAnEmptyValue) {
  EXPECT_EQ(whole("data\n\n"), (All{{"message", "", ""}}));
  EXPECT_EQ(whole("data\ndata\n\n"), (All{{"message", "\n", ""}}));
}

TEST(Sse, AnEventWithoutDataIsNone) {
  EXPECT_EQ(whole("event: a\n\ndata: x\n\n"), (All{{"message", "x", ""}}));
}

TEST(Sse, TheLastIdStays) {
  EXPECT_EQ(whole("id: 7\ndata: a\n\ndata: b\n\nid\ndata: c\n\n"),
            (All{{"message", "a", "7"}, {"message", "b", "7"}, {"message", "c", ""}}));
}

TEST(Sse, AnIdWithANulIsIgnored) {
  EXPECT_EQ(whole(std::string("id: 7\nid: 8\0\ndata: a\n\n", 22)), (All{{"message", "a", "7"}}));
}

TEST(Sse, RetryIsMillisecondsInDigits) {
  Feeder feeder;
  feeder.feed("retry: 12x\nretry:-1\n");
  EXPECT_FALSE(feeder.parser.retry());
  feeder.feed("retry: 2500\n");
  EXPECT_EQ(feeder.parser.retry(), std::chrono::milliseconds(2500));
  feeder.feed("retry: 99999999999999999999\n");
  EXPECT_EQ(feeder.parser.retry(), std::chrono::milliseconds(2500));
}

TEST(Sse, AnUnfinishedLastEventIsDropped) {
  EXPECT_EQ(whole("data: a\n\ndata: b\n"), (All{{"message", "a", ""}}));
  EXPECT_EQ(whole("data: a\n\ndata: b"), (All{{"message", "a", ""}}));
}

TEST(Sse, AnyLineEndAnyCutTellsTheSame) {
  const std::string plain =
      ": c\nevent: connected\ndata: {\"node_id\": \"n\"}\nid: 1\n\ndata: a\ndata: b\n\n\n\nretry: "
      "5\ndata\n\ndata: last";
  for (const char* end : {"\n", "\r\n", "\r"}) {
    for (const char* mark : {"", "\xEF\xBB\xBF"}) {
      std::string text = mark;
      for (const char c : plain)
        c == '\n' ? text += end : text += c;
      expect_same_however_cut(text);
    }
  }
}

TEST(Sse, OnlyOneByteOrderMarkIsIgnoredAndOnlyInFront) {
  expect_same_however_cut(
      "\xEF\xBB\xBF"
      "\xEF\xBB\xBF"
      "data: x\ndata: y\n\n");
  expect_same_however_cut(
      "\xEF\xBB"
      "data: x\ndata: y\n\n");
  expect_same_however_cut(
      "\xEF"
      "\ndata: \xEF\xBB\xBF\n\n");
  expect_same_however_cut(
      "data: x\n\n\xEF\xBB\xBF"
      "data: y\n\n");
}

TEST(Sse, NoiseIsReadAsTheStandardReadsIt) {
  std::mt19937 random(55);
  const std::string_view parts[] = {"\r",  "\n",       "\r\n",  "\n\n", "data",         ":",
                                    " ",   "data: x",  "event", "id: ", "\xEF\xBB\xBF", "y",
                                    ": z", "retry: 1", "data:"};
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (int i = 0; i < 14; ++i)
      text += parts[random() % std::size(parts)];
    const All expected = reference(text);
    ASSERT_EQ(whole(text), expected) << testing::PrintToString(text);
    for (std::size_t size = 1; size <= 4; ++size)
      ASSERT_EQ(in_pieces(text, size), expected) << size << testing::PrintToString(text);
  }
}

TEST(Sse, AnEventOverTheLimitIsToldAsThatAndTheStreamGoesOn) {
  for (const std::size_t piece : {1u, 7u, 1000u, 100000u}) {
    Feeder feeder(100);
    const std::string text =
        "data: " + std::string(5000, 'x') + "\n\ndata: a\n\ndata: " + std::string(60, 'y') +
        "\ndata: " + std::string(60, 'z') + "\n\ndata: " + std::string(100, 'w') + "\n\n";
    for (std::size_t at = 0; at < text.size(); at += piece)
      feeder.feed(std::string_view(text).substr(at, piece));
    ASSERT_EQ(feeder.all.size(), 4u) << piece;
    EXPECT_TRUE(feeder.all[0].too_large);
    EXPECT_EQ(feeder.all[0].data, std::string(100, 'x'));
    EXPECT_EQ(feeder.sizes[0], 5000u);
    EXPECT_FALSE(feeder.all[1].too_large);
    EXPECT_TRUE(feeder.all[2].too_large);
    EXPECT_EQ(feeder.sizes[2], 121u);
    EXPECT_FALSE(feeder.all[3].too_large);
    EXPECT_EQ(feeder.all[3].data, std::string(100, 'w'));
  }
}

TEST(Sse, ACommentThatNeverEndsHoldsNoMemoryAndSpoilsNothing) {
  Feeder feeder(1000);
  for (int i = 0; i < 1000; ++i)
    feeder.feed(i == 0 ? ": " + std::string(1000, 'c') : std::string(1000, 'c'));
  feeder.feed("\ndata: x\n\n");
  EXPECT_EQ(feeder.all, (All{{"message", "x", ""}}));
  EXPECT_EQ(feeder.sizes[0], 1u);
}

TEST(Sse, DataOfOnePieceIsNotCopied) {
  const std::string text = "data: hello\n\n";
  SseParser parser(100);
  parser.feed(text);
  SseEvent event;
  ASSERT_EQ(parser.next(event), Next::event);
  EXPECT_EQ(event.data.data(), text.data() + 6);
}

}  // namespace
}  // namespace bridge55
