#include "tests/unit/upstream/ws_session_fixture.hpp"

namespace bridge55 {
namespace {

using test::awaitable;
using test::SessionState;
using test::UpstreamKind;
using test::WsSessionTest;

TEST_F(WsSessionTest, LogsInPublishesAndFlushesOnceABatch) {
  start();
  test::run(io, [&]() -> awaitable<void> {
    auto peer = co_await logged_in();
    EXPECT_EQ(login, R"({"type":"login","apiKey":"canary-key","channels":[],"reliableDelivery":true})");
    std::string batch;
    for (int i = 1; i <= 200; ++i)
      batch += ws::frame(ws::Role::server, ws::Kind::text, data(i));
    const int before = host.flushes;
    co_await peer->write(batch);
    co_await until([this] { return host.payloads.size() == 200; });
    EXPECT_LT(host.flushes - before, 20);
    EXPECT_EQ(source->status().seq, "200");
    EXPECT_NE(metrics.render().find("bridge55_session_up{source=\"abp\"} 1"), std::string::npos);
    co_await stop();
  });
}

TEST_F(WsSessionTest, FramesThatComeWithTheUpgradesAnswerAreNotLost) {
  start(UpstreamKind::websocket);
  test::run(io, [&]() -> awaitable<void> {
    auto peer = co_await accept();
    const std::string head = co_await peer->read_head();
    const std::size_t at = head.find("Key: ") + 5;
    co_await peer->write(
        "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
        ws::accept_value(head.substr(at, 24)) + "\r\n\r\n" +
        ws::frame(ws::Role::server, ws::Kind::text, "[1]"));
    co_await until([this] { return host.payloads.size() == 1; });
    co_await stop();
  });
}

TEST_F(WsSessionTest, AcksFollowTheCommit) {
  start();
  test::run(io, [&]() -> awaitable<void> {
    auto peer = co_await logged_in();
    co_await peer->send(data(1));
    co_await peer->send(data(2));
    co_await until([this] { return host.payloads.size() == 2; });
    source->durable(2);
    EXPECT_EQ(co_await peer->next(), R"({"type":"ack","seq":1})");
    EXPECT_EQ(co_await peer->next(), R"({"type":"ack","seq":2})");
    co_await stop();
  });
}

TEST_F(WsSessionTest, PingsAreAnsweredWhileIdle) {
  start();
  test::run(io, [&]() -> awaitable<void> {
    auto peer = co_await logged_in();
    co_await peer->send(R"({"type":"ping"})");
    EXPECT_EQ(co_await peer->next(), R"({"type":"pong"})");
    co_await peer->write(ws::frame(ws::Role::server, ws::Kind::ping, "hi"));
    EXPECT_EQ(co_await peer->next(), "pong hi");
    co_await stop();
  });
}

TEST_F(WsSessionTest, ABrokenConnectionIsMadeAgainAndTheGapIsSaid) {
  start();
  test::run(io, [&]() -> awaitable<void> {
    auto first = co_await logged_in();
    first->stream().reset();
    co_await until([this] { return source->status().state != SessionState::up; });
    EXPECT_NE(metrics.render().find("bridge55_session_up{source=\"abp\"} 0"), std::string::npos);
    auto second = co_await logged_in();
    co_await second->send(data(1));
    co_await until([this] { return host.payloads.size() == 1; });
    co_await stop();
  });
  std::vector<std::string> said;
  for (const auto& one : host.said)
    said.push_back(one.channel + " " + one.event);
  EXPECT_EQ(said, (std::vector<std::string>{"session CONNECTING", "session UP", "session DOWN",
                                            "gap DETECTED", "session CONNECTING", "session UP",
                                            "gap UNRECOVERED", "session DOWN"}));
  EXPECT_EQ(host.sources.at(0), "abp");
  EXPECT_NE(metrics.render().find("bridge55_session_reconnects_total{source=\"abp\",reason=\"reset\"} 1"),
            std::string::npos);
}

TEST_F(WsSessionTest, AFrameCutInTheMiddleIsNotPublished) {
  start();
  test::run(io, [&]() -> awaitable<void> {
    auto first = co_await logged_in();
    const std::string frame = ws::frame(ws::Role::server, ws::Kind::text, data(1));
    co_await first->write(frame.substr(0, frame.size() / 2));
    first->stream().close();
    auto second = co_await logged_in();
    co_await second->send(data(1));
    co_await until([this] { return host.payloads.size() == 1; });
    co_await stop();
  });
}

TEST_F(WsSessionTest, ARefusalIsShownAndNotTriedAgainSoon) {
  start();
  test::run(io, [&]() -> awaitable<void> {
    auto peer = co_await accept();
    co_await peer->upgrade();
    co_await peer->next();
    co_await peer->send(R"({"type":"error","message":"Connection limit exceeded"})");
    co_await until([this] { return source->status().state == SessionState::rejected; });
    EXPECT_EQ(source->status().reason, "Connection limit exceeded");
    source->resume();  // must not cut the wait short
    for (int i = 0; i < 50; ++i)
      co_await turn();
    EXPECT_EQ(source->status().reconnects, 0u);
    co_await stop();
  });
  EXPECT_EQ(host.said.at(1).at("retry_in_ms"), "60000");
}

TEST_F(WsSessionTest, AnUpgradeAnswered401IsARefusal) {
  start();
  test::run(io, [&]() -> awaitable<void> {
    auto peer = co_await accept();
    co_await peer->read_head();
    co_await peer->write("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
    co_await until([this] { return source->status().state == SessionState::rejected; });
    co_await stop();
  });
}

TEST_F(WsSessionTest, AViolationIsAnsweredWithItsCodeAndTheSessionMadeAgain) {
  start();
  test::run(io, [&]() -> awaitable<void> {
    auto peer = co_await logged_in();
    co_await peer->write(ws::frame(ws::Role::client, ws::Kind::text, "{}"));  // masked
    EXPECT_EQ(co_await peer->next(), "close 1002");
    peer->stream().close();
    auto next = co_await logged_in();
    co_await stop();
  });
}

TEST_F(WsSessionTest, ACloseOfThePeerIsAnswered) {
  start();
  test::run(io, [&]() -> awaitable<void> {
    auto peer = co_await logged_in();
    co_await peer->write(ws::close_frame(ws::Role::server, 1012, "restart"));
    EXPECT_EQ(co_await peer->next(), "close 1012");
    auto next = co_await logged_in();
    co_await stop();
  });
}

}  // namespace
}  // namespace bridge55
