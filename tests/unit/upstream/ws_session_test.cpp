#include "bridges/upstream/make_source.hpp"
#include "tests/unit/net/run.hpp"
#include "tests/unit/upstream/scripted_vendor.hpp"
#include "tests/unit/upstream/support.hpp"

#include <functional>

#include <gtest/gtest.h>

namespace bridge55 {
namespace {

using namespace std::chrono_literals;
using bridges::SessionState;
using config::UpstreamKind;
using net::awaitable;

constexpr const char* kLoginOk =
    R"({"type":"login_ok","subscriptionId":1,"features":{"acknowledgments":true}})";

class Host final : public bridges::SourceHost {
 public:
  events::EventId publish(const events::Facts& facts, bool) override {
    payloads.emplace_back(facts.payload);
    return payloads.size();
  }
  void say(std::string_view channel, std::string_view event, std::string_view payload,
           std::string_view source) override {
    said.push_back({std::string(channel), std::string(event), std::string(payload)});
    sources.emplace_back(source);
  }
  void flush() override { ++flushes; }
  bool must_pause() const override { return full; }

  std::vector<std::string> payloads, sources;
  std::vector<test::Said> said;
  int flushes = 0;
  bool full = false;
};

class WsSessionTest : public ::testing::Test {
 protected:
  void start(UpstreamKind kind = UpstreamKind::abp,
             const std::function<void(config::Upstream&)>& change = {}) {
    auto settings = test::upstream_of(kind, "abp");
    settings.ws_url = vendor.url();
    settings.reliable_delivery = true;
    settings.retry.backoff = 1ms;
    settings.retry.max_backoff = 2ms;
    if (change) change(settings);
    source = bridges::make_source(io, settings, host, metrics);
    source->start();
  }
  // Ends the session, whatever the script left it in.
  awaitable<void> stop() {
    bool stopped = false;
    source->stop([&stopped] { stopped = true; });
    if (const auto peer = last_peer.lock())
      peer->stream().close();  // or the session waits for the answer to its close
    while (!stopped)
      co_await turn();
  }
  awaitable<void> turn() { co_await boost::asio::post(io, boost::asio::use_awaitable); }
  awaitable<void> until(std::function<bool()> condition) {
    const SteadyTime limit = test::soon();
    while (!condition() && SteadyClock::now() < limit)
      co_await turn();
    EXPECT_TRUE(condition());
  }
  // A peer that is logged in.
  awaitable<std::shared_ptr<test::Peer>> accept() {
    std::shared_ptr<test::Peer> peer = co_await vendor.accept();
    last_peer = peer;
    co_return peer;
  }
  awaitable<std::shared_ptr<test::Peer>> logged_in() {
    auto peer = co_await accept();
    co_await peer->upgrade();
    login = co_await peer->next();
    co_await peer->send(kLoginOk);
    co_await until([this] { return source->status().state == SessionState::up; });
    co_return peer;
  }
  static std::string data(int seq) {
    return R"({"type":"data","channel":"orders","event":"UPDATE","payload":)" + std::to_string(seq) +
           R"(,"ts":1,"seq":)" + std::to_string(seq) + "}";
  }

  boost::asio::io_context io;
  metrics::Registry metrics;
  Host host;
  test::ScriptedVendor vendor{io};
  std::unique_ptr<bridges::Source> source;
  std::weak_ptr<test::Peer> last_peer;
  std::string login;
};

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
    co_await stop();
  });
  EXPECT_NE(metrics.render().find("bridge55_session_up{source=\"abp\"} 0"), std::string::npos);
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

TEST_F(WsSessionTest, StopClosesWith1000AndTellsOnce) {
  start();
  int told = 0;
  test::run(io, [&]() -> awaitable<void> {
    auto peer = co_await logged_in();
    source->stop([&told] { ++told; });
    EXPECT_EQ(co_await peer->next(), "close 1000");
    co_await peer->write(ws::close_frame(ws::Role::server, 1000, ""));
    EXPECT_EQ(co_await peer->next(), "end");
    co_await until([&told] { return told == 1; });
  });
  EXPECT_EQ(told, 1);
}

TEST_F(WsSessionTest, StopWorksAtEveryStepOfConnecting) {
  for (int step = 0; step < 4; ++step) {
    start();
    test::run(io, [&]() -> awaitable<void> {
      if (step == 0) {
        co_await stop();
        co_return;
      }
      auto peer = co_await accept();
      if (step >= 2) co_await peer->upgrade();
      if (step == 3) co_await peer->next();
      co_await turn();
      co_await stop();
    });
    source.reset();
    io.restart();
    io.poll();
  }
}

TEST_F(WsSessionTest, ASourceThatIsDestroyedLeavesItsHostAlone) {
  start();
  std::size_t said = 0;
  test::run(io, [&]() -> awaitable<void> {
    auto peer = co_await logged_in();
    said = host.said.size();
    source.reset();
    co_await peer->send(data(1));
    for (int i = 0; i < 20; ++i)
      co_await turn();
  });
  io.poll();
  EXPECT_EQ(host.said.size(), said);
  EXPECT_TRUE(host.payloads.empty());
}

TEST_F(WsSessionTest, NothingIsReadWhileTheHostIsFull) {
  start();
  test::run(io, [&]() -> awaitable<void> {
    auto peer = co_await logged_in();
    host.full = true;
    co_await peer->send(data(1));  // wakes the reader, which then pauses
    for (int i = 0; i < 50; ++i)
      co_await turn();
    EXPECT_TRUE(host.payloads.empty());
    host.full = false;
    source->resume();
    co_await until([this] { return host.payloads.size() == 1; });
    co_await stop();
  });
}

TEST_F(WsSessionTest, AFeedSendsItsKeyAsTheNamedHeaderAndTheVendorsDoNot) {
  start(UpstreamKind::websocket, [](config::Upstream& settings) {
    settings.auth_header = "X-Token";
    settings.auth_header_given = true;
    settings.login = R"({"op":"subscribe"})";
  });
  test::run(io, [&]() -> awaitable<void> {
    auto peer = co_await accept();
    const std::string head = co_await peer->upgrade();
    EXPECT_NE(head.find("X-Token: canary-key\r\n"), std::string::npos);
    EXPECT_EQ(co_await peer->next(), R"({"op":"subscribe"})");
    co_await stop();
  });
  source.reset();
  start();
  test::run(io, [&]() -> awaitable<void> {
    auto peer = co_await accept();
    const std::string head = co_await peer->upgrade();
    EXPECT_EQ(head.find("canary-key"), std::string::npos);
    co_await stop();
  });
}

TEST_F(WsSessionTest, GoesThroughAProxyThatTheConfigNames) {
  start(UpstreamKind::abp, [](config::Upstream& settings) {
    settings.proxy =
        config::Secret("http://user:secret@" + settings.ws_url.substr(5, settings.ws_url.size() - 8));
    settings.ws_url = "ws://vendor.invalid:8443/ws";
  });
  test::run(io, [&]() -> awaitable<void> {
    auto peer = co_await accept();
    const std::string connect = co_await peer->read_head();
    EXPECT_TRUE(connect.starts_with("CONNECT vendor.invalid:8443 HTTP/1.1\r\n"));
    EXPECT_NE(connect.find("Proxy-Authorization: Basic dXNlcjpzZWNyZXQ="), std::string::npos);
    co_await peer->write("HTTP/1.1 200 OK\r\n\r\n");
    const std::string head = co_await peer->upgrade();
    EXPECT_NE(head.find("Host: vendor.invalid:8443\r\n"), std::string::npos);
    co_await stop();
  });
}

}  // namespace
}  // namespace bridge55
