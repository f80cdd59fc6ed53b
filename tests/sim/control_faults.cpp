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

/// abp, mm, scraping, or all where the fault does not say.
std::vector<Api> apis_of(const json& fault) {
  const auto name = fault.value("api", "");
  if (name.empty()) return {Api::abp, Api::mm, Api::scraping};
  for (const Api api : {Api::abp, Api::mm, Api::scraping}) {
    if (name == name_of(api)) return {api};
  }
  throw std::invalid_argument("api must be abp, mm or scraping");
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
  return nullptr;
}

void set_standing(Standing& target, const json& fault) {
  target.on = true;
  target.until = until(fault);
  target.uses = fault.value("count", UINT64_MAX);
  target.message = fault.value("message", "Invalid API key");
  target.code = fault.value("close_code", std::uint16_t{1008});
}

/// What the fault answers: status, body, fields.
void read_answer(RestFault& made, const json& fault) {
  const bool html = fault.value("html", false);
  const char* usual = html ? "<html><body><h1>Service Unavailable</h1></body></html>"
                           : R"({"detail": "Service unavailable"})";
  made.status = fault.value("status", made.name == "redirect" ? 302U : 503U);
  made.body = fault.value("body", made.name == "redirect" ? "" : usual);
  made.content_type = fault.value("content_type", html ? "text/html" : "application/json");
  if (fault.contains("location")) made.headers.emplace_back("Location", fault["location"].get<std::string>());
  if (const auto fields = fault.find("headers"); fields != fault.end() && fields->is_object()) {
    for (const auto& [name, value] : fields->items())
      made.headers.emplace_back(name, value.get<std::string>());
  } else if (made.name == "rest" && made.status == 429) {
    made.headers.emplace_back("Retry-After", "1");
  }
}

RestFault rest_fault(const json& fault, Aspect aspect) {
  RestFault made;
  made.name = fault.at("fault").get<std::string>();
  made.aspect = aspect;
  made.path = fault.value("path", "");
  made.method = fault.value("method", "");
  made.until = until(fault);
  made.uses = fault.value("count", UINT64_MAX);
  made.probability = fault.value("probability", 1.0);
  made.random.seed(fault.value("seed", 55U));
  read_answer(made, fault);
  // `as` and `edition` choose between two ways; `text` and `base64` are exact bytes.
  made.text = fault.value("as", fault.value("edition", fault.value("text", "")));
  if (fault.contains("base64")) made.text = decode_base64(fault["base64"].get<std::string>());
  if (made.name == "garbage" && made.text.empty()) made.text = "\x15\x03\x01 this is no HTTP\r\n\r\n";
  const bool usually = made.name == "slow" || made.name == "duplicate_placement";
  made.processed = fault.value("processed", usually || fault.value("reserve", made.name == "late"));
  const auto end = fault.value("end", "reset");
  made.fin = end == "fin";
  if (end == "cut") made.text = end;
  const auto usual_ms = made.name == "slow_body" ? std::int64_t{100} : std::int64_t{1000};
  made.delay = milliseconds(fault.value(
      "delay_ms",
      fault.value("appear_ms", fault.value("step_ms", fault.value("retry_after", std::int64_t{0}) * 1000))));
  if (made.delay.count() == 0 && !fault.contains("delay_ms") && !fault.contains("appear_ms"))
    made.delay = milliseconds(usual_ms);
  made.bytes = fault.value("bytes", std::size_t{0});
  made.by = fault.value("by", std::int64_t{10});
  return made;
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
  if (auto answer = apply_relay_fault(targets, body)) return *answer;
  const json fault = json::parse(body);
  const auto name = fault.at("fault").get<std::string>();
  if (const auto act = acts().find(name); act != acts().end()) {
    return json_response(200, json{{"reached", act_on(targets, fault, act->second)}}.dump());
  }
  if (const auto aspect = aspect_of(name)) {
    const RestFault made = rest_fault(fault, *aspect);
    for (const Api api : apis_of(fault))
      targets.vendor.faults_of(api).rest.add(made);
    return json_response(200, R"({"ok":true})");
  }
  for (const Api api : apis_of(fault)) {
    Standing* target = standing(targets.vendor.faults_of(api), name);
    if (target == nullptr) throw std::invalid_argument("unknown fault " + name);
    set_standing(*target, fault);
  }
  targets.faults_changed();
  return json_response(200, R"({"ok":true})");
}

HttpResponse clear_faults(const ControlTargets& targets) {
  targets.vendor.faults = {};
  targets.vendor.sse = {};
  targets.hub.each_connection([](Connection& connection) { connection.clear_faults(); });
  targets.faults_changed();
  return json_response(200, R"({"ok":true})");
}

}  // namespace bridge55::sim
