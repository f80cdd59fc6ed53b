#include "daemon/events/sink_pump.hpp"

#include "daemon/base/metrics.hpp"
#include "tests/support/fake_journal.hpp"

#include <gtest/gtest.h>

namespace bridge55::events {
namespace {

struct FakeSink : bridges::Sink {
  Handlers handlers;
  std::vector<bridges::Delivery> offered;
  std::size_t window = 4, unconfirmed = 0;
  bool stopped = false;

  void start(Handlers given) override { handlers = std::move(given); }
  std::size_t room() const override { return window - std::min(window, unconfirmed); }
  void offer(std::vector<bridges::Delivery> deliveries) override {
    unconfirmed += deliveries.size();
    for (auto& delivery : deliveries)
      offered.push_back(std::move(delivery));
  }
  void stop(std::chrono::milliseconds, std::function<void()> then) override {
    stopped = true;
    then();
  }
  void confirm_all() {
    unconfirmed = 0;
    handlers.confirmed(offered.back().event->id());
    handlers.room();
  }
};

struct SinkPumpTest : testing::Test {
  tests::FakeJournal journal;
  metrics::Registry metrics;
  Recovered recovered;
  Hub hub{journal, metrics, recovered};
  FakeSink* sink = nullptr;
  std::unique_ptr<SinkPump> pump;

  SinkPumpTest() {
    journal.handlers.durable = [this](EventId id) { hub.on_durable(id); };
  }
  void start(const std::optional<std::vector<config::Route>>& routes = {}, EventId after = 0) {
    auto made = std::make_unique<FakeSink>();
    sink = made.get();
    pump = std::make_unique<SinkPump>(hub, metrics, "rabbit", std::move(made),
                                      std::get<SinkRoutes>(SinkRoutes::compile(routes, "rabbit")));
    pump->start(after);
  }
  EventId publish(std::string_view channel, const std::string& payload = "{}") {
    Facts facts;
    facts.source = "abp";
    facts.channel = channel;
    facts.name = "UPDATE";
    facts.payload = payload;
    const auto event = hub.publish(facts);
    hub.flush();
    return event->id();
  }
  static config::Route orders_only() {
    config::Route route;
    route.match.channel = {"orders"};
    route.to = {"rabbit"};
    return route;
  }
};

TEST_F(SinkPumpTest, OffersNoMoreThanTheWindowAndGoesOnAfterConfirms) {
  start();
  for (int i = 0; i < 10; ++i)
    publish("orders");
  EXPECT_EQ(sink->offered.size(), 4u);
  sink->confirm_all();
  EXPECT_EQ(sink->offered.size(), 8u);
  sink->confirm_all();
  sink->confirm_all();
  EXPECT_EQ(sink->offered.size(), 10u);
  EXPECT_EQ(pump->status().lag_events, 0u);
}

TEST_F(SinkPumpTest, TheCursorMovesOnlyAfterTheConfirm) {
  start();
  const EventId id = publish("orders");
  EXPECT_EQ(journal.cursors["rabbit"], 0u);
  EXPECT_EQ(pump->status().lag_events, 1u);
  sink->confirm_all();
  EXPECT_EQ(journal.cursors["rabbit"], id);
}

TEST_F(SinkPumpTest, EventsThatAreNotForTheSinkMoveTheCursorToo) {
  start(std::vector{orders_only()});
  const EventId skipped = publish("bets");
  EXPECT_EQ(pump->confirmed_id(), skipped);
  publish("orders");
  const EventId behind = publish("bets");
  EXPECT_LT(pump->confirmed_id(), behind) << "the order before it is not confirmed";
  sink->confirm_all();
  EXPECT_EQ(pump->confirmed_id(), behind);
  EXPECT_EQ(sink->offered.size(), 1u);
}

TEST_F(SinkPumpTest, NothingIsOfferedBeforeItIsDurable) {
  start();
  journal.commit_at_once = false;
  publish("orders");
  EXPECT_TRUE(sink->offered.empty());
  journal.commit();
  EXPECT_EQ(sink->offered.size(), 1u);
}

TEST_F(SinkPumpTest, AStartGoesOnBehindTheStoredCursor) {
  const EventId first = publish("orders");
  publish("orders");
  start({}, first);
  EXPECT_EQ(sink->offered.size(), 1u);
  EXPECT_GT(sink->offered[0].event->id(), first);
}

TEST_F(SinkPumpTest, TheDefaultRoutingKeyNamesSourceChannelAndEvent) {
  start();
  publish("orders");
  EXPECT_EQ(sink->offered[0].routing_key, "abp.orders.update");
  EXPECT_TRUE(sink->offered[0].last_of_event);
}

TEST_F(SinkPumpTest, OnlyTheLastDeliveryOfAnEventEndsIt) {
  config::Route first = orders_only(), second = orders_only();
  first.routing_key = "a";
  second.routing_key = "b";
  start(std::vector{first, second});
  publish("orders");
  ASSERT_EQ(sink->offered.size(), 2u);
  EXPECT_FALSE(sink->offered[0].last_of_event);
  EXPECT_TRUE(sink->offered[1].last_of_event);
}

TEST_F(SinkPumpTest, StatesAreSaidOnceEach) {
  start();
  sink->window = 0;
  const auto said = hub.published();
  sink->handlers.state(bridges::SinkState::down, "refused");
  sink->handlers.state(bridges::SinkState::connecting, "");
  sink->handlers.state(bridges::SinkState::down, "refused");
  sink->handlers.state(bridges::SinkState::up, "");
  EXPECT_EQ(hub.published() - said, 2u);
}

TEST_F(SinkPumpTest, AStopWaitsForWhatIsDurableWhileTheSinkIsUp) {
  start();
  sink->handlers.state(bridges::SinkState::up, "");
  publish("orders");
  bool done = false;
  pump->stop(std::chrono::minutes(1), [&] { done = true; });
  EXPECT_FALSE(done);
  sink->confirm_all();
  EXPECT_TRUE(done);
}

TEST_F(SinkPumpTest, AStopDoesNotWaitForASinkThatIsDown) {
  start();
  sink->window = 0;
  publish("orders");
  sink->handlers.state(bridges::SinkState::down, "gone");
  bool done = false;
  pump->stop(std::chrono::minutes(1), [&] { done = true; });
  EXPECT_TRUE(done);
}

TEST_F(SinkPumpTest, WhatRetentionDeletedUnderTheCursorIsSaid) {
  const EventId first = publish("orders");
  publish("orders");
  publish("orders");
  recovered.last_id = recovered.ceiling = hub.last_id();
  Hub later(journal, metrics, recovered);
  journal.handlers.durable = [&](EventId id) { later.on_durable(id); };
  journal.forget_through(journal.rows[1]->id());
  journal.read_at_once = true;
  auto made = std::make_unique<FakeSink>();
  sink = made.get();
  SinkPump over(later, metrics, "rabbit", std::move(made),
                std::get<SinkRoutes>(SinkRoutes::compile({}, "rabbit")));
  over.start(first);
  ASSERT_EQ(sink->offered.size(), 2u);
  EXPECT_EQ(sink->offered[1].event->channel(), "gap");
  EXPECT_EQ(sink->offered[1].event->name(), "UNRECOVERED");
}

}  // namespace
}  // namespace bridge55::events
