#include "config/loader.hpp"
#include "config/urls.hpp"

namespace bridge55::config {
namespace {

void add(std::vector<std::string>& out, const std::string& text) {
  if (!text.empty()) out.push_back(text);
}

void add_url(std::vector<std::string>& out, const std::string& url) {
  if (!url_has_secret(url)) return;
  out.push_back(url);
  add(out, url_password(url));
}

}  // namespace

std::vector<std::string> secrets(const Config& config) {
  std::vector<std::string> out;
  for (const Upstream& upstream : config.upstreams) {
    add(out, upstream.api_key.reveal());
    add_url(out, upstream.proxy.reveal());
    add_url(out, upstream.ws_url);
  }
  for (const Relay& relay : config.relays) {
    add_url(out, relay.url);
    add(out, relay.password.reveal());
    for (const auto& header : relay.headers)
      add(out, header.second.reveal());
    for (const auto& cookie : relay.cookies)
      add(out, cookie.second.reveal());
  }
  for (const Sink& sink : config.sinks)
    for (const Secret& url : sink.urls)
      add_url(out, url.reveal());
  if (config.clients)
    for (const Client& client : *config.clients)
      add(out, client.token.reveal());
  return out;
}

}  // namespace bridge55::config
