#include "config/urls.hpp"

#include "config/units.hpp"

#include <algorithm>
#include <array>

#include <boost/url/ipv4_address.hpp>
#include <boost/url/ipv6_address.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url.hpp>

namespace bridge55::config {
namespace {

std::string one_of(std::span<const std::string_view> schemes) {
  std::string text;
  for (const std::string_view scheme : schemes)
    text += (text.empty() ? "" : " or ") + std::string(scheme) + "://";
  return text;
}

bool port_is_wrong(const boost::urls::url_view& url) {
  if (!url.has_port()) return false;
  const auto port = parse_integer(std::string_view(url.port().data(), url.port().size()));
  return !port || *port < 1 || *port > 65535;
}

}  // namespace

std::string url_fault(std::string_view text, const UrlRule& rule) {
  const auto parsed = boost::urls::parse_uri({text.data(), text.size()});
  if (!parsed) return "is not a URL";
  const boost::urls::url_view& url = *parsed;
  const std::string_view scheme(url.scheme().data(), url.scheme().size());
  if (std::find(rule.schemes.begin(), rule.schemes.end(), scheme) == rule.schemes.end())
    return "does not begin with " + one_of(rule.schemes);
  if (!url.has_authority() || url.encoded_host().empty()) return "has no host";
  if (port_is_wrong(url)) return "has a port that is not between 1 and 65535";
  if (url.has_userinfo() && !rule.credentials) return "holds a user name or password";
  if (!rule.path && !url.encoded_path().empty() && url.encoded_path() != "/") return "has a path";
  if (url.has_query() && !rule.query) return "has a query";
  return url.has_fragment() ? "has a fragment" : "";
}

std::string amqp_url_fault(std::string_view text) {
  static constexpr std::array<std::string_view, 2> schemes{"amqp", "amqps"};
  if (auto fault = url_fault(text, {.schemes = schemes, .credentials = true}); !fault.empty()) return fault;
  const auto url = boost::urls::parse_uri({text.data(), text.size()}).value();
  const auto path = url.encoded_path();
  return std::count(path.begin(), path.end(), '/') > 1
             ? "has a path of more than one segment (a slash in a virtual host is %2F)"
             : "";
}

bool is_origin(std::string_view text) {
  static constexpr std::array<std::string_view, 2> schemes{"http", "https"};
  return !text.ends_with('/') && url_fault(text, {.schemes = schemes, .path = false}).empty();
}

std::string masked_url(std::string_view text) {
  std::string out(text);
  const std::size_t query = out.find('?');
  if (query != std::string::npos) out.replace(query + 1, std::string::npos, "***");
  const std::size_t authority = out.find("://");
  if (authority == std::string::npos) return out;
  const std::size_t end = std::min(out.find_first_of("/?#", authority + 3), out.size());
  const std::size_t at = out.rfind('@', end);
  const std::size_t colon = out.find(':', authority + 3);
  if (at != std::string::npos && colon < at && at > authority) out.replace(colon + 1, at - colon - 1, "***");
  return out;
}

bool url_has_secret(std::string_view text) {
  return masked_url(text) != text;
}

std::string url_password(std::string_view text) {
  const auto parsed = boost::urls::parse_uri({text.data(), text.size()});
  return parsed ? parsed->password() : std::string();
}

HostPort split_host_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return {};
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (host.empty() || (!bracketed && host.find_first_of(":[]") != std::string_view::npos)) return {};
  const auto number = parse_integer(port);
  if (!number || *number > 65535) return {};
  return {std::string(host), std::string(port)};
}

bool is_ip_address(std::string_view host) {
  return boost::urls::parse_ipv4_address({host.data(), host.size()}).has_value() ||
         boost::urls::parse_ipv6_address({host.data(), host.size()}).has_value();
}

bool is_loopback(std::string_view host) {
  if (host == "localhost") return true;
  if (const auto v4 = boost::urls::parse_ipv4_address({host.data(), host.size()})) return v4->is_loopback();
  const auto v6 = boost::urls::parse_ipv6_address({host.data(), host.size()});
  return v6 && v6->is_loopback();
}

}  // namespace bridge55::config
