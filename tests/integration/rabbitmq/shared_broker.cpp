#include "tests/integration/rabbitmq/shared_broker.hpp"

#include <memory>

namespace bridge55::test {
namespace {

std::unique_ptr<RabbitBroker> broker;

class StopBroker : public ::testing::Environment {
 public:
  void TearDown() override { broker.reset(); }
};

[[maybe_unused]] const auto* const registered = ::testing::AddGlobalTestEnvironment(new StopBroker);  // gtest owns it

}  // namespace

RabbitBroker& shared_broker() {
  if (!broker) broker = std::make_unique<RabbitBroker>();
  return *broker;
}

void RabbitSink::SetUp() {
  name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
}

config::Sink RabbitSink::settings() const {
  config::Sink sink;
  sink.name = "rabbit";
  sink.urls = {config::Secret(broker.url())};
  sink.exchange.name = name;
  sink.queues = {{.name = name, .type = "quorum", .bind = {"#"}}};
  return sink;
}

}  // namespace bridge55::test
