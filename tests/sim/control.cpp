#include "tests/sim/control.hpp"

#include <algorithm>
#include <stdexcept>

#include <nlohmann/json.hpp>
#include <openssl/evp.h>

namespace bridge55::sim {

using json = nlohmann::ordered_json;

namespace {

HttpResponse set_rate(const ControlTargets& targets, const std::string& body) {
  const json message = json::parse(body);
  if (const auto burst = message.find("burst"); burst != message.end())
    targets.pacer.burst(burst->get<std::uint64_t>());
  if (const auto rate = message.find("rate"); rate != message.end()) {
    const bool max = rate->is_string() && *rate == "max";
    targets.pacer.set_rate(max ? 0 : rate->get<double>(), max);
  }
  return json_response(200, R"({"ok":true})");
}

HttpResponse set_times(const ControlTargets& targets, const std::string& body) {
  const json message = json::parse(body);
  auto& times = targets.vendor.options.times;
  const std::array<std::pair<const char*, milliseconds*>, 5> names{
      {{"login_ms", &times.login},
       {"ping_ms", &times.abp_ping},
       {"pong_ms", &times.abp_pong},
       {"heartbeat_ms", &times.heartbeat},
       {"limit_window_ms", &times.limit_window}}};
  json shown;
  for (const auto& [name, time] : names) {
    if (message.contains(name))
      *time = milliseconds(std::max<std::int64_t>(1, message[name].get<std::int64_t>()));
    shown[name] = time->count();
  }
  auto& options = targets.vendor.options;
  options.abp_limit = message.value("abp_limit", options.abp_limit);
  options.mm_limit = message.value("mm_limit", options.mm_limit);
  return json_response(200, shown.dump());
}

/// Keys can be refused and restored while running, as the vendor's office would.
HttpResponse set_key(const ControlTargets& targets, const std::string& body) {
  const json message = json::parse(body);
  const Api api = message.value("api", "abp") == "mm" ? Api::mm : Api::abp;
  const auto key = message.at("key").get<std::string>();
  const auto state = message.value("state", "active");
  KeyEntry* entry = targets.vendor.find_key(api, key);
  if (entry == nullptr) {
    auto& keys = api == Api::abp ? targets.vendor.abp_keys : targets.vendor.mm_keys;
    entry =
        &keys.emplace_back(KeyEntry{{key, message.value("client", "demo"), Key::State::active}, 0, {}, {}});
  }
  entry->key.state = state == "inactive"  ? Key::State::inactive
                     : state == "expired" ? Key::State::expired
                                          : Key::State::active;
  return json_response(200, R"({"ok":true})");
}

HttpResponse route(const ControlTargets& targets, const HttpRequest& request) {
  const auto& path = request.path;
  if (request.method == "GET") {
    if (path == "/stats") return show_stats(targets);
    if (path == "/sent") return show_sent(targets, request);
    if (path == "/healthz") return json_response(200, R"({"ok":true})");
  } else if (request.method == "POST") {
    if (path == "/fault") return apply_fault(targets, request.body);
    if (path == "/clear") return clear_faults(targets);
    if (path == "/rate") return set_rate(targets, request.body);
    if (path == "/times") return set_times(targets, request.body);
    if (path == "/key") return set_key(targets, request.body);
  }
  return json_response(404, R"({"error":"GET /stats /sent; POST /emit /fault /clear /rate /times /key"})");
}

}  // namespace

boost::asio::awaitable<HttpResponse> answer_control(const ControlTargets& targets,
                                                    const HttpRequest& request) {
  try {
    if (request.method == "POST" && request.path == "/emit")
      co_return co_await emit_events(targets, request.body);
    co_return route(targets, request);
  } catch (const std::exception& error) {
    co_return json_response(
        400, json{{"error", error.what()}}.dump(-1, ' ', false, json::error_handler_t::replace));
  }
}

HttpResponse show_sent(const ControlTargets& targets, const HttpRequest& request) {
  const auto number = [&request](const char* name, std::uint64_t fallback) {
    const auto text = request.parameter(name);
    return text ? std::stoull(*text) : fallback;
  };
  const auto after = number("after", 0);
  const auto limit = number("limit", 1000);
  const auto connection = number("conn", 0);
  const auto kind = request.parameter("kind");
  json frames = json::array();
  const auto& journal = targets.vendor.journal;
  for (const auto& frame : journal.frames()) {
    if (frame.n <= after || (connection != 0 && frame.connection != connection)) continue;
    if (kind && frame.kind != *kind) continue;
    if (frames.size() == limit) break;
    json one{{"n", frame.n}, {"conn", frame.connection}, {"api", name_of(frame.api)}, {"kind", frame.kind}};
    const bool text = is_utf8(frame.text);
    one[text ? "text" : "base64"] = text ? frame.text : encode_base64(frame.text);
    frames.push_back(std::move(one));
  }
  const auto oldest = journal.frames().empty() ? journal.last() + 1 : journal.frames().front().n;
  return json_response(
      200,
      json{{"on", journal.on()}, {"oldest", oldest}, {"last", journal.last()}, {"frames", std::move(frames)}}
          .dump());
}

std::string encode_base64(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const auto size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

std::string decode_base64(std::string_view text) {
  std::string bytes(3 * (text.size() / 4) + 3, '\0');
  const int size =
      EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                      reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  if (size < 0) throw std::invalid_argument("bad base64");
  const auto padding = static_cast<std::size_t>(
      std::count(text.end() - std::min<std::ptrdiff_t>(2, std::ssize(text)), text.end(), '='));
  bytes.resize(static_cast<std::size_t>(size) - padding);
  return bytes;
}

}  // namespace bridge55::sim
