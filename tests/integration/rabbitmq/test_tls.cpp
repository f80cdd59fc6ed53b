// amqps: whom the sink trusts, and that everything else works over it as it does without.
#include "tests/integration/rabbitmq/shared_broker.hpp"

#include <gtest/gtest.h>

namespace bridge55::test {
namespace {

using bridges::SinkState;
using namespace std::chrono_literals;

class RabbitSinkTls : public RabbitSink {
 protected:
  config::Sink tls_settings(const std::string& host = "127.0.0.1") const {
    auto sink = settings();
    const std::string port = std::to_string(shared_broker().tls_port);
    sink.urls = {config::Secret("amqps://guest:guest@" + host + ":" + port + "/%2F?heartbeat=1")};
    sink.tls.ca_file = shared_broker().ca_file();
    return sink;
  }
};

TEST_F(RabbitSinkTls, EverythingArrivesInOrder) {
  SinkDriver driver(tls_settings());
  ASSERT_TRUE(driver.until_state(SinkState::up)) << driver.reason;
  driver.feed(1, 10'000);
  ASSERT_TRUE(driver.until_confirmed(10'000)) << driver.reason;
  const auto messages = QueueReader(broker.port()).read(name, 10'000, 30s);
  ASSERT_EQ(messages.size(), 10'000u);
  for (std::size_t i = 0; i < messages.size(); ++i)
    ASSERT_EQ(messages[i].headers.at("x-event-id"), std::to_string(i + 1));
}

TEST_F(RabbitSinkTls, LargeBodiesArriveWholeAndHeartbeatsKeepAnIdleSessionAlive) {
  SinkDriver driver(tls_settings("localhost"));
  const std::string payload = '"' + std::string(3 << 20, 'x') + '"';
  for (events::EventId id = 1; id <= 4; ++id)
    driver.offer(make_event(id, payload));
  ASSERT_TRUE(driver.until_confirmed(4)) << driver.reason;
  driver.until([] { return false; }, 3s);
  EXPECT_EQ(driver.states.size(), 1u) << driver.reason;
  QueueReader reader(broker.port());
  for (events::EventId id = 1; id <= 4; ++id)
    EXPECT_EQ(reader.get(name)->body, make_event(id, payload)->envelope());
}

TEST_F(RabbitSinkTls, CertificateOfAnUnknownAuthorityIsRefused) {
  auto sink = tls_settings();
  sink.tls.ca_file.clear();  // the system's store
  SinkDriver driver(sink);
  ASSERT_TRUE(driver.until_state(SinkState::down));
  EXPECT_NE(driver.reason.find("certificate"), std::string::npos) << driver.reason;
}

TEST_F(RabbitSinkTls, CertificateForAnotherNameIsRefused) {
  auto sink = tls_settings();
  sink.tls.server_name = "broker.example.com";
  SinkDriver driver(sink);
  ASSERT_TRUE(driver.until_state(SinkState::down));
  EXPECT_NE(driver.reason.find("ostname"), std::string::npos) << driver.reason;
}

TEST_F(RabbitSinkTls, ConfiguredServerNameIsTheOneThatCounts) {
  auto sink = tls_settings("127.0.0.1");
  sink.tls.server_name = "localhost";
  SinkDriver driver(sink);
  EXPECT_TRUE(driver.until_state(SinkState::up)) << driver.reason;
}

TEST_F(RabbitSinkTls, WithoutVerifyAnyCertificateWillDo) {
  auto sink = tls_settings();
  sink.tls = {.ca_file = "", .server_name = "broker.example.com", .verify = false};
  SinkDriver driver(sink);
  EXPECT_TRUE(driver.until_state(SinkState::up)) << driver.reason;
}

TEST_F(RabbitSinkTls, AuthorityFileThatIsNotThereIsSaid) {
  auto sink = tls_settings();
  sink.tls.ca_file = "/nonexistent/ca.pem";
  SinkDriver driver(sink);
  ASSERT_TRUE(driver.until_state(SinkState::down));
  EXPECT_NE(driver.reason.find("certificates"), std::string::npos) << driver.reason;
}

}  // namespace
}  // namespace bridge55::test
