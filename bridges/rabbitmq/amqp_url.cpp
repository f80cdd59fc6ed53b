#include "bridges/rabbitmq/amqp_url.hpp"

#include <charconv>
#include <optional>

namespace bridge55::rabbitmq {
namespace {

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Nothing where an escape is broken or makes a NUL, which would cut the text short inside the client library.
std::optional<std::string> decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size() || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0) return std::nullopt;
      c = static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    }
    if (c == '\0') return std::nullopt;
    out += c;
  }
  return out;
}

template <class T>
bool number(std::string_view text, T lowest, T highest, T& out) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < lowest || value > highest)
    return false;
  out = value;
  return true;
}

std::string read_credentials(std::string_view text, AmqpUrl& url) {
  const std::size_t colon = text.find(':');
  auto user = decode(text.substr(0, colon));
  auto password = colon == text.npos ? std::string("guest") : decode(text.substr(colon + 1));
  if (!user || !password) return "a broken percent escape in user or password";
  url.user = std::move(*user);
  url.password = config::Secret(std::move(*password));
  return {};
}

std::string read_authority(std::string_view text, AmqpUrl& url) {
  if (const std::size_t at = text.rfind('@'); at != text.npos) {
    if (auto wrong = read_credentials(text.substr(0, at), url); !wrong.empty()) return wrong;
    text.remove_prefix(at + 1);
  }
  std::string_view host = text, port;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == text.npos) return "an IPv6 address without its closing bracket";
    host = text.substr(1, close - 1);
    port = text.substr(close + 1);
  } else if (const std::size_t colon = text.find(':'); colon != text.npos) {
    host = text.substr(0, colon);
    port = text.substr(colon);
  }
  auto decoded = decode(host);
  if (!decoded) return "a broken percent escape in the host";
  if (!decoded->empty()) url.host = std::move(*decoded);
  if (port.empty()) return {};
  if (!port.starts_with(':') || !number<std::uint16_t>(port.substr(1), 1, 65535, url.port))
    return "a port that is none";
  return {};
}

std::string read_query(std::string_view query, AmqpUrl& url) {
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query = end == query.npos ? std::string_view{} : query.substr(end + 1);
    const std::size_t equals = pair.find('=');
    const std::string_view name = pair.substr(0, equals);
    const std::string_view value = equals == pair.npos ? std::string_view{} : pair.substr(equals + 1);
    int count = 0;
    if (name == "heartbeat" && number(value, 1, 3600, count)) {
      url.heartbeat = std::chrono::seconds(count);
    } else if (name == "connection_timeout" && number(value, 1, 600'000, count)) {
      url.connection_timeout = std::chrono::milliseconds(count);
    } else {
      return "a query parameter other than heartbeat (seconds) and connection_timeout (milliseconds)";
    }
  }
  return {};
}

}  // namespace

std::string AmqpUrl::where() const {
  const bool v6 = host.find(':') != host.npos;
  std::string text = v6 ? "[" + host + "]" : host;
  text += ":" + std::to_string(port);
  text += vhost.starts_with('/') ? vhost : "/" + vhost;
  return text;
}

std::variant<AmqpUrl, std::string> parse_amqp_url(std::string_view text) {
  AmqpUrl url;
  if (text.starts_with("amqps://")) {
    url.tls = true;
    url.port = 5671;
    text.remove_prefix(8);
  } else if (text.starts_with("amqp://")) {
    text.remove_prefix(7);
  } else {
    return std::string("neither amqp:// nor amqps://");
  }
  if (const std::size_t query = text.find('?'); query != text.npos) {
    if (auto wrong = read_query(text.substr(query + 1), url); !wrong.empty()) return wrong;
    text = text.substr(0, query);
  }
  const std::size_t slash = text.find('/');
  if (auto wrong = read_authority(text.substr(0, slash), url); !wrong.empty()) return wrong;
  if (slash == text.npos) return url;  // no path at all: the client's default, which is `/`
  auto vhost = decode(text.substr(slash + 1));
  if (!vhost) return std::string("a broken percent escape in the virtual host");
  if (text.find('/', slash + 1) != text.npos)
    return std::string("a virtual host of more than one segment; its slashes are written %2F");
  url.vhost = vhost->empty() ? "/" : std::move(*vhost);
  return url;
}

}  // namespace bridge55::rabbitmq
