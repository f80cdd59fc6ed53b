// What an independent consumer gets: bytes, properties, order, routes.
#include "tests/integration/rabbitmq/shared_broker.hpp"

#include <gtest/gtest.h>

namespace bridge55::test {
namespace {

using bridges::SinkState;

TEST_F(RabbitSink, MessageCarriesTheEnvelopeAndEveryPropertyOfTheContract) {
  SinkDriver driver(settings());
  ASSERT_TRUE(driver.until_state(SinkState::up)) << driver.reason;
  const auto event = make_event(77, R"({"odds": 1.50, "a":1})");
  driver.offer(event);
  ASSERT_TRUE(driver.until_confirmed(77));
  auto message = QueueReader(broker.port()).get(name);
  ASSERT_TRUE(message);
  message->headers.erase("x-delivery-count");  // the quorum queue's own
  EXPECT_EQ(message->body, event->envelope());
  EXPECT_EQ(message->exchange, name);
  EXPECT_EQ(message->routing_key, "abp.orders.update");
  EXPECT_EQ(message->content_type, "application/json");
  EXPECT_EQ(message->delivery_mode, 2);
  EXPECT_EQ(message->message_id, event->message_id_hex());
  EXPECT_EQ(message->timestamp, 1'771'183'909u);
  EXPECT_EQ(message->type, "orders.UPDATE");
  EXPECT_EQ(message->app_id, "bridge55");
  const std::map<std::string, std::string> headers{{"x-event-id", "77"},
                                                   {"x-source", "abp"},
                                                   {"x-received-at", rfc3339(event->received_at())},
                                                   {"x-upstream-seq", "1"}};
  EXPECT_EQ(message->headers, headers);
  EXPECT_EQ(message->header_kinds.at("x-upstream-seq"), 'l');
}

TEST_F(RabbitSink, BodyIsPayloadOrRawFrameWhereTheRouteSaysSo) {
  SinkDriver driver(settings());
  const EventText text{.seq = "", .raw = R"({"type":"data","data":{"x":1}})"};
  const auto event = make_event(1, R"({"x":1})", text);
  std::vector<bridges::Delivery> deliveries(2);
  for (auto& each : deliveries)
    each.event = event;
  deliveries[0].body = config::BodyMode::payload;
  deliveries[0].last_of_event = false;
  deliveries[1].body = config::BodyMode::raw;
  driver.sink->offer(std::move(deliveries));
  ASSERT_TRUE(driver.until_confirmed(1)) << driver.reason;
  QueueReader reader(broker.port());
  const auto payload = reader.get(name), raw = reader.get(name);
  ASSERT_TRUE(payload && raw);
  EXPECT_EQ(payload->body, R"({"x":1})");
  EXPECT_EQ(raw->body, text.raw);
  EXPECT_EQ(payload->message_id, raw->message_id);
  EXPECT_FALSE(payload->headers.contains("x-upstream-seq"));
}

TEST_F(RabbitSink, BodiesLargerThanAFrameArriveWhole) {
  SinkDriver driver(settings());
  const std::string payload = '"' + std::string(3 << 20, 'x') + '"';
  for (events::EventId id = 1; id <= 5; ++id)
    driver.offer(make_event(id, payload));
  ASSERT_TRUE(driver.until_confirmed(5)) << driver.reason;
  QueueReader reader(broker.port());
  for (events::EventId id = 1; id <= 5; ++id) {
    const auto message = reader.get(name);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->body, make_event(id, payload)->envelope());
  }
}

TEST_F(RabbitSink, TensOfThousandsArriveInOrderAndAreConfirmedInOrder) {
  SinkDriver driver(settings());
  constexpr events::EventId kLast = 20'000;
  driver.feed(1, kLast);
  ASSERT_TRUE(driver.until_confirmed(kLast)) << driver.reason;
  EXPECT_TRUE(std::is_sorted(driver.confirmed.begin(), driver.confirmed.end()));
  const auto messages = QueueReader(broker.port()).read(name, kLast, std::chrono::seconds(30));
  ASSERT_EQ(messages.size(), kLast);
  for (events::EventId id = 1; id <= kLast; ++id)
    ASSERT_EQ(messages[id - 1].headers.at("x-event-id"), std::to_string(id));
}

TEST_F(RabbitSink, StopWaitsForOutstandingConfirms) {
  SinkDriver driver(settings());
  ASSERT_TRUE(driver.until_state(SinkState::up));
  driver.feed(1, 1500);
  ASSERT_TRUE(driver.stop(std::chrono::seconds(10)));
  EXPECT_EQ(driver.confirmed.back(), 1500u);
  EXPECT_EQ(driver.stopped, 1);
}

}  // namespace
}  // namespace bridge55::test
