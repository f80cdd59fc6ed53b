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
  const std::array<std::pair<const char*, milliseconds*>, 10> names{
      {{"login_ms", &times.login},
       {"ping_ms", &times.abp_ping},
       {"pong_ms", &times.abp_pong},
       {"heartbeat_ms", &times.heartbeat},
       {"limit_window_ms", &times.limit_window},
       {"order_life_ms", &times.order_life},
       {"dedup_ms", &times.dedup},
       {"relay_connect_ms", &times.relay_connect},
       {"relay_target_ms", &times.relay_target},
       {"place_delay_ms", &targets.vendor.options.placing.delay}}};
  json shown;
  for (const auto& [name, time] : names) {
    const std::int64_t least = time == &times.dedup || time == &targets.vendor.options.placing.delay ? 0 : 1;
    if (message.contains(name)) *time = milliseconds(std::max(least, message[name].get<std::int64_t>()));
    shown[name] = time->count();
  }
  auto& options = targets.vendor.options;
  options.abp_limit = message.value("abp_limit", options.abp_limit);
  options.mm_limit = message.value("mm_limit", options.mm_limit);
  options.page_size = message.value("page_size", options.page_size);
  options.scraping_rps = message.value("scraping_rps", options.scraping_rps);
  options.scraping_burst = message.value("scraping_burst", options.scraping_burst);
  shown["abp_limit"] = options.abp_limit;
  shown["mm_limit"] = options.mm_limit;
  shown["page_size"] = options.page_size;
  shown["scraping_rps"] = options.scraping_rps;
  shown["scraping_burst"] = options.scraping_burst;
  targets.vendor.placements.set_window(times.dedup);
  return json_response(200, shown.dump());
}

/// Keys can be refused and restored while running, as the vendor's office would.
HttpResponse set_key(const ControlTargets& targets, const std::string& body) {
  const json message = json::parse(body);
  const auto name = message.value("api", "abp");
  const Api api = name == "mm" ? Api::mm : name == "scraping" ? Api::scraping : Api::abp;
  const auto key = message.at("key").get<std::string>();
  const auto state = message.value("state", "active");
  KeyEntry* entry = targets.vendor.find_key(api, key);
  if (entry == nullptr) {
    entry = &targets.vendor.keys_of(api).emplace_back(
        KeyEntry{.key = {key, message.value("client", "demo"), Key::State::active}});
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
    if (path == "/requests") return show_requests(targets, request);
    if (path == "/placements") return show_placements(targets, request);
    if (path == "/relays") return show_relays(targets, request);
    if (path == "/healthz") return json_response(200, R"({"ok":true})");
  } else if (request.method == "POST") {
    if (path == "/fault") return apply_fault(targets, request.body);
    if (path == "/clear") return clear_faults(targets);
    if (path == "/rate") return set_rate(targets, request.body);
    if (path == "/times") return set_times(targets, request.body);
    if (path == "/key") return set_key(targets, request.body);
    if (path == "/placing") return set_placing(targets, request.body);
  }
  return json_response(
      404,
      R"({"error":"GET /stats /sent /requests /placements /relays; POST /emit /fault /clear /rate /times /key /placing"})");
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
