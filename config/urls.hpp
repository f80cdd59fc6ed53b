// What a URL in the config may be (RFC 3986), and how it is shown: never with its password or its query,
// which may hold a token.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace bridge55::config {

struct UrlRule {
  std::span<const std::string_view> schemes;
  bool credentials = false;  // `user:password@` allowed
  bool path = true;          // more than `/` allowed
  bool query = false;
};

// What is wrong, empty where nothing is. Never holds a piece of the URL.
std::string url_fault(std::string_view url, const UrlRule& rule);

// RabbitMQ's URI form (https://www.rabbitmq.com/docs/uri-spec): the path is one segment, the virtual host.
std::string amqp_url_fault(std::string_view url);

// `https://host[:port]` and nothing after it: what a browser sends as Origin (RFC 6454).
bool is_origin(std::string_view text);

// With the password and the query replaced by `***`.
std::string masked_url(std::string_view url);
bool url_has_secret(std::string_view url);
std::string url_password(std::string_view url);  // decoded; empty where there is none

struct HostPort {
  std::string host;  // without brackets
  std::string port;
};

// `127.0.0.1:5580`, `[::1]:5580`, `localhost:0`; both empty where it is neither.
HostPort split_host_port(std::string_view text);

bool is_ip_address(std::string_view host);
bool is_loopback(std::string_view host);  // 127.0.0.0/8, ::1, localhost

}  // namespace bridge55::config
