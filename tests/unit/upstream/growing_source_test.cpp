// Two real sessions over loopback while the second takes over from the first.
#include "bridges/upstream/growing_source.hpp"

#include "tests/unit/upstream/ws_session_fixture.hpp"

namespace bridge55 {
namespace {

using test::awaitable;
using test::Peer;
using test::WsSessionTest;
using upstream::GrowingSource;

class GrowingSourceTest : public WsSessionTest {
 protected:
  void start() {
    auto settings = test::upstream_of(config::UpstreamKind::abp, "abp");
    settings.ws_url = vendor.url();
    settings.channels = {"orders"};
    settings.reliable_delivery = true;
    growing = std::make_unique<GrowingSource>(GrowingSource::Parts{io, host, metrics, ""}, settings);
    growing->start();
  }
  awaitable<std::unique_ptr<Peer>> log_in(const char* answer = kLoginOk) {
    auto peer = co_await vendor.accept();
    co_await peer->upgrade();
    co_await peer->next();
    co_await peer->send(answer);
    co_return peer;
  }
  void grow(const char* channel) {
    growing->grow(
        [channel] {
          return std::vector<std::string>{"orders", channel};
        },
        [this](upstream::Grown) { ++grown; });
  }
  // What the session says first when it is asked for a sign of life: what it had to say before comes before.
  static awaitable<std::string> next_word(Peer& peer) {
    co_await peer.send(R"({"type":"ping"})");
    co_return co_await peer.next();
  }
  awaitable<void> stop(Peer& one, Peer& other) {
    bool stopped = false;
    growing->stop([&stopped] { stopped = true; });
    one.stream().close();
    other.stream().close();
    co_await until([&stopped] { return stopped; });
  }
  bool published(const std::string& payload) const {
    return std::ranges::find(host.payloads, payload) != host.payloads.end();
  }
  static constexpr const char* kLoginOk = test::kLoginOk;
  static constexpr const char* kPong = R"({"type":"pong"})";

  std::unique_ptr<GrowingSource> growing;
  int grown = 0;
};

TEST_F(GrowingSourceTest, ATwinIsAcknowledgedOnlyOnceTheFirstCopyIsDurable) {
  start();
  test::run(io, [&]() -> awaitable<void> {
    auto first = co_await log_in();
    co_await first->send(data(1));
    co_await until([this] { return published("1"); });
    grow("bets");
    auto second = co_await log_in();
    co_await until([this] { return grown == 1; });
    co_await first->send(data(2));
    co_await until([this] { return published("2"); });
    co_await second->send(data(2));
    EXPECT_EQ(co_await next_word(*second), kPong);
    growing->durable(2);
    EXPECT_EQ(co_await second->next(), R"({"type":"ack","seq":2})");
    co_await first->send(data(3));
    co_await until([this] { return published("3"); });
    growing->durable(3);
    co_await second->send(data(3));
    EXPECT_EQ(co_await second->next(), R"({"type":"ack","seq":3})");
    EXPECT_EQ(metrics.render().find("duplicates_total{source=\"abp\"} 1"), std::string::npos);
    co_await stop(*first, *second);
  });
}

TEST_F(GrowingSourceTest, WhatWaitsForTheFirstSessionIsAcknowledgedOnceItIsToldAndDurable) {
  start();
  test::run(io, [&]() -> awaitable<void> {
    auto first = co_await log_in();
    co_await first->send(data(1));
    co_await until([this] { return published("1"); });
    growing->durable(1);
    grow("bets");
    auto second = co_await log_in();
    co_await until([this] { return grown == 1; });
    co_await second->send(data(2));
    EXPECT_EQ(co_await next_word(*second), kPong);
    EXPECT_FALSE(published("2"));
    co_await first->send(data(2));
    co_await until([this] { return published("2"); });
    EXPECT_EQ(co_await next_word(*second), kPong);
    growing->durable(2);
    EXPECT_EQ(co_await second->next(), R"({"type":"ack","seq":2})");
    // The first breaks: what it never brought is told at once.
    co_await second->send(data(3));
    EXPECT_EQ(co_await next_word(*second), kPong);
    first->stream().close();
    co_await until([this] { return published("3"); });
    EXPECT_EQ(co_await next_word(*second), kPong);
    growing->durable(3);
    EXPECT_EQ(co_await second->next(), R"({"type":"ack","seq":3})");
    co_await stop(*first, *second);
  });
}

// The first breaks in the turn of the loop in which the overlap's timer notices it too; the next growth
// begins.
TEST_F(GrowingSourceTest, OneBreakReplacesOneSession) {
  start();
  test::run(io, [&]() -> awaitable<void> {
    auto first = co_await log_in();
    grow("bets");
    auto second = co_await log_in();
    co_await until([this] { return grown == 1; });
    grow("balance");
    first->stream().close();
    const SteadyTime due = SteadyClock::now() + std::chrono::milliseconds(300);
    while (SteadyClock::now() < due) {
    }
    auto third = co_await log_in();
    co_await until([this] { return grown == 2; });
    co_await second->send(data(1));
    co_await until([this] { return published("1"); });
    EXPECT_EQ(growing->statuses().size(), 2u);
    co_await stop(*second, *third);
  });
}

TEST_F(GrowingSourceTest, WhatWaitsForTheFirstSessionIsToldWhenTheDaemonStopsInTheMiddle) {
  start();
  test::run(io, [&]() -> awaitable<void> {
    auto first = co_await log_in();
    grow("bets");
    auto second = co_await log_in();
    co_await until([this] { return grown == 1; });
    co_await second->send(data(1));
    EXPECT_EQ(co_await next_word(*second), kPong);
    EXPECT_FALSE(published("1"));
    co_await stop(*first, *second);
    EXPECT_TRUE(published("1"));
  });
}

TEST_F(GrowingSourceTest, ASecondSessionThatIsGrantedNoMoreThanTheFirstGoesAndTheFirstStays) {
  constexpr const char* kOrders =
      R"({"type":"login_ok","subscriptionId":1,"channels":["orders","emergency"]})";
  start();
  test::run(io, [&]() -> awaitable<void> {
    auto first = co_await log_in(kOrders);
    grow("nonsense");
    auto second = co_await log_in(kOrders);
    co_await second->send(data(1));
    co_await until([this] { return grown == 1; });
    co_await until([this] { return growing->statuses().size() == 1; });
    co_await first->send(data(1));
    co_await first->send(data(2));
    co_await until([this] { return published("2"); });
    EXPECT_EQ(host.payloads, (std::vector<std::string>{"1", "2"}));
    EXPECT_EQ(growing->status().slot, 0u);
    co_await stop(*first, *second);
  });
}

TEST_F(GrowingSourceTest, AGrowthThatWaitsFetchesItsChannelsWhenItBegins) {
  start();
  test::run(io, [&]() -> awaitable<void> {
    auto first = co_await log_in();
    grow("bets");
    auto second = co_await log_in();
    co_await until([this] { return grown == 1; });
    std::vector<std::string> wanted{"orders"};
    growing->grow([&wanted] { return wanted; }, [this](upstream::Grown) { ++grown; });
    wanted.emplace_back("balance");
    first->stream().close();
    auto third = co_await vendor.accept();
    co_await third->upgrade();
    const std::string asked = co_await third->next();
    EXPECT_NE(asked.find(R"("channels":["orders","balance","emergency"])"), std::string::npos) << asked;
    co_await third->send(kLoginOk);
    co_await until([this] { return grown == 2; });
    co_await stop(*second, *third);
  });
}

}  // namespace
}  // namespace bridge55
