#include "daemon/net/endpoint.hpp"

#include <algorithm>
#include <cctype>

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <openssl/evp.h>

namespace bridge55::net {
namespace {

struct Scheme {
  std::string_view name;
  bool tls;
  std::uint16_t port;
};
constexpr Scheme kSchemes[] = {
    {"wss", true, 443}, {"ws", false, 80}, {"https", true, 443}, {"http", false, 80}};

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ')
    text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ')
    text.remove_suffix(1);
  return text;
}

// `example.com` and `.example.com` take in the name and everything below it; `*` everything.
bool exempts(std::string_view entry, const Endpoint& endpoint) {
  if (entry == "*") return true;
  const std::string host = lower(endpoint.host);
  std::string name = lower(entry);
  if (name == endpoint.host_header || name == host + ":" + std::to_string(endpoint.port)) return true;
  if (name.starts_with("*.")) name.erase(0, 1);
  if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
  if (name.empty()) return false;
  if (name.front() != '.' && host == name) return true;
  const std::string suffix = name.front() == '.' ? name : "." + name;
  return host.ends_with(suffix) || "." + host == suffix;
}

std::string base64(std::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');  // OpenSSL ends it with a NUL
  const int size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

bool exempt(std::string_view list, const Endpoint& endpoint) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    const std::string_view entry = trimmed(list.substr(0, comma));
    if (!entry.empty() && exempts(entry, endpoint)) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

std::string either(const Environment& environment, const char* upper, const char* lower_name) {
  const std::string value = environment(lower_name);
  return value.empty() ? environment(upper) : value;
}

ProxyChoice parse_proxy(std::string_view url) {
  ProxyChoice choice;
  const std::string text = url.find("://") == url.npos ? "http://" + std::string(url) : std::string(url);
  const auto parsed = boost::urls::parse_uri(text);
  if (!parsed || parsed->scheme() != "http" || parsed->host().empty()) {
    choice.trouble = "the proxy is not an http:// URL";
    return choice;
  }
  Proxy proxy;
  proxy.host = parsed->host_address();
  proxy.port = parsed->port_number() != 0 ? parsed->port_number() : 80;
  if (parsed->has_userinfo()) {
    const std::string credentials = std::string(parsed->user()) + ":" + std::string(parsed->password());
    proxy.basic_credentials = base64(credentials);
  }
  choice.proxy = std::move(proxy);
  return choice;
}

}  // namespace

std::optional<Endpoint> parse_endpoint(std::string_view url) {
  const auto parsed = boost::urls::parse_uri(boost::core::string_view(url.data(), url.size()));
  if (!parsed || parsed->host().empty()) return std::nullopt;
  const std::string name = lower(std::string(parsed->scheme()));
  const auto scheme = std::ranges::find(kSchemes, name, &Scheme::name);
  if (scheme == std::end(kSchemes)) return std::nullopt;
  // Boost.URL lets 99999 wrap around.
  if (!parsed->port().empty() && parsed->port() != std::to_string(parsed->port_number())) return std::nullopt;
  Endpoint endpoint;
  endpoint.tls = scheme->tls;
  endpoint.host = parsed->host_address();
  endpoint.port = parsed->port_number() != 0 ? parsed->port_number() : scheme->port;
  endpoint.target = std::string(parsed->encoded_target());
  if (!endpoint.target.starts_with('/')) endpoint.target.insert(0, "/");
  endpoint.host_header = std::string(parsed->encoded_host());
  if (endpoint.port != scheme->port) endpoint.host_header += ":" + std::to_string(endpoint.port);
  return endpoint;
}

ProxyChoice choose_proxy(const Endpoint& endpoint, std::string_view configured,
                         const Environment& environment) {
  if (!configured.empty()) return parse_proxy(configured);
  if (!endpoint.tls) return {};
  const std::string from_environment = either(environment, "HTTPS_PROXY", "https_proxy");
  if (from_environment.empty() || exempt(either(environment, "NO_PROXY", "no_proxy"), endpoint)) return {};
  return parse_proxy(from_environment);
}

}  // namespace bridge55::net
