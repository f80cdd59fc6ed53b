// One broker for all the tests of this binary: a start takes six seconds. Each test uses names of its own.
#pragma once

#include "tests/integration/rabbitmq/queue_reader.hpp"
#include "tests/support/rabbit_broker.hpp"
#include "tests/support/sink_driver.hpp"

#include <string>

#include <gtest/gtest.h>

namespace bridge55::test {

// The broker, and what its TLS listener proves itself with.
struct SharedBroker {
  SharedBroker();
  ~SharedBroker();
  SharedBroker(const SharedBroker&) = delete;
  SharedBroker& operator=(const SharedBroker&) = delete;

  std::string folder;  // of the certificates
  std::uint16_t tls_port;
  RabbitBroker broker;
  std::string ca_file() const { return folder + "/ca.pem"; }
};

SharedBroker& shared_broker();

class RabbitSink : public ::testing::Test {
 protected:
  void SetUp() override;
  // A sink with an exchange and a queue named after the test, the queue bound to everything.
  config::Sink settings() const;

  RabbitBroker& broker = shared_broker().broker;
  std::string name;  // of the test: its exchange and queue
};

}  // namespace bridge55::test
