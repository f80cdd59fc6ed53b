// The broker goes away, hangs, blocks, refuses: what was offered is delivered in the end, in order but for
// repetitions of the same message id, and the sink says what is the matter.
#include "tests/integration/rabbitmq/shared_broker.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <thread>

#include <gtest/gtest.h>

namespace bridge55::test {
namespace {

using bridges::SinkState;
using namespace std::chrono_literals;

std::uint64_t id_of(const Message& message) {
  return std::stoull(message.headers.at("x-event-id"));
}

// Every event once, first arrivals in order, repetitions with the same message id and bytes.
void expect_nothing_lost(const std::vector<Message>& messages, std::uint64_t last) {
  std::map<std::uint64_t, const Message*> first;
  std::uint64_t highest = 0;
  for (const Message& each : messages) {
    const auto [at, is_new] = first.emplace(id_of(each), &each);
    EXPECT_EQ(at->second->message_id, each.message_id);
    EXPECT_EQ(at->second->body, each.body);
    if (!is_new) continue;
    EXPECT_EQ(id_of(each), highest + 1) << "out of order or lost";
    highest = std::max(highest, id_of(each));
  }
  EXPECT_EQ(highest, last);
}

bool said(const SinkDriver& driver, SinkState state, const std::string& words) {
  return std::any_of(driver.states.begin(), driver.states.end(), [&](const auto& each) {
    return each.first == state && each.second.find(words) != std::string::npos;
  });
}

TEST_F(RabbitSink, BrokerKilledUnderLoadLosesNothing) {
  SinkDriver driver(settings());
  ASSERT_TRUE(driver.until_state(SinkState::up)) << driver.reason;
  // RabbitMQ 3.10 keeps the directory of its quorum queues in memory for half a second: one that is killed
  // sooner never elects a leader.
  driver.until([] { return false; }, 2s);
  driver.feed(1, 30'000);
  ASSERT_TRUE(driver.until_confirmed(3'000));
  broker.kill();
  ASSERT_TRUE(driver.until_state(SinkState::down));
  broker.start();
  ASSERT_TRUE(driver.until_confirmed(30'000, 60s)) << driver.reason << " at " << driver.confirmed.back();
  expect_nothing_lost(QueueReader(broker.port()).read(name, 30'000, 60s), 30'000);
}

TEST_F(RabbitSink, BrokerStoppedAndStartedLosesNothing) {
  SinkDriver driver(settings());
  driver.feed(1, 20'000);
  ASSERT_TRUE(driver.until_confirmed(2'000));
  broker.ctl("stop_app");
  ASSERT_TRUE(driver.until_state(SinkState::down));
  broker.ctl("start_app");
  ASSERT_TRUE(driver.until_confirmed(20'000, 60s)) << driver.reason;
  EXPECT_TRUE(said(driver, SinkState::down, "320")) << "the broker's words are passed on";
  expect_nothing_lost(QueueReader(broker.port()).read(name, 20'000, 60s), 20'000);
}

TEST_F(RabbitSink, FrozenBrokerIsKnownWithinTwoHeartbeatsAndRecovers) {
  auto sink = settings();
  sink.urls = {config::Secret(broker.url("guest", "guest", "?heartbeat=2"))};
  SinkDriver driver(sink);
  ASSERT_TRUE(driver.until_confirmed(0, 0s) || driver.until_state(SinkState::up));
  driver.feed(1, 10'000);
  ASSERT_TRUE(driver.until_confirmed(1'000));
  broker.freeze();
  const bool known = driver.until_state(SinkState::down);
  broker.thaw();
  ASSERT_TRUE(known);
  EXPECT_NE(driver.reason.find("heartbeat"), std::string::npos) << driver.reason;
  ASSERT_TRUE(driver.until_confirmed(10'000, 60s)) << driver.reason;
  expect_nothing_lost(QueueReader(broker.port()).read(name, 10'000, 60s), 10'000);
}

TEST_F(RabbitSink, StopWorksWhileTheBrokerIsFrozen) {
  SinkDriver driver(settings());
  ASSERT_TRUE(driver.until_state(SinkState::up));
  broker.freeze();
  driver.feed(1, 2'000);
  const bool stopped = driver.stop(1s);
  broker.thaw();
  EXPECT_TRUE(stopped);
}

TEST_F(RabbitSink, StopWorksWhileTheLoginHangs) {
  broker.freeze();
  SinkDriver driver(settings());
  const bool stopped = driver.stop(500ms);
  broker.thaw();
  EXPECT_TRUE(stopped);
}

TEST_F(RabbitSink, UnroutableMessageIsReportedAndTheCursorMovesOn) {
  SinkDriver driver(settings());
  ASSERT_TRUE(driver.until_state(SinkState::up));
  QueueReader reader(broker.port());
  reader.unbind(name, name, "#");
  driver.feed(1, 10, "abp.orders.update");
  ASSERT_TRUE(driver.until_confirmed(10));
  ASSERT_EQ(driver.unroutable.size(), 10u);
  EXPECT_EQ(std::get<1>(driver.unroutable[0]), "abp.orders.update");
  EXPECT_EQ(std::get<2>(driver.unroutable[0]), "NO_ROUTE");
  EXPECT_FALSE(reader.get(name));
  reader.bind(name, name, "#");
  driver.feed(11, 12);
  ASSERT_TRUE(driver.until_confirmed(12));
  EXPECT_EQ(id_of(*reader.get(name)), 11u);
}

TEST_F(RabbitSink, UnroutableMessagesNameTheirRoute) {
  auto sink = settings();
  sink.queues[0].bind = {"abp.#"};
  SinkDriver driver(sink);
  std::vector<bridges::Delivery> deliveries(4);
  const std::string keys[] = {"abp.x", "fills.a", "abp.y", "bets.b"};
  for (std::size_t i = 0; i < 4; ++i) {
    deliveries[i].event = make_event(i + 1, "1");
    deliveries[i].routing_key = keys[i];
    deliveries[i].route = i;
  }
  driver.sink->offer(std::move(deliveries));
  ASSERT_TRUE(driver.until_confirmed(4)) << driver.reason;
  ASSERT_EQ(driver.unroutable.size(), 2u);
  EXPECT_EQ(std::get<0>(driver.unroutable[0]), 1u);
  EXPECT_EQ(std::get<0>(driver.unroutable[1]), 3u);
}

TEST_F(RabbitSink, DeletedExchangeIsDeclaredAgainWhereTheTopologyIsOurs) {
  SinkDriver driver(settings());
  driver.feed(1, 5);
  ASSERT_TRUE(driver.until_confirmed(5)) << driver.reason;
  QueueReader(broker.port()).delete_exchange(name);
  driver.feed(6, 10);
  ASSERT_TRUE(driver.until_confirmed(10)) << driver.reason;
  EXPECT_TRUE(said(driver, SinkState::down, "404"));
  expect_nothing_lost(QueueReader(broker.port()).read(name, 10, 20s), 10);
}

TEST_F(RabbitSink, MissingExchangeOfOthersKeepsTheSinkDownUntilItIsThere) {
  auto sink = settings();
  sink.declare = config::Declare::none;
  sink.queues.clear();
  SinkDriver driver(sink);
  driver.feed(1, 5);
  ASSERT_TRUE(driver.until([&] { return said(driver, SinkState::down, "404"); }));
  QueueReader reader(broker.port());
  reader.declare_exchange(name, "topic");
  reader.declare_queue(name, "quorum");
  reader.bind(name, name, "#");
  ASSERT_TRUE(driver.until_confirmed(5)) << driver.reason;
  EXPECT_EQ(driver.state, SinkState::up);
  const auto ups = std::count_if(driver.states.begin(), driver.states.end(),
                                 [](const auto& each) { return each.first == SinkState::up; });
  EXPECT_LE(ups, 2) << "a sink whose messages are refused each time is not up in between";
}

TEST_F(RabbitSink, PassiveTopologyIsLookedAtAndNeverMade) {
  auto sink = settings();
  sink.declare = config::Declare::passive;
  SinkDriver driver(sink);
  driver.feed(1, 3);
  ASSERT_TRUE(driver.until_state(SinkState::down));
  EXPECT_NE(driver.reason.find("exchange " + name), std::string::npos) << driver.reason;
  QueueReader reader(broker.port());
  reader.declare_exchange(name, "topic");
  ASSERT_TRUE(driver.until([&] { return driver.reason.find("queue " + name) != std::string::npos; }));
  reader.declare_queue(name, "classic");
  reader.bind(name, name, "#");
  ASSERT_TRUE(driver.until_confirmed(3)) << driver.reason;
}

TEST_F(RabbitSink, OtherArgumentsThanOursAreSaidAsSuch) {
  QueueReader reader(broker.port());
  reader.declare_queue(name, "classic");
  SinkDriver driver(settings());
  ASSERT_TRUE(driver.until_state(SinkState::down));
  EXPECT_NE(driver.reason.find("406"), std::string::npos) << driver.reason;
  EXPECT_NE(driver.reason.find("queue " + name), std::string::npos) << driver.reason;
  reader.delete_queue(name);
  EXPECT_TRUE(driver.until_state(SinkState::up)) << driver.reason;
}

TEST_F(RabbitSink, WrongPasswordIsSaidAndMendedByTheBrokersSide) {
  broker.ctl("add_user mender right");
  broker.ctl("set_permissions mender .* .* .*");
  broker.ctl("change_password mender other");
  auto sink = settings();
  sink.urls = {config::Secret(broker.url("mender", "right"))};
  SinkDriver driver(sink);
  ASSERT_TRUE(driver.until_state(SinkState::down));
  EXPECT_NE(driver.reason.find("ACCESS_REFUSED"), std::string::npos) << driver.reason;
  EXPECT_EQ(driver.reason.find("right"), std::string::npos);
  broker.ctl("change_password mender right");
  EXPECT_TRUE(driver.until_state(SinkState::up, 10s)) << driver.reason;
}

TEST_F(RabbitSink, MissingPermissionIsSaid) {
  broker.ctl("add_user reader reader");
  broker.ctl("set_permissions reader '' '' .*");
  auto sink = settings();
  sink.urls = {config::Secret(broker.url("reader", "reader"))};
  SinkDriver driver(sink);
  ASSERT_TRUE(driver.until_state(SinkState::down));
  EXPECT_NE(driver.reason.find("403"), std::string::npos) << driver.reason;
}

TEST_F(RabbitSink, MemoryAlarmBlocksAndItsEndGoesOn) {
  SinkDriver driver(settings());
  ASSERT_TRUE(driver.until_state(SinkState::up));
  broker.ctl("set_vm_memory_high_watermark 0");
  driver.feed(1, 5'000);
  ASSERT_TRUE(driver.until_state(SinkState::blocked)) << driver.reason;
  EXPECT_NE(driver.reason.find("memory"), std::string::npos) << driver.reason;
  broker.ctl("set_vm_memory_high_watermark 0.4");
  ASSERT_TRUE(driver.until_confirmed(5'000)) << driver.reason;
  EXPECT_EQ(driver.state, SinkState::up);
  expect_nothing_lost(QueueReader(broker.port()).read(name, 5'000, 30s), 5'000);
}

TEST_F(RabbitSink, BlockedBrokerIsNeitherDeadNorUnconfirmedHoweverLongItLasts) {
  auto sink = settings();
  sink.confirm_timeout = 1s;
  sink.urls = {config::Secret(broker.url("guest", "guest", "?heartbeat=1"))};
  SinkDriver driver(sink);
  ASSERT_TRUE(driver.until_state(SinkState::up));
  broker.ctl("set_vm_memory_high_watermark 0");
  driver.feed(1, 5'000);
  ASSERT_TRUE(driver.until_state(SinkState::blocked));
  driver.until([] { return false; }, 5s);  // several times each limit
  EXPECT_EQ(driver.state, SinkState::blocked) << driver.reason;
  EXPECT_TRUE(driver.stop(2s)) << "a stop does not wait for a blocked broker";
  broker.ctl("set_vm_memory_high_watermark 0.4");
}

TEST_F(RabbitSink, RefusedMessagesAreSentAgainUntilTheQueueHasRoom) {
  QueueReader reader(broker.port());
  reader.declare_queue(name, "classic", {{"x-overflow", "reject-publish"}}, {{"x-max-length", 10}});
  auto sink = settings();
  sink.queues.clear();
  SinkDriver driver(sink);
  ASSERT_TRUE(driver.until_state(SinkState::up));
  reader.bind(name, name, "#");
  driver.feed(1, 100);
  const auto& nacked = driver.registry.counter("bridge55_sink_nacked_total", "", {{"sink", "rabbit"}});
  ASSERT_TRUE(driver.until([&] { return nacked.get() > 0; }));
  EXPECT_TRUE(driver.confirmed.empty() || driver.confirmed.back() < 100u);
  std::vector<std::uint64_t> got;
  std::set<std::uint64_t> distinct;
  const bool all = driver.until(
      [&] {
        while (const auto message = reader.get(name)) {
          got.push_back(id_of(*message));
          distinct.insert(got.back());
        }
        return distinct.size() == 100;
      },
      60s);
  ASSERT_TRUE(all) << distinct.size();
  ASSERT_TRUE(driver.until_confirmed(100));
}

TEST_F(RabbitSink, SecondUrlIsTriedWhereTheFirstDoesNotAnswer) {
  auto sink = settings();
  sink.urls.insert(sink.urls.begin(), config::Secret("amqp://guest:guest@127.0.0.1:1/%2F"));
  SinkDriver driver(sink);
  EXPECT_TRUE(driver.until_state(SinkState::up)) << driver.reason;
}

TEST_F(RabbitSink, TrialSaysWhetherAnyBrokerLetsUsInAndMakesNothing) {
  auto sink = settings();
  EXPECT_EQ(bridges::try_rabbitmq(sink), "");
  EXPECT_EQ(broker.ctl("list_queues name").find(name), std::string::npos);
  sink.urls = {config::Secret("amqp://guest:guest@127.0.0.1:1/"),
               config::Secret(broker.url("guest", "canary"))};
  const std::string why = bridges::try_rabbitmq(sink);
  EXPECT_NE(why.find("127.0.0.1:1/: cannot connect"), std::string::npos) << why;
  EXPECT_NE(why.find("ACCESS_REFUSED"), std::string::npos) << why;
  EXPECT_EQ(why.find("canary"), std::string::npos);
}

TEST_F(RabbitSink, EveryDeclaredQueueGetsGapEvents) {
  auto sink = settings();
  sink.queues[0].bind = {"abp.orders.*"};
  SinkDriver driver(sink);
  driver.offer(make_event(1, "{}", {.source = "bridge", .channel = "gap", .name = "DETECTED", .raw = {}}),
               "bridge.gap.detected");
  ASSERT_TRUE(driver.until_confirmed(1)) << driver.reason;
  const auto message = QueueReader(broker.port()).get(name);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->type, "gap.DETECTED");
}

}  // namespace
}  // namespace bridge55::test
