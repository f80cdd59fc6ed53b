// /relays/{name}: sockets that attach, frames that are posted (contract, section 5, "Relays").
#include "bridges/scraping/standing/attached.hpp"
#include "bridges/scraping/standing/standing.hpp"
#include "daemon/events/json.hpp"
#include "daemon/local/exchange.hpp"

#include <algorithm>
#include <cctype>

#include <simdjson.h>

namespace bridge55::scraping::standing {
namespace {

using local::Answer;
using local::Refusal;

constexpr unsigned kScope = static_cast<unsigned>(config::Scope::scrape);
constexpr std::string_view kList = "/relays", kBelow = "/relays/";

Refusal not_found(std::string_view name) {
  return {404, "NOT_FOUND", "there is no standing relay `" + std::string(name) + "` in the config", {}, {}};
}

Refusal wrong_method(std::string_view allow) {
  return {405, "BAD_REQUEST", "this path takes " + std::string(allow), {{"Allow", std::string(allow)}}, {}};
}

// `application/octet-stream`, parameters and letter case aside.
bool is_binary(std::string_view content_type) {
  std::string type(content_type.substr(0, content_type.find(';')));
  while (!type.empty() && type.back() == ' ')
    type.pop_back();
  std::ranges::transform(type, type.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return type == "application/octet-stream";
}

Refusal not_sent(Sent sent, std::string_view name) {
  if (sent == Sent::full) {
    return {503,
            "UNREACHABLE",
            "the far side of relay `" + std::string(name) + "` does not read: 4 MiB wait already",
            {{"Retry-After", "1"}},
            {}};
  }
  return {503, "UNREACHABLE", "relay `" + std::string(name) + "` is down", {{"Retry-After", "1"}}, {}};
}

}  // namespace

std::optional<std::variant<unsigned, Refusal>> Standing::find(const local::Head& head,
                                                              const local::Target& target) const {
  using Found = std::optional<std::variant<unsigned, Refusal>>;
  const std::string_view path = target.path;
  const bool reads = head.method == "GET" || head.method == "HEAD";
  if (path == kList) return reads ? Found(kScope) : Found(wrong_method("GET, HEAD"));
  if (!path.starts_with(kBelow)) return {};
  // Who may not come near relays is not told which there are: `serve` says 404.
  return reads || head.method == "POST" ? Found(kScope) : Found(wrong_method("GET, POST"));
}

net::awaitable<void> Standing::serve(local::Exchange& exchange) {
  if (exchange.target.path == kList) {
    const Answer answer{200, "application/json", list_json(), {}};
    co_await exchange.respond(answer);
    co_return;
  }
  std::string name = exchange.target.path.substr(kBelow.size());
  const auto known = names_.find(name);
  if (known == names_.end()) {
    const Refusal refusal = not_found(name);
    co_await exchange.refuse(refusal);
    co_return;
  }
  if (exchange.head.method == "POST") {
    co_await post(exchange, std::move(name));
    co_return;
  }
  std::unique_ptr<local::Tongue> tongue = attach(self_, std::move(name), known->second);
  co_await local::serve_tongue(exchange, std::move(tongue));
}

net::awaitable<void> Standing::post(local::Exchange& exchange, std::string name) {
  std::optional<Refusal> refusal;
  auto body = co_await exchange.read_body();
  if (const auto* failed = std::get_if<Refusal>(&body)) refusal = *failed;
  Answer answer{204, {}, {}, {}};
  if (!refusal) {
    const std::string& bytes = std::get<std::string>(body);
    const bool binary = is_binary(exchange.head.get("content-type"));
    Job* const to = job(name);
    if (to == nullptr) {
      refusal = names_.contains(name) ? not_sent(Sent::down, name) : not_found(name);
    } else if (to->ledger().relay().kind != config::RelayKind::websocket) {
      refusal = Refusal{409,
                        "BAD_REQUEST",
                        "relay `" + name + "` is of kind " + std::string(name_of(to->ledger().relay().kind)) +
                            " and takes no frames; only kind websocket does",
                        {},
                        {}};
    } else if (!binary && !simdjson::validate_utf8(bytes.data(), bytes.size())) {
      refusal = local::bad_request(
          "a text frame is UTF-8, which this body is not; for a binary frame say Content-Type: "
          "application/octet-stream");
    } else {
      const Sent sent = to->send(binary ? ws::Kind::binary : ws::Kind::text, bytes);
      if (sent == Sent::queued) answer.status = 202;
      if (sent == Sent::down || sent == Sent::full) refusal = not_sent(sent, name);
    }
  }
  if (refusal) {
    co_await exchange.refuse(*refusal);
  } else {
    co_await exchange.respond(answer);
  }
}

std::string Standing::list_json() const {
  std::string out = "{\"relays\":[";
  for (const RelayStatus& relay : status()) {
    if (out.back() == '}') out += ',';
    out += "{\"name\":" + json::quoted(relay.name) + text_member("kind", name_of(relay.kind)) +
           text_member("source", relay.source) +
           (relay.state == bridges::SessionState::up ? ",\"up\":true}" : ",\"up\":false}");
  }
  return out + "]}";
}

}  // namespace bridge55::scraping::standing
