// Beginning and ending: proxies, keys, stop, pause.
#include "tests/unit/upstream/ws_session_fixture.hpp"

namespace bridge55 {
namespace {

using test::awaitable;
using test::UpstreamKind;
using test::WsSessionTest;

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
