// The strict gate: which heads are requests, and which are refused because two servers might read them
// differently.
#include "daemon/local/http_head.hpp"

#include <gtest/gtest.h>

namespace bridge55::local {
namespace {

// As a connection does it: scan as bytes come, parse when the head is there. Empty: not yet complete.
std::optional<std::variant<Head, Refusal>> read(std::string_view bytes, std::size_t limit = 16 << 10) {
  HeadScanner scanner(limit);
  for (std::size_t size = 1; size <= bytes.size(); ++size) {
    const auto state = scanner.scan(bytes.substr(0, size));
    if (state == HeadScanner::State::refused) return scanner.refusal();
    if (state == HeadScanner::State::complete) return parse_head(bytes.substr(0, scanner.size()));
  }
  return {};
}

std::string get(std::string_view headers) {
  return "GET /events HTTP/1.1\r\nHost: localhost\r\n" + std::string(headers) + "\r\n";
}

Head good(std::string_view bytes) {
  const auto result = read(bytes);
  EXPECT_TRUE(result && std::holds_alternative<Head>(*result)) << bytes;
  return result && std::holds_alternative<Head>(*result) ? std::get<Head>(*result) : Head{};
}

void bad(std::string_view bytes) {
  const auto result = read(bytes);
  ASSERT_TRUE(result) << "not answered at all: " << bytes;
  ASSERT_TRUE(std::holds_alternative<Refusal>(*result)) << "accepted: " << bytes;
  EXPECT_EQ(std::get<Refusal>(*result).status, 400u) << bytes;
}

TEST(HttpHead, AnOrdinaryRequestIsRead) {
  const Head head =
      good("GET /events/page?limit=1 HTTP/1.1\r\nHost: localhost:5580\r\nAccept: */*\r\nX-A:  b c \r\n\r\n");
  EXPECT_EQ(head.method, "GET");
  EXPECT_EQ(head.target, "/events/page?limit=1");
  EXPECT_EQ(head.get("x-a"), "b c");
  EXPECT_TRUE(head.keep_alive);
  EXPECT_FALSE(head.has_body());
}

TEST(HttpHead, OneEmptyLineBeforeTheRequestIsForgiven) {
  EXPECT_EQ(good("\r\n" + get("")).method, "GET");
}

TEST(HttpHead, KeepAliveFollowsVersionAndConnection) {
  EXPECT_TRUE(good(get("")).keep_alive);
  EXPECT_FALSE(good(get("Connection: close\r\n")).keep_alive);
  EXPECT_FALSE(good(get("Connection: Upgrade, Close\r\n")).keep_alive);
  EXPECT_FALSE(good("GET / HTTP/1.0\r\nHost: a\r\n\r\n").keep_alive);
  EXPECT_TRUE(good("GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
}

TEST(HttpHead, BodiesAreFramedByLengthOrByOneChunked) {
  EXPECT_EQ(good(get("Content-Length: 12\r\n")).content_length, 12u);
  EXPECT_FALSE(good(get("Content-Length: 0\r\n")).has_body());
  EXPECT_TRUE(good(get("Transfer-Encoding: Chunked\r\n")).chunked);
  EXPECT_TRUE(good(get("Expect: 100-continue\r\nContent-Length: 1\r\n")).expects_continue);
}

TEST(HttpHead, QueriesMayHoldWhatBrowsersLeaveUnescaped) {
  good("GET /events?where=payload.a:matches:^x|y{2}[a-z]\\d$ HTTP/1.1\r\nHost: a\r\n\r\n");
}

TEST(HttpHead, TransferEncodingIsOneChunkedOrRefused) {
  for (const char* value :
       {"gzip", "chunked, chunked", "gzip, chunked", "chunked, gzip", "identity", "xchunked", "chunked;q=1",
        "\"chunked\"", "", ",chunked", "chunked,", "chunked\x0b"}) {
    bad(get("Transfer-Encoding: " + std::string(value) + "\r\n"));
  }
  bad(get("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"));
  bad(get("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"));
  bad("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
}

TEST(HttpHead, ContentLengthIsOnePlainNumberOrRefused) {
  for (const char* value :
       {"", "+1", "-1", "1 2", "1,1", "0x1", "1.0", "99999999999999999999999", "1e3", "１"}) {
    bad(get("Content-Length: " + std::string(value) + "\r\n"));
  }
  bad(get("Content-Length: 1\r\nContent-Length: 1\r\n"));
  bad(get("Content-Length: 1\r\ncontent-length: 2\r\n"));
}

TEST(HttpHead, LengthAndChunkedExcludeEachOther) {
  bad(get("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"));
  bad(get("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"));
}

TEST(HttpHead, ThereIsExactlyOneHost) {
  bad("GET / HTTP/1.1\r\n\r\n");
  bad("GET / HTTP/1.0\r\n\r\n");
  bad("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n");
  bad("GET / HTTP/1.1\r\nHost: localhost\r\nhost: evil\r\n\r\n");
}

TEST(HttpHead, ASecondLineOfWhatMustBeOneIsRefused) {
  for (const char* name : {"Authorization", "Origin", "X-API-Key", "Content-Type", "Sec-WebSocket-Key",
                           "Sec-WebSocket-Version", "Sec-Fetch-Site", "Last-Event-ID"}) {
    bad(get(std::string(name) + ": a\r\n" + name + ": a\r\n"));
  }
}

TEST(HttpHead, FoldedHeadersAreRefused) {
  bad(get("X-A: b\r\n c\r\n"));
  bad(get("X-A: b\r\n\tc\r\n"));
  bad("GET / HTTP/1.1\r\n Host: a\r\n\r\n");
}

TEST(HttpHead, HeaderNamesAreTokensRightBeforeTheColon) {
  for (const char* line : {"X A: b", "X-A : b", ": b", "X-A", "X\x01: b", "X(A): b", "X\xc3\xa4: b"})
    bad(get(std::string(line) + "\r\n"));
}

TEST(HttpHead, LinesEndWithCrLfAndNothingElse) {
  bad("GET / HTTP/1.1\nHost: a\n\n");
  bad("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n");
  bad("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n");
  bad("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n");
}

TEST(HttpHead, ControlCharactersAreRefusedWhereverTheyStand) {
  using namespace std::string_literals;
  bad(get("X-A: b\0c\r\n"s));
  bad(get("X-A: b\x7f\r\n"));
  bad("GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n");
  bad("GET /\t HTTP/1.1\r\nHost: a\r\n\r\n");
}

TEST(HttpHead, TargetsAreInOriginForm) {
  for (const char* target : {"http://localhost/events", "*", "localhost:80", "events", "", "/a#b", "/a b",
                             "/\xc3\xa4", "/a\"b", "/a<b", "/a\\b", "/a^b", "/a?b#c", "/a?b\"", "/a?b<"}) {
    bad("GET " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  bad("CONNECT localhost:443 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  bad("CONNECT /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
  bad("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n");
}

TEST(HttpHead, RequestLinesHaveThreePartsAndAKnownVersion) {
  for (const char* line : {"GET /", "GET / HTTP/1.2", "GET / HTTP/2.0", "GET / HTTP/0.9", "GET / http/1.1",
                           "GET  / HTTP/1.1", "GET / HTTP/1.1 ", " GET / HTTP/1.1", "G@T / HTTP/1.1",
                           "GET / HTTP/11", "GET / HTTP/1.01", "/ HTTP/1.1"}) {
    bad(std::string(line) + "\r\nHost: a\r\n\r\n");
  }
}

TEST(HttpHead, OtherProtocolsAreRefusedAtTheirFirstBytes) {
  bad("\x16\x03\x01\x02");                  // TLS hello
  bad("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");  // HTTP/2 preface
  bad("\x05\x01");                          // SOCKS
  bad(std::string("\0\0\0\0", 4));
  bad("SSH-2.0-OpenSSH\r\n\r\n");
}

TEST(HttpHead, ExpectationsOtherThan100ContinueAreRefused) {
  bad(get("Expect: 200-ok\r\n"));
}

TEST(HttpHead, TheLimitIsTheWholeHead) {
  const std::string head = get("X: " + std::string(1000, 'a') + "\r\n");
  EXPECT_TRUE(std::holds_alternative<Head>(*read(head, head.size())));
  const auto result = read(head, head.size() - 1);
  ASSERT_TRUE(result && std::holds_alternative<Refusal>(*result));
  EXPECT_EQ(std::get<Refusal>(*result).code, "TOO_LARGE");
}

TEST(HttpHead, ThereAreAtMostAHundredHeaders) {
  std::string many;
  for (int i = 0; i < 100; ++i)
    many += "X: y\r\n";
  bad(get(many));
}

}  // namespace
}  // namespace bridge55::local
