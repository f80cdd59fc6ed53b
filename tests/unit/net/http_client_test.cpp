#include "tests/unit/net/run.hpp"
#include "tests/unit/net/scripted_peer.hpp"

#include <boost/asio/error.hpp>

namespace bridge55 {
namespace {

namespace asio = boost::asio;
using net::awaitable;
using net::HttpCall;
using net::HttpError;
using net::HttpPool;
using test::Ask;
using test::ask;
using test::kOk;
using test::read_request;
using test::run;
using test::say;
using test::SeenAnswer;
using test::soon;

class HttpClient : public ::testing::Test {
 protected:
  HttpPool::Settings settings() {
    HttpPool::Settings settings;
    settings.url = peer_.url();
    settings.environment = [](const char*) { return std::string(); };
    return settings;
  }
  // What a client sees of a peer that reads the request, says this and closes or keeps the connection.
  SeenAnswer answered(std::string words, bool close, net::HttpRequest request = {}) {
    SeenAnswer seen;
    bool done = false;
    HttpPool pool(io_, settings());
    run(
        io_,
        [&]() -> awaitable<void> {
          Ask wanted;
          wanted.request = request;
          seen = co_await ask(pool, wanted);
          kept_ = pool.counts().idle;
          done = true;
        },
        [&]() -> awaitable<void> {
          const auto stream = co_await peer_.accept();
          (void)co_await read_request(*stream);
          (void)co_await stream->write_all(words, soon());
          if (close) stream->close();
          co_await test::until(io_, [&] { return done; });
        });
    return seen;
  }

  asio::io_context io_;
  test::ScriptedPeer peer_{io_};
  std::size_t kept_ = 0;
};

TEST_F(HttpClient, BodiesOfEveryFramingArrive) {
  EXPECT_EQ(answered("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", false).body, "abc");
  EXPECT_EQ(kept_, 1u);
  EXPECT_EQ(
      answered(
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\nT: 1\r\n\r\n",
          false)
          .body,
      "abc");
  EXPECT_EQ(kept_, 1u);
  EXPECT_EQ(answered("HTTP/1.1 200 OK\r\n\r\nabc", true).body, "abc");
  EXPECT_EQ(kept_, 0u);
}

TEST_F(HttpClient, AnAnswerWithoutABodyEndsAtItsHead) {
  net::HttpRequest head;
  head.method = "HEAD";
  EXPECT_EQ(answered("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", false, head).status, 200u);
  EXPECT_EQ(kept_, 1u);
  EXPECT_EQ(answered("HTTP/1.1 204 No Content\r\n\r\n", false).status, 204u);
  EXPECT_EQ(kept_, 1u);
  EXPECT_EQ(answered("HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", false).status, 304u);
  EXPECT_EQ(kept_, 1u);
}

TEST_F(HttpClient, InterimAnswersAreSkippedAndRedirectsAreNotFollowed) {
  const auto seen = answered(
      "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 302 Found\r\nLocation: /y\r\nContent-Length: "
      "0\r\n\r\n",
      false);
  EXPECT_EQ(seen.status, 302u);
  EXPECT_EQ(answered("HTTP/1.1 101 Switching Protocols\r\n\r\n", false).error, HttpError::malformed);
}

TEST_F(HttpClient, ACutAnswerIsTruncatedNotEnded) {
  for (const char* words :
       {"HTTP/1.1 200 OK\r\nContent-Len", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"}) {
    const auto seen = answered(words, true);
    EXPECT_EQ(seen.error, HttpError::truncated) << words;
    EXPECT_TRUE(seen.touched);
    EXPECT_EQ(kept_, 0u);
  }
}

TEST_F(HttpClient, AnAnswerThatBreaksTheRulesIsRefusedInWords) {
  for (std::string words :
       {"<html>", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"}) {
    const auto seen = answered(words, false);
    EXPECT_EQ(seen.error, HttpError::malformed) << words;
    EXPECT_NE(seen.trouble.find(": "), std::string::npos) << seen.trouble;
  }
  EXPECT_EQ(answered("HTTP/1.1 200 OK\r\n" + std::string(100'000, 'x'), false).error, HttpError::malformed);
}

TEST_F(HttpClient, BytesBehindAnAnswerCloseTheConnection) {
  EXPECT_EQ(answered(std::string(kOk) + "HTTP/1.1 200 OK\r\n", false).body, "ok");
  EXPECT_EQ(kept_, 0u);
}

TEST_F(HttpClient, ConnectionCloseIsObeyed) {
  EXPECT_EQ(answered("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", false).status,
            200u);
  EXPECT_EQ(kept_, 0u);
}

TEST_F(HttpClient, AFreshConnectionThatClosesWithoutAnAnswerIsNotCalledStale) {
  const auto seen = answered("", true);
  EXPECT_EQ(seen.error, HttpError::closed);
  EXPECT_TRUE(seen.touched);
}

TEST_F(HttpClient, AnUnreachableUpstreamIsToldWithItsAddress) {
  HttpPool pool(io_, settings());
  const std::string port = std::to_string(peer_.port());
  peer_.stop_listening();
  SeenAnswer seen;
  run(io_, [&]() -> awaitable<void> { seen = co_await ask(pool, Ask()); });
  EXPECT_EQ(seen.error, asio::error::connection_refused);
  EXPECT_NE(seen.trouble.find("127.0.0.1:" + port), std::string::npos) << seen.trouble;
  EXPECT_FALSE(seen.touched);
  EXPECT_EQ(pool.counts().busy, 0u);
}

TEST_F(HttpClient, SilenceEndsAtTheFirstBytesDeadlineAndThenAtThatBetweenPieces) {
  HttpPool pool(io_, settings());
  SeenAnswer silent, stuck;
  bool done = false;
  run(
      io_,
      [&]() -> awaitable<void> {
        Ask quick;
        quick.deadline = SteadyClock::now() + std::chrono::milliseconds(30);
        silent = co_await ask(pool, quick);
        HttpCall call(pool);
        net::BuiltRequest built;
        net::HttpRequest request;
        request.host = "h";
        net::build_request(request, built);
        EXPECT_FALSE(co_await call.open({}, soon()));
        EXPECT_FALSE(co_await call.send(built, "", soon()));
        EXPECT_FALSE(co_await call.read_head(soon()));
        auto piece = co_await call.read_body(soon());
        EXPECT_EQ(piece.data, "a");
        piece = co_await call.read_body(SteadyClock::now() + std::chrono::milliseconds(5));
        EXPECT_EQ(piece.error, asio::error::timed_out);
        done = true;
      },
      [&]() -> awaitable<void> {
        const auto first = co_await peer_.accept();
        const auto second = co_await peer_.accept();
        (void)co_await read_request(*second);
        co_await say(*second, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na");
        co_await test::until(io_, [&] { return done; });
      });
  EXPECT_EQ(silent.error, asio::error::timed_out);
  EXPECT_TRUE(silent.touched);
}

TEST_F(HttpClient, SendingToAPeerThatDoesNotReadEndsAtItsDeadline) {
  HttpPool pool(io_, settings());
  SeenAnswer seen;
  run(
      io_,
      [&]() -> awaitable<void> {
        Ask wanted;
        wanted.request.method = "POST";
        wanted.body.assign(32u << 20, 'x');
        wanted.deadline = SteadyClock::now() + std::chrono::milliseconds(50);
        seen = co_await ask(pool, wanted);
      },
      [&]() -> awaitable<void> {
        const auto stream = co_await peer_.accept();
        co_await test::until(io_, [&] { return seen.error.failed(); });
      });
  EXPECT_EQ(seen.error, asio::error::timed_out);
  EXPECT_TRUE(seen.touched);
  EXPECT_EQ(pool.counts().busy, 0u);
}

TEST_F(HttpClient, AChunkedRequestIsFramedPieceByPiece) {
  HttpPool pool(io_, settings());
  std::string got;
  run(
      io_,
      [&]() -> awaitable<void> {
        HttpCall call(pool);
        net::BuiltRequest built;
        net::HttpRequest request;
        request.method = "POST";
        request.host = "h";
        request.chunked = true;
        net::build_request(request, built);
        EXPECT_FALSE(co_await call.open({}, soon()));
        EXPECT_FALSE(co_await call.send(built, "0123456789abcdef", soon()));
        EXPECT_FALSE(co_await call.send_body("", soon()));
        EXPECT_FALSE(co_await call.send_body("x", soon()));
        EXPECT_FALSE(co_await call.end_body(soon()));
        EXPECT_FALSE(co_await call.read_head(soon()));
        EXPECT_EQ((co_await call.read_body(soon())).data, "ok");
        EXPECT_TRUE((co_await call.read_body(soon())).data.empty());
        call.finish();
        EXPECT_EQ(pool.counts().idle, 1u);
      },
      [&]() -> awaitable<void> {
        const auto stream = co_await peer_.accept();
        while (!got.ends_with("0\r\n\r\n"))
          got += co_await test::read_bytes(*stream, 1);
        co_await say(*stream, kOk);
      });
  EXPECT_EQ(got,
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
            "chunked\r\n\r\n10\r\n0123456789abcdef\r\n1\r\nx\r\n0\r\n\r\n");
}

TEST_F(HttpClient, NoMoreBodyLeavesThanTheHeadAnnounced) {
  HttpPool pool(io_, settings());
  std::string got;
  run(
      io_,
      [&]() -> awaitable<void> {
        HttpCall call(pool);
        net::BuiltRequest built;
        net::HttpRequest request;
        request.method = "POST";
        request.host = "h";
        request.content_length = 2;
        net::build_request(request, built);
        EXPECT_FALSE(co_await call.open({}, soon()));
        EXPECT_EQ(co_await call.send(built, "abc", soon()), HttpError::wrong_length);
        EXPECT_FALSE(call.touched());
        EXPECT_FALSE(co_await call.send(built, "a", soon()));
        EXPECT_EQ(co_await call.send_body("bc", soon()), HttpError::wrong_length);
        EXPECT_FALSE(co_await call.read_head(soon()));
        EXPECT_EQ((co_await call.read_body(soon())).data, "ok");
        call.finish();
        EXPECT_EQ(pool.counts().idle, 0u) << "half a request stands on it";
      },
      [&]() -> awaitable<void> {
        const auto stream = co_await peer_.accept();
        got = co_await read_request(*stream);
        co_await say(*stream, kOk);
      });
  EXPECT_TRUE(got.ends_with("\r\n\r\na"));
}

// `close`: the peer closes behind its answer, so that writing ends with a reset.
SeenAnswer early_answer(asio::io_context& io, test::ScriptedPeer& peer, HttpPool& pool, bool close) {
  SeenAnswer seen;
  bool done = false;
  run(
      io,
      [&]() -> awaitable<void> {
        Ask wanted;
        wanted.request.method = "POST";
        wanted.body.assign(32u << 20, 'x');
        seen = co_await ask(pool, wanted);
        done = true;
      },
      [&]() -> awaitable<void> {
        const auto stream = co_await peer.accept();
        (void)co_await read_request(*stream);
        co_await say(*stream, "HTTP/1.1 103 Early Hints\r\n\r\n");
        co_await say(*stream, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig");
        if (close) stream->close();
        co_await test::until(io, [&] { return done; });
      });
  return seen;
}

TEST_F(HttpClient, AnEarlyAnswerIsReadWhileTheBodyIsStillLeaving) {
  for (const bool close : {false, true}) {
    HttpPool pool(io_, settings());
    const auto seen = early_answer(io_, peer_, pool, close);
    EXPECT_FALSE(seen.error) << seen.trouble;
    EXPECT_EQ(seen.status, 413u);
    EXPECT_EQ(seen.body, "big");
    EXPECT_EQ(pool.counts().idle, 0u);
  }
}

TEST_F(HttpClient, ALongBodyComesWholeWhateverThePieces) {
  std::string body(3u << 20, '\0');
  for (std::size_t i = 0; i < body.size(); ++i)
    body[i] = static_cast<char>(i * 2654435761u >> 13);
  const auto seen = answered(
      "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body, false);
  EXPECT_FALSE(seen.error);
  EXPECT_TRUE(seen.body == body);
  EXPECT_EQ(kept_, 1u);
}

}  // namespace
}  // namespace bridge55
