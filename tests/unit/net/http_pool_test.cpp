#include "tests/unit/net/run.hpp"
#include "tests/unit/net/scripted_peer.hpp"

#include <optional>
#include <vector>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

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

class HttpPoolTest : public ::testing::Test {
 protected:
  HttpPool::Settings settings() {
    HttpPool::Settings settings;
    settings.url = peer_.url();
    settings.environment = [](const char*) { return std::string(); };
    return settings;
  }
  // Answers every request on one connection until the client is done with it.
  awaitable<void> serve() {
    const auto stream = co_await peer_.accept();
    while (!(co_await read_request(*stream)).empty())
      co_await say(*stream, kOk);
  }
  // A call that has its connection and waits for nothing.
  awaitable<void> hold(HttpCall& call, HttpCall::Lease lease = {}) {
    const auto error = co_await call.open(lease, soon());
    EXPECT_FALSE(error) << error.message();
  }

  asio::io_context io_;
  test::ScriptedPeer peer_{io_};
};

TEST_F(HttpPoolTest, AConnectionServesManyRequests) {
  HttpPool pool(io_, settings());
  run(
      io_,
      [&]() -> awaitable<void> {
        for (int i = 0; i < 5; ++i) {
          const SeenAnswer seen = co_await ask(pool, Ask());
          EXPECT_EQ(seen.body, "ok");
          EXPECT_EQ(seen.reused, i > 0);
        }
        EXPECT_EQ(pool.counts().reused, 4u);
        EXPECT_EQ(pool.counts().opened, 1u);
        pool.close();
      },
      [&]() -> awaitable<void> { co_await serve(); });
}

// One answer, then what `ending` does to the connection; the second request must go over a new one.
void second_request_avoids(asio::io_context& io, test::ScriptedPeer& peer, HttpPool::Settings settings,
                           std::function<void(net::Stream&)> ending) {
  HttpPool pool(io, std::move(settings));
  bool ended = false;
  run(
      io,
      [&]() -> awaitable<void> {
        EXPECT_FALSE((co_await ask(pool, Ask())).error);
        co_await test::until(io, [&] { return ended; });
        const SeenAnswer second = co_await ask(pool, Ask());
        EXPECT_FALSE(second.error) << second.trouble;
        EXPECT_FALSE(second.reused);
      },
      [&]() -> awaitable<void> {
        const auto first = co_await peer.accept();
        (void)co_await read_request(*first);
        co_await say(*first, kOk);
        co_await test::until(io, [&] { return pool.counts().idle == 1; });
        ending(*first);
        ended = true;
        const auto second = co_await peer.accept();
        (void)co_await read_request(*second);
        co_await say(*second, kOk);
      });
}

TEST_F(HttpPoolTest, AnIdleConnectionThatWasClosedIsNotUsed) {
  second_request_avoids(io_, peer_, settings(), [](net::Stream& stream) { stream.close(); });
  second_request_avoids(io_, peer_, settings(), [](net::Stream& stream) { stream.reset(); });
}

TEST_F(HttpPoolTest, AnIdleConnectionThatSpeaksUnaskedIsNotUsed) {
  second_request_avoids(io_, peer_, settings(), [](net::Stream& stream) {
    const iovec words{const_cast<char*>("HTTP/1.1 408 Timeout\r\n\r\n"), 24};
    EXPECT_FALSE(stream.try_write({&words, 1}).error);
  });
}

TEST_F(HttpPoolTest, AnIdleConnectionThatIsTooOldIsNotUsed) {
  auto aged = settings();
  aged.idle_timeout = config::Duration(0);
  HttpPool pool(io_, aged);
  run(
      io_,
      [&]() -> awaitable<void> {
        EXPECT_FALSE((co_await ask(pool, Ask())).error);
        EXPECT_FALSE((co_await ask(pool, Ask())).reused);
        co_await test::until(io_, [&] { return pool.counts().idle == 0; });
      },
      [&]() -> awaitable<void> { co_await serve(); }, [&]() -> awaitable<void> { co_await serve(); });
}

TEST_F(HttpPoolTest, AConnectionThatClosesAsTheRequestLeavesIsStale) {
  HttpPool pool(io_, settings());
  run(
      io_,
      [&]() -> awaitable<void> {
        EXPECT_FALSE((co_await ask(pool, Ask())).error);
        const SeenAnswer second = co_await ask(pool, Ask());
        EXPECT_EQ(second.error, HttpError::stale);
        EXPECT_TRUE(second.touched);
        Ask again;
        again.lease.fresh = true;
        EXPECT_FALSE((co_await ask(pool, again)).error);
        pool.close();
      },
      [&]() -> awaitable<void> {
        const auto first = co_await peer_.accept();
        (void)co_await read_request(*first);
        co_await say(*first, kOk);
        (void)co_await read_request(*first);
        first->close();
        co_await serve();
      });
}

TEST_F(HttpPoolTest, RetiredConnectionsAreNotUsedAgain) {
  HttpPool pool(io_, settings());
  run(
      io_,
      [&]() -> awaitable<void> {
        HttpCall held(pool);
        co_await hold(held);
        pool.retire_idle();
        net::BuiltRequest built;
        net::HttpRequest request;
        request.host = "h";
        net::build_request(request, built);
        EXPECT_FALSE(co_await held.send(built, "", soon()));
        EXPECT_FALSE(co_await held.read_head(soon()));
        EXPECT_EQ((co_await held.read_body(soon())).data, "ok");
        held.finish();
        EXPECT_EQ(pool.counts().idle, 0u);
      },
      [&]() -> awaitable<void> { co_await serve(); });
}

TEST_F(HttpPoolTest, TheCapIsKeptFirstComeFirstServed) {
  auto narrow = settings();
  narrow.cap = 1;
  HttpPool pool(io_, narrow);
  std::vector<int> order;
  std::optional<HttpCall> first(std::in_place, pool);
  const auto wait_in_line = [&](int number) -> awaitable<void> {
    HttpCall call(pool);
    co_await hold(call);
    order.push_back(number);
    EXPECT_EQ(pool.counts().busy, 1u);
  };
  run(
      io_,
      [&]() -> awaitable<void> {
        co_await hold(*first);
        co_await test::until(io_, [&] { return pool.counts().waiting == 3; });
        HttpCall urgent(pool);
        co_await hold(urgent, {.beyond_cap = true});
        EXPECT_EQ(pool.counts().busy, 2u);
        EXPECT_EQ(pool.counts().waiting, 3u);
        urgent.finish();
        EXPECT_EQ(pool.counts().waiting, 3u);
        first.reset();
      },
      [&]() -> awaitable<void> {
        co_await test::until(io_, [&] { return pool.counts().busy == 1; });
        co_await wait_in_line(1);
      },
      [&]() -> awaitable<void> {
        co_await test::until(io_, [&] { return pool.counts().waiting == 1; });
        co_await wait_in_line(2);
      },
      [&]() -> awaitable<void> {
        co_await test::until(io_, [&] { return pool.counts().waiting == 2; });
        co_await wait_in_line(3);
      });
  EXPECT_EQ(order, (std::vector{1, 2, 3}));
  EXPECT_EQ(pool.counts().busy, 0u);
}

TEST_F(HttpPoolTest, AWaitUnderTheCapEndsAtItsDeadline) {
  auto narrow = settings();
  narrow.cap = 0;
  HttpPool pool(io_, narrow);
  run(io_, [&]() -> awaitable<void> {
    HttpCall call(pool);
    const auto error = co_await call.open({}, SteadyClock::now() + std::chrono::milliseconds(1));
    EXPECT_EQ(error, net::HttpError::crowded);
    EXPECT_EQ(pool.counts().waiting, 0u);
  });
}

TEST_F(HttpPoolTest, CancelEndsEveryKindOfWait) {
  auto narrow = settings();
  narrow.cap = 1;
  HttpPool pool(io_, narrow);
  HttpCall answering(pool), waiting(pool);
  int aborted = 0;
  run(
      io_,
      [&]() -> awaitable<void> {
        const SeenAnswer seen = co_await ask(answering, pool, Ask());
        EXPECT_EQ(seen.error, asio::error::operation_aborted);
        EXPECT_EQ((co_await answering.read_body(soon())).error, asio::error::operation_aborted);
        ++aborted;
      },
      [&]() -> awaitable<void> {
        const SeenAnswer seen = co_await ask(waiting, pool, Ask());
        EXPECT_EQ(seen.error, asio::error::operation_aborted);
        ++aborted;
      },
      [&]() -> awaitable<void> {
        const auto stream = co_await peer_.accept();
        (void)co_await read_request(*stream);
        waiting.cancel();
        co_await test::until(io_, [&] { return aborted == 1; });
        answering.cancel();
        co_await test::until(io_, [&] { return aborted == 2; });
      });
}

TEST_F(HttpPoolTest, APoolThatGoesEndsItsCallsWhichMayOutliveIt) {
  auto narrow = settings();
  narrow.cap = 1;
  auto pool = std::make_unique<HttpPool>(io_, narrow);
  HttpCall answering(*pool), waiting(*pool);
  const auto aborts = [&](HttpCall& call) -> awaitable<void> {
    net::BuiltRequest built;
    net::HttpRequest request;
    request.host = "h";
    net::build_request(request, built);
    net::error_code error = co_await call.open({}, soon());
    if (!error) error = co_await call.send(built, "", soon());
    if (!error) error = co_await call.read_head(soon());
    EXPECT_EQ(error, asio::error::operation_aborted);
    EXPECT_EQ(co_await call.open({}, soon()), asio::error::operation_aborted);
  };
  run(
      io_, [&]() -> awaitable<void> { co_await aborts(answering); },
      [&]() -> awaitable<void> { co_await aborts(waiting); },
      [&]() -> awaitable<void> {
        const auto stream = co_await peer_.accept();
        (void)co_await read_request(*stream);
        pool.reset();
      });
}

TEST_F(HttpPoolTest, CoroutinesThatAreDestroyedWhileTheyWaitLeaveNothingBehind) {
  auto narrow = settings();
  narrow.cap = 1;
  auto loop = std::make_unique<asio::io_context>();
  HttpPool pool(*loop, narrow);
  for (int i = 0; i < 3; ++i) {
    asio::co_spawn(
        *loop, [&]() -> awaitable<void> { (void)co_await ask(pool, Ask()); }, [](std::exception_ptr) {});
  }
  while (pool.counts().waiting < 2)
    loop->poll_one();
  const int before = static_cast<int>(pool.counts().busy);
  EXPECT_EQ(before, 1);
}

}  // namespace
}  // namespace bridge55
