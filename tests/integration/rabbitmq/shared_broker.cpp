#include "tests/integration/rabbitmq/shared_broker.hpp"

#include "tests/sim/certificate.hpp"

#include <arpa/inet.h>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <netinet/in.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace bridge55::test {
namespace {

std::unique_ptr<SharedBroker> shared;

class StopBroker : public ::testing::Environment {
 public:
  void TearDown() override { shared.reset(); }
};

[[maybe_unused]] const auto* const registered =
    ::testing::AddGlobalTestEnvironment(new StopBroker);  // gtest owns it

std::string make_folder() {
  std::string path = (std::filesystem::temp_directory_path() / "rabbit_tls_XXXXXX").string();
  if (mkdtemp(path.data()) == nullptr) throw std::runtime_error("mkdtemp");
  const sim::Identity identity = sim::make_identity(sim::Certificate::good);
  std::ofstream(path + "/ca.pem") << identity.ca;
  std::ofstream(path + "/cert.pem") << identity.certificate;
  std::ofstream(path + "/key.pem") << identity.key;
  return path;
}

std::uint16_t free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ::bind(fd, reinterpret_cast<sockaddr*>(&address), length);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  ::close(fd);
  return ntohs(address.sin_port);
}

std::vector<std::string> tls_listener(const std::string& folder, std::uint16_t port) {
  return {"listeners.ssl.1 = 127.0.0.1:" + std::to_string(port),
          "ssl_options.cacertfile = " + folder + "/ca.pem", "ssl_options.certfile = " + folder + "/cert.pem",
          "ssl_options.keyfile = " + folder + "/key.pem"};
}

}  // namespace

SharedBroker::SharedBroker()
    : folder(make_folder()), tls_port(free_port()), broker(tls_listener(folder, tls_port)) {}

SharedBroker::~SharedBroker() {
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
}

SharedBroker& shared_broker() {
  if (!shared) shared = std::make_unique<SharedBroker>();
  return *shared;
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
