// GET /relays, and the faults of relays.
#include "tests/sim/amqp_stream.hpp"
#include "tests/sim/control.hpp"
#include "tests/sim/relay.hpp"

#include <nlohmann/json.hpp>

namespace bridge55::sim {

using json = nlohmann::ordered_json;

namespace {

json show_close(const std::optional<CloseSaid>& close) {
  return close ? json{{"code", close->code}, {"reason", close->reason}} : json(nullptr);
}

json show_fields(const Fields& fields) {
  json list = json::array();
  for (const auto& [name, value] : fields)
    list.push_back(json::array({name, value}));
  return list;
}

json show_counts(const FrameCounts& counts) {
  return {{"frames", counts.frames},
          {"messages", counts.messages},
          {"bytes", counts.bytes},
          {"pings", counts.pings},
          {"pongs", counts.pongs}};
}

json show_relay(const RelayRecord& r) {
  return {{"id", r.id},
          {"conn", r.connection},
          {"state", r.state},
          {"url", r.url},
          {"agent", r.agent},
          {"key", r.key},
          {"connect", r.connect},
          {"upgrade", show_fields(r.upgrade)},
          {"headers", show_fields(r.sent)},
          {"subprotocol", r.subprotocol},
          {"error", r.error},
          {"ended_by", r.ended_by},
          {"from_client", show_close(r.from_client)},
          {"from_target", show_close(r.from_target)},
          {"to_client", show_close(r.to_client)},
          {"to_target", show_close(r.to_target)},
          {"up", show_counts(r.up)},
          {"down", show_counts(r.down)},
          {"accepted_us", r.accepted_us},
          {"connected_us", r.connected_us},
          {"ended_us", r.ended_us}};
}

json show_stream(const AmqpRecord& r) {
  return {{"id", r.id},
          {"conn", r.connection},
          {"state", r.state},
          {"key", r.key},
          {"broker", r.broker},
          {"exchange", r.exchange},
          {"routing_key", r.routing_key},
          {"queue", r.queue},
          {"agent", r.agent},
          {"error", r.error},
          {"ended_by", r.ended_by},
          {"messages", r.messages},
          {"acked", r.acked},
          {"body_bytes", r.body_bytes},
          {"sse_bytes", r.sse_bytes},
          {"accepted_us", r.accepted_us},
          {"connected_us", r.connected_us},
          {"ended_us", r.ended_us}};
}

/// Does the act to the open ones that the fault names, or to all; how many these were.
template <class List, class Act>
HttpResponse reach(const List& list, const json& fault, Act act) {
  std::uint64_t reached = 0;
  const auto wanted = fault.value("id", std::uint64_t{0});
  const auto open = list.open();  // a copy: an act may end one
  for (const auto& [id, one] : open) {
    if (wanted != 0 && id != wanted) continue;
    act(*one);
    ++reached;
  }
  return json_response(200, json{{"reached", reached}}.dump());
}

/// The amqp_split fault: how events are written from now on.
HttpResponse split(SseWriting& writing, const json& fault) {
  const auto end = fault.value("line_end", "lf");
  writing.style.line_end = end == "crlf" ? "\r\n" : end == "cr" ? "\r" : "\n";
  writing.style.comments = fault.value("comments", false);
  writing.style.multiline = fault.value("multiline", false);
  writing.style.tight = fault.value("tight", false);
  writing.style.fields = fault.value("fields", false);
  writing.style.ascii = fault.value("ascii", false);
  writing.style.bom = fault.value("bom", false);
  writing.piece = fault.value("bytes", std::size_t{0});
  writing.step = milliseconds(fault.value("step_ms", std::int64_t{0}));
  return json_response(200, R"({"ok":true})");
}

HttpResponse stand(Standing& standing, const json& fault) {
  const auto ms = fault.value("for_ms", std::int64_t{-1});
  standing.on = true;
  standing.until = ms < 0 ? TimePoint::max() : Clock::now() + milliseconds(ms);
  standing.uses = fault.value("count", UINT64_MAX);
  const bool amqp = fault.value("fault", "") == "amqp_error";
  standing.message = fault.value("message", amqp ? "agent error: connection refused" : "Agent unavailable");
  standing.code = fault.value("code", std::uint16_t{1011});
  standing.delay = milliseconds(fault.value("delay_ms", std::int64_t{1000}));
  return json_response(200, R"({"ok":true})");
}

}  // namespace

HttpResponse show_relays(const ControlTargets& targets, const HttpRequest& request) {
  const auto after = request.parameter("after");
  const std::uint64_t least = after ? std::stoull(*after) : 0;
  for (const auto& [id, relay] : targets.vendor.relay_log.relays.open())
    relay->count();
  json relays = json::array();
  for (const auto& record : targets.vendor.relay_log.relays.records()) {
    if (record.id > least) relays.push_back(show_relay(record));
  }
  json streams = json::array();
  for (const auto& record : targets.vendor.relay_log.streams.records()) {
    if (record.id > least) streams.push_back(show_stream(record));
  }
  const json both{{"relays", std::move(relays)}, {"amqp", std::move(streams)}};
  return json_response(200, both.dump(-1, ' ', false, json::error_handler_t::replace));
}

std::optional<HttpResponse> apply_relay_fault(const ControlTargets& targets, const std::string& body) {
  const json fault = json::parse(body);
  const auto name = fault.at("fault").get<std::string>();
  auto& faults = targets.vendor.faults_of(Api::scraping);
  if (name == "relay_refuse") return stand(faults.relay_refuse, fault);
  if (name == "relay_hang") return stand(faults.relay_hang, fault);
  if (name == "relay_slow") return stand(faults.relay_slow, fault);
  if (name == "amqp_slow") return stand(faults.amqp_slow, fault);
  if (name == "amqp_split") return split(targets.vendor.sse, fault);
  const auto& streams = targets.vendor.relay_log.streams;
  if (name == "amqp_error") {
    const auto message = fault.value("message", "agent error: connection lost");
    const int code = fault.value("code", 1011);
    if (fault.contains("count") || fault.contains("for_ms")) return stand(faults.amqp_error, fault);
    return reach(streams, fault, [&](AmqpStream& stream) { stream.fail(message, code); });
  }
  if (name == "amqp_cut") {
    const AmqpCut how{fault.value("mid_event", false), fault.value("final_chunk", false),
                      fault.value("end", "reset")};
    return reach(streams, fault, [&how](AmqpStream& stream) { stream.cut(how); });
  }
  const auto& relays = targets.vendor.relay_log.relays;
  if (name == "relay_crash") return reach(relays, fault, [](Relay& relay) { relay.crash(); });
  if (name == "relay_cut") {
    const RelayCut how{fault.value("mid_frame", false), fault.value("end", "reset")};
    return reach(relays, fault, [&how](Relay& relay) { relay.cut(how); });
  }
  return std::nullopt;
}

}  // namespace bridge55::sim
