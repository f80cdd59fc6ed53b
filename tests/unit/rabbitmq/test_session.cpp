// The sink against brokers that do what no real one does: every answer that a confirm can be, and bytes that
// make no sense.
#include "tests/support/sink_driver.hpp"
#include "tests/unit/rabbitmq/fake_broker.hpp"

#include <algorithm>
#include <chrono>
#include <mutex>

#include <gtest/gtest.h>

namespace bridge55::test {
namespace {

using bridges::SinkState;
using namespace std::chrono_literals;
using Ids = std::vector<std::string>;

config::Sink settings(const std::string& url) {
  config::Sink sink;
  sink.name = "rabbit";
  sink.urls = {config::Secret(url)};
  sink.declare = config::Declare::none;
  return sink;
}

// What a script has read, looked at by the test.
struct Seen {
  std::mutex mutex;
  std::vector<Ids> sessions;
  void add(const Ids& ids) {
    const std::lock_guard lock(mutex);
    sessions.push_back(ids);
  }
  std::vector<Ids> get() {
    const std::lock_guard lock(mutex);
    return sessions;
  }
};

// Publishes five events against a first session that answers with `answer`, then against one that confirms
// everything.
struct Outcome {
  std::vector<Ids> sessions;
  std::vector<events::EventId> confirmed;
  std::vector<std::pair<SinkState, std::string>> states;
};
Outcome five_events(const std::function<void(Peer&)>& answer,
                    std::chrono::milliseconds confirm_timeout = 30s) {
  Seen seen;
  FakeBroker broker([&](Peer& peer, int number) {
    Ids ids;
    if (!peer.log_in()) return;
    peer.read_messages(5, ids);
    seen.add(ids);
    if (number == 0) {
      answer(peer);
    } else {
      peer.send(ack(0, true));
    }
    peer.until_closed();
  });
  auto sink = settings(broker.url());
  sink.confirm_timeout = confirm_timeout;
  SinkDriver driver(sink);
  driver.feed(1, 5);
  EXPECT_TRUE(driver.until_confirmed(5)) << driver.reason;
  driver.stop(1s);
  return {seen.get(), driver.confirmed, driver.states};
}

const Ids kFive{"1", "2", "3", "4", "5"};

TEST(Session, ConfirmsInAnyOrderMoveTheCursorOnlyOverWhatIsContiguous) {
  const Outcome outcome = five_events([](Peer& peer) {
    peer.send(ack(3));
    peer.send(ack(2));
    peer.send(ack(1));
    peer.send(ack(1));
    peer.send(ack(5, true));
  });
  EXPECT_EQ(outcome.sessions, std::vector<Ids>{kFive});
  EXPECT_TRUE(std::is_sorted(outcome.confirmed.begin(), outcome.confirmed.end()));
  for (const auto id : outcome.confirmed)
    EXPECT_TRUE(id == 3 || id == 5) << id;
}

TEST(Session, ConfirmOfAnUnpublishedTagEndsTheSessionAndMovesNothing) {
  const Outcome outcome = five_events([](Peer& peer) { peer.send(ack(6, true)); });
  EXPECT_EQ(outcome.sessions, (std::vector<Ids>{kFive, kFive}));
}

TEST(Session, ConfirmThatNeverComesEndsTheSessionAndTheBatchIsSentAgain) {
  const Outcome outcome = five_events([](Peer&) {}, 300ms);
  EXPECT_EQ(outcome.sessions, (std::vector<Ids>{kFive, kFive}));
}

TEST(Session, RefusedMessagesAreSentAgainFromTheFirstOne) {
  Seen seen;
  FakeBroker broker([&](Peer& peer, int) {
    Ids ids;
    if (!peer.log_in() || !peer.read_messages(5, ids)) return;
    peer.send(ack(1) + ack(5) + nack(3) + ack(2) + ack(4));
    // One alone first, then the rest.
    if (!peer.read_messages(1, ids)) return;
    peer.send(ack(6));
    if (!peer.read_messages(2, ids)) return;
    peer.send(ack(8, true));
    seen.add(ids);
    peer.until_closed();
  });
  SinkDriver driver(settings(broker.url()));
  driver.feed(1, 5);
  ASSERT_TRUE(driver.until_confirmed(5)) << driver.reason;
  EXPECT_EQ(seen.get().at(0), (Ids{"1", "2", "3", "4", "5", "3", "4", "5"}));
  EXPECT_EQ(broker.connections(), 1);
}

TEST(Session, ChannelCloseIsSaidInTheBrokersWordsAndTheRestIsSentAgain) {
  const Outcome outcome = five_events([](Peer& peer) {
    peer.send(method(1, 20, 40, be(404, 2) + be(9, 1) + "NOT_FOUND" + be(60, 2) + be(40, 2)));
  });
  EXPECT_EQ(outcome.sessions, (std::vector<Ids>{kFive, kFive}));
  EXPECT_TRUE(std::any_of(outcome.states.begin(), outcome.states.end(), [](const auto& each) {
    return each.second.find("404 NOT_FOUND") != std::string::npos;
  }));
}

TEST(Session, BlockedBrokerGetsNothingUntilItIsUnblocked) {
  std::atomic<bool> unblock{false};
  Seen seen;
  FakeBroker broker([&](Peer& peer, int) {
    Ids ids;
    if (!peer.log_in()) return;
    peer.send(method(0, 10, 60, be(3, 1) + "low"));
    while (!unblock)
      std::this_thread::yield();
    peer.send(method(0, 10, 61));
    if (!peer.read_messages(5, ids)) return;
    seen.add(ids);
    peer.send(ack(0, true));
    peer.until_closed();
  });
  SinkDriver driver(settings(broker.url()));
  ASSERT_TRUE(driver.until_state(SinkState::blocked));
  EXPECT_EQ(driver.reason, "low");
  driver.feed(1, 5);
  unblock = true;
  ASSERT_TRUE(driver.until_confirmed(5));
  EXPECT_EQ(driver.state, SinkState::up);
}

TEST(Session, MalformedFramesEndTheConnectionAndNothingElse) {
  const std::string rubbish[] = {std::string(64, '\0'), "HTTP/1.1 400 Bad Request\r\n\r\n",
                                 be(1, 1) + be(1, 2) + be(0x7FFFFFFF, 4), method(1, 60, 80, "abc"),
                                 std::string(300'000, '\x03')};
  for (const std::string& bytes : rubbish) {
    const Outcome outcome = five_events([&](Peer& peer) { peer.send(bytes); });
    EXPECT_EQ(outcome.sessions, (std::vector<Ids>{kFive, kFive}));
  }
}

TEST(Session, RubbishInsteadOfALoginIsSurvived) {
  const std::string rubbish[] = {std::string(64, '\0'),
                                 "HTTP/1.1 400 Bad Request\r\n\r\n",
                                 std::string("AMQP\0\1\0\0", 8),
                                 "",
                                 method(0, 10, 10, be(0, 1) + be(9, 1) + be(0xFFFFFFF0, 4)),
                                 frame(1, 0, std::string(100'000, 'x'))};
  for (const std::string& bytes : rubbish) {
    FakeBroker broker([&](Peer& peer, int number) {
      std::string header;
      if (number > 0) {
        if (peer.log_in()) peer.until_closed();
      } else if (peer.read(header, 8)) {
        peer.send(bytes);
      }
    });
    SinkDriver driver(settings(broker.url("?connection_timeout=300")));
    EXPECT_TRUE(driver.until_state(SinkState::up)) << driver.reason;
  }
}

// librabbitmq decodes nested tables by recursion.
TEST(Session, DeeplyNestedServerPropertiesDoNotExhaustTheStack) {
  std::string arrays, tables;
  for (int i = 0; i < 10'000; ++i)
    arrays = 'A' + be(arrays.size(), 4) + arrays;
  for (int i = 0; i < 9'000; ++i)
    tables = be(0, 1) + 'F' + be(tables.size(), 4) + tables;
  const std::string entry = be(1, 1) + "a" + arrays;
  for (const std::string& table : {be(entry.size(), 4) + entry, be(tables.size(), 4) + tables}) {
    FakeBroker broker([&](Peer& peer, int) {
      if (peer.log_in({.server_properties = table})) peer.until_closed();
    });
    SinkDriver driver(settings(broker.url()));
    EXPECT_TRUE(driver.until([&] { return !driver.states.empty(); })) << "up or refused, but alive";
  }
}

TEST(Session, SmallFrameMaxIsKeptAndAnImpossibleOneIsTakenForTheSmallest) {
  for (const std::uint32_t frame_max : {4096u, 100u}) {
    std::atomic<std::size_t> largest{0};
    FakeBroker broker([&](Peer& peer, int) {
      if (!peer.log_in({.frame_max = frame_max})) return;
      Peer::Frame got;
      for (std::size_t body = 0; body < 20'000 && peer.read_frame(got);) {
        largest = std::max(largest.load(), got.payload.size());
        if (got.type == 3) body += got.payload.size();
      }
      peer.send(ack(1));
      peer.until_closed();
    });
    SinkDriver driver(settings(broker.url()));
    driver.offer(make_event(1, '"' + std::string(20'000, 'x') + '"'));
    ASSERT_TRUE(driver.until_confirmed(1)) << driver.reason;
    EXPECT_EQ(largest, 4088u);
  }
}

TEST(Session, BrokerThatNeverReadsHoldsUpNeitherTheOwnerNorTheStop) {
  std::atomic<bool> released{false};
  FakeBroker broker([&](Peer& peer, int) {
    if (peer.log_in()) released.wait(false);  // the connection stays open and unread
  });
  SinkDriver driver(settings(broker.url()));
  ASSERT_TRUE(driver.until_state(SinkState::up));
  const std::string large = '"' + std::string(1 << 20, 'x') + '"';
  for (events::EventId id = 1; id <= 40 && driver.sink->room() > 0; ++id)
    driver.offer(make_event(id, large));
  EXPECT_EQ(driver.sink->room(), 0u) << "what waits is bounded by bytes too";
  EXPECT_TRUE(driver.stop(300ms));
  released = true;
  released.notify_all();
}

TEST(Session, SilentBrokerIsDeadAfterTwoHeartbeats) {
  FakeBroker broker([](Peer& peer, int) {
    if (peer.log_in({.heartbeat = 1})) peer.until_closed();
  });
  SinkDriver driver(settings(broker.url()));
  ASSERT_TRUE(driver.until_state(SinkState::up));
  ASSERT_TRUE(driver.until_state(SinkState::down));
  EXPECT_NE(driver.reason.find("heartbeat"), std::string::npos) << driver.reason;
}

TEST(Session, OurHeartbeatsComeWhileNothingIsPublished) {
  std::atomic<int> heartbeats{0};
  FakeBroker broker([&](Peer& peer, int) {
    if (!peer.log_in({.heartbeat = 1})) return;
    Peer::Frame got;
    while (peer.read_frame(got)) {
      if (got.type == 8) ++heartbeats;
      peer.send(frame(8, 0, ""));
    }
  });
  SinkDriver driver(settings(broker.url()));
  EXPECT_TRUE(driver.until([&] { return heartbeats >= 4; })) << driver.reason;
  EXPECT_EQ(driver.states.size(), 1u);
}

TEST(Session, EventOfSeveralDeliveriesIsConfirmedWithItsLast) {
  FakeBroker broker([](Peer& peer, int) {
    Ids ids;
    if (!peer.log_in() || !peer.read_messages(4, ids)) return;
    peer.send(ack(1));
    peer.send(ack(3));
    peer.send(ack(2));
    peer.send(ack(4));
    peer.until_closed();
  });
  SinkDriver driver(settings(broker.url()));
  std::vector<bridges::Delivery> deliveries(4);
  for (std::size_t i = 0; i < 4; ++i) {
    deliveries[i].event = make_event(1 + i / 2, "1");
    deliveries[i].routing_key = "k";
    deliveries[i].last_of_event = i % 2 == 1;
  }
  driver.sink->offer(std::move(deliveries));
  ASSERT_TRUE(driver.until_confirmed(2)) << driver.reason;
  EXPECT_LE(driver.confirmed.size(), 2u);
}

TEST(Session, UrlThatCannotBeReadIsRefusedWithoutShowingIt) {
  boost::asio::io_context io;
  metrics::Registry registry;
  try {
    bridges::make_rabbitmq(io, settings("amqp://user:canary@host:port/"), registry);
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_EQ(std::string(error.what()).find("canary"), std::string::npos);
  }
}

}  // namespace
}  // namespace bridge55::test
