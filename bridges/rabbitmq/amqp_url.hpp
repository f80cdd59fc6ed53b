// `amqp://user:password@host:port/vhost` taken apart (https://www.rabbitmq.com/uri-spec.html). Pure.
#pragma once

#include "config/config.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace bridge55::rabbitmq {

struct AmqpUrl {
  bool tls = false;
  std::string host = "localhost";  // an IPv6 address without its brackets
  std::uint16_t port = 5672;       // 5671 for amqps
  std::string user = "guest";
  config::Secret password{"guest"};
  std::string vhost = "/";
  // `?heartbeat=` and `?connection_timeout=` of https://www.rabbitmq.com/uri-query-parameters.html
  std::chrono::seconds heartbeat{10};
  std::chrono::milliseconds connection_timeout{5000};

  std::string where() const;  // host, port and vhost: what may be shown
};

// The URL, or what is wrong with it in words that hold nothing of it.
std::variant<AmqpUrl, std::string> parse_amqp_url(std::string_view url);

}  // namespace bridge55::rabbitmq
