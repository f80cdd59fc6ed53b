// POST /fault and /clear. A standing fault lasts for `for_ms`, `count` uses, or until /clear.
#include "tests/sim/control.hpp"

#include <map>
#include <stdexcept>

#include <nlohmann/json.hpp>

namespace bridge55::sim {

using json = nlohmann::ordered_json;

namespace {

constexpr std::int64_t kForever = -1;

TimePoint until(const json& fault) {
  const auto ms = fault.value("for_ms", kForever);
  return ms < 0 ? TimePoint::max() : Clock::now() + milliseconds(ms);
}

/// abp, mm, or both where the fault does not say.
std::vector<Api> apis_of(const json& fault) {
  const auto name = fault.value("api", "");
  if (name.empty()) return {Api::abp, Api::mm};
  if (name != "abp" && name != "mm") throw std::invalid_argument("api must be abp or mm");
  return {name == "abp" ? Api::abp : Api::mm};
}

using Act = void (*)(Connection&, const json&);

void act_close(Connection& connection, const json& fault) {
  connection.close(fault.value("code", std::uint16_t{1012}), fault.value("reason", ""));
}

void act_malformed(Connection& connection, const json& fault) {
  const std::string given = fault.value("base64", "");
  const std::string text =
      given.empty() ? fault.value("text", R"({"type":"data","channel":)") : decode_base64(given);
  for (std::uint64_t n = fault.value("count", std::uint64_t{1}); n > 0; --n)
    connection.send_raw(Opcode::text, text);
}

void act_bytes(Connection& connection, const json& fault) {
  connection.send_bytes(decode_base64(fault.at("base64").get<std::string>()));
}

void act_seq_hole(Connection& connection, const json& fault) {
  connection.session()->seq_hole(fault.value("size", std::uint64_t{1}), fault.value("lose", false));
}

void act_duplicate(Connection& connection, const json& fault) {
  for (std::uint64_t n = fault.value("count", std::uint64_t{1}); n > 0; --n)
    connection.session()->duplicate();
}

void act_trickle(Connection& connection, const json& fault) {
  connection.trickle_until(until(fault), milliseconds(fault.value("step_ms", std::int64_t{1000})));
}

void act_notice(Connection& connection, const json& fault) {
  connection.send("control", R"({"type":"reconnect","reason":"server_upgrade"})", {});
  connection.close_at(Clock::now() + milliseconds(fault.value("for_ms", std::int64_t{2000})),
                      fault.value("code", std::uint16_t{1012}));
}

const std::map<std::string, Act>& acts() {
  static const std::map<std::string, Act> table{
      {"drop", [](Connection& c, const json&) { c.drop(); }},
      {"fin", [](Connection& c, const json&) { c.fin(); }},
      {"truncate", [](Connection& c, const json&) { c.truncate(); }},
      {"close", act_close},
      {"stall", [](Connection& c, const json& f) { c.stall_until(until(f)); }},
      {"seq_hole", act_seq_hole},
      {"duplicate", act_duplicate},
      {"malformed", act_malformed},
      {"bytes", act_bytes},
      {"fragment", [](Connection& c, const json& f) { c.fragment(f.value("count", UINT64_MAX)); }},
      {"trickle", act_trickle},
      {"reconnect_notice", act_notice}};
  return table;
}

Standing* standing(ApiFaults& faults, const std::string& name) {
  if (name == "refuse_logins") return &faults.refuse_logins;
  if (name == "hang_login") return &faults.hang_login;
  if (name == "refuse_connect") return &faults.refuse_connect;
  if (name == "hang_handshake") return &faults.hang_handshake;
  if (name == "rest") return &faults.rest;
  return nullptr;
}

void set_standing(Standing& target, const json& fault, bool rest) {
  target.on = true;
  target.until = until(fault);
  target.uses = fault.value("count", UINT64_MAX);
  target.message = rest ? fault.value("body", R"({"detail": "Service unavailable"})")
                        : fault.value("message", "Invalid API key");
  target.code =
      rest ? fault.value("status", std::uint16_t{503}) : fault.value("close_code", std::uint16_t{1008});
}

std::uint64_t act_on(const ControlTargets& targets, const json& fault, Act act) {
  std::uint64_t reached = 0;
  const auto wanted = fault.value("conn", std::uint64_t{0});
  for (const Api api : apis_of(fault)) {
    targets.hub.each(api, [&](Connection& connection) {
      if (wanted != 0 && connection.id() != wanted) return;
      act(connection, fault);
      ++reached;
    });
  }
  return reached;
}

}  // namespace

HttpResponse apply_fault(const ControlTargets& targets, const std::string& body) {
  const json fault = json::parse(body);
  const auto name = fault.at("fault").get<std::string>();
  if (const auto act = acts().find(name); act != acts().end()) {
    return json_response(200, json{{"reached", act_on(targets, fault, act->second)}}.dump());
  }
  for (const Api api : apis_of(fault)) {
    Standing* target = standing(targets.vendor.faults_of(api), name);
    if (target == nullptr) throw std::invalid_argument("unknown fault " + name);
    set_standing(*target, fault, name == "rest");
  }
  targets.faults_changed();
  return json_response(200, R"({"ok":true})");
}

HttpResponse clear_faults(const ControlTargets& targets) {
  targets.vendor.faults = {};
  targets.hub.each_connection([](Connection& connection) { connection.clear_faults(); });
  targets.faults_changed();
  return json_response(200, R"({"ok":true})");
}

}  // namespace bridge55::sim
