#include "daemon/gateway/switches.hpp"

#include "daemon/events/json.hpp"
#include "daemon/local/query.hpp"

namespace bridge55::gateway {
namespace {

constexpr std::string_view kUnreadable =
    R"({"active":true,"payload":{"active":true,"reason":"the journal's record of it is damaged"}})";

std::string text_at(std::string_view object, std::string_view path) {
  const std::string_view token = json::find(object, path);
  return token.empty() || !json::is_string(token) ? std::string() : json::text(token);
}

WallMicros time_at(std::string_view object, std::string_view path) {
  return local::parse_rfc3339(text_at(object, path)).value_or(0);
}

}  // namespace

void Pauses::pause(Pause pause) {
  const PauseScope scope = pause.scope;
  all_.insert_or_assign(scope, std::move(pause));
}

std::size_t Pauses::resume(const PauseScope& scope) {
  return std::erase_if(all_, [&](const auto& entry) {
    const PauseScope& set = entry.first;
    return (scope.app.empty() || scope.app == set.app) &&
           (scope.upstream.empty() || scope.upstream == set.upstream);
  });
}

const Pause* Pauses::stops(std::string_view app, std::string_view upstream) const {
  for (const auto& [scope, pause] : all_) {
    if ((scope.app.empty() || scope.app == app) && (scope.upstream.empty() || scope.upstream == upstream))
      return &pause;
  }
  return nullptr;
}

std::vector<Pause> Pauses::all() const {
  std::vector<Pause> list;
  for (const auto& [scope, pause] : all_)
    list.push_back(pause);
  return list;
}

std::string Pauses::text() const {
  std::string out;
  for (const auto& [scope, pause] : all_) {
    out += out.empty() ? "[" : ",";
    out += R"({"app":)" + json::quoted(scope.app) + R"(,"upstream":)" + json::quoted(scope.upstream) +
           R"(,"by":)" + json::quoted(pause.by) + R"(,"since":)" + json::quoted(rfc3339(pause.since)) + '}';
  }
  return out.empty() ? out : out + ']';
}

bool Pauses::restore(std::string_view text) {
  if (!json::validate_copy(text).empty()) return false;
  return json::elements(text, [&](std::string_view one) {
    pause({{text_at(one, "app"), text_at(one, "upstream")}, text_at(one, "by"), time_at(one, "since")});
    return true;
  });
}

bool Emergency::told(std::string_view payload, WallMicros at) {
  // ABP says `active`, MM `emergency` (vendor docs: both WebSocket pages, "Emergency").
  const std::string_view words[] = {json::find(payload, "active"), json::find(payload, "emergency")};
  const auto said = [&](std::string_view word) { return words[0] == word || words[1] == word; };
  if (!said("true") && !said("false")) return false;
  const bool first = payload_.empty(), before = active_;
  stale_ = false;
  active_ = said("true");
  payload_ = payload;
  if (!first && active_ == before) return false;
  by_.clear();
  since_ = at;
  return true;
}

bool Emergency::overrule(std::string_view by) {
  if (!blocks()) return false;
  by_ = by.empty() ? "somebody" : std::string(by);
  return true;
}

std::string Emergency::status() const {
  std::string out = std::string(R"({"active":)") + (active_ ? "true" : "false");
  out += std::string(R"(,"stale":)") + (stale_ ? "true" : "false");
  if (!by_.empty()) out += R"(,"overruled_by":)" + json::quoted(by_);
  if (since_ != 0) out += R"(,"since":)" + json::quoted(rfc3339(since_));
  return out + R"(,"payload":)" + (payload_.empty() ? "null" : payload_) + '}';
}

std::string Emergency::text() const {
  return payload_.empty() ? std::string() : status();
}

void Emergency::restore(std::string_view text) {
  if (text.empty()) return;
  if (!json::validate_copy(text).empty()) text = kUnreadable;
  active_ = json::find(text, "active") == "true";
  stale_ = true;  // the session that told it was the last run's
  payload_ = json::find(text, "payload");
  by_ = text_at(text, "overruled_by");
  since_ = time_at(text, "since");
}

local::Refusal paused(const Pause& pause) {
  std::string what = "placements are paused";
  if (!pause.scope.app.empty()) what += " for app `" + pause.scope.app + "`";
  if (!pause.scope.upstream.empty()) what += " for upstream `" + pause.scope.upstream + "`";
  std::string narrowed;
  if (!pause.scope.app.empty()) narrowed += " --app " + pause.scope.app;
  if (!pause.scope.upstream.empty()) narrowed += " --upstream " + pause.scope.upstream;
  return {503,
          "PAUSED",
          what + " (by " + pause.by + " since " + rfc3339(pause.since) + "); `bridge55 resume" + narrowed +
              "` allows them again",
          {},
          {}};
}

local::Refusal emergency(std::string_view upstream, const Emergency& emergency) {
  local::Refusal refusal{503,
                         "EMERGENCY",
                         "the vendor's emergency channel of `" + std::string(upstream) +
                             "` says active; `bridge55 resume --emergency` overrules it",
                         {},
                         {}};
  refusal.detail_json.emplace_back("emergency", emergency.status());
  return refusal;
}

}  // namespace bridge55::gateway
