// `/admin/pause`, `/admin/resume` and `/trades/{requestUuid}`.
#include "daemon/base/log.hpp"
#include "daemon/events/json.hpp"
#include "daemon/gateway/gateway.hpp"
#include "daemon/gateway/vendor_line.hpp"
#include "daemon/local/exchange.hpp"

#include <algorithm>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace bridge55::gateway {
namespace {

namespace asio = boost::asio;
using local::Refusal;
using namespace std::chrono_literals;

// A pause is in force at once; this long its record may take before the one who asked is told that it might
// not survive a restart.
constexpr auto kDurableWithin = 2s;

struct SwitchRequest {
  PauseScope scope;
  bool emergency = false;
};

// `{"app": …, "upstream": …, "emergency": true}`, all of it optional.
std::variant<SwitchRequest, Refusal> parse_switch(std::string_view body) {
  SwitchRequest request;
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) return request;
  if (!json::validate_copy(body).empty()) return local::bad_request("the body is not valid JSON");
  std::string fault;
  const bool object = json::members(body, [&](std::string_view name, std::string_view value) {
    if (json::same_name(name, "app") && json::is_string(value)) {
      request.scope.app = json::text(value);
    } else if (json::same_name(name, "upstream") && json::is_string(value)) {
      request.scope.upstream = json::text(value);
    } else if (json::same_name(name, "emergency") && (value == "true" || value == "false")) {
      request.emergency = value == "true";
    } else {
      fault = "`" + std::string(name) + "`: ";
    }
    return fault.empty();
  });
  if (!object || !fault.empty())
    return local::bad_request(fault +
                              R"(expected {"app": "…", "upstream": "…", "emergency": true}, all optional)");
  return request;
}

std::string about(const PauseScope& scope, const std::string& by) {
  return R"({"by":)" + json::quoted(by) + R"(,"app":)" +
         (scope.app.empty() ? "null" : json::quoted(scope.app)) + R"(,"upstream":)" +
         (scope.upstream.empty() ? "null" : json::quoted(scope.upstream));
}

}  // namespace

std::string Gateway::pause(const PauseScope& scope, const std::string& by) {
  pauses_.pause({scope, by, wall_now()});
  log::warning("placements are paused", {{"by", by}, {"app", scope.app}, {"upstream", scope.upstream}});
  setup_.hub.say("control", "PAUSED", about(scope, by) + '}');
  return R"({"paused":)" + paused_json() + "}\n";
}

std::string Gateway::resume(const PauseScope& scope, bool overrule, const std::string& by) {
  if (overrule) {
    for (const UpstreamPtr& upstream : upstreams_) {
      const bool meant = scope.upstream.empty() || scope.upstream == upstream->settings.name;
      if (!meant || !upstream->emergency.overrule(by)) continue;
      store_emergency(*upstream);
      log::warning("the vendor's emergency is overruled until it changes",
                   {{"by", by}, {"upstream", upstream->settings.name}});
      setup_.hub.say("control", "EMERGENCY", upstream->emergency.status(), upstream->settings.name);
    }
    return R"({"emergency":)" + emergency_json() + "}\n";
  }
  const std::size_t ended = pauses_.resume(scope);
  log::warning("placements are allowed again",
               {{"by", by}, {"app", scope.app}, {"upstream", scope.upstream}, {"pauses_ended", ended}});
  setup_.hub.say("control", "RESUMED",
                 about(scope, by) + R"(,"pauses_ended":)" + std::to_string(ended) + '}');
  return R"({"paused":)" + paused_json() + "}\n";
}

net::awaitable<void> Gateway::serve_switch(local::Exchange& exchange, bool pauses) {
  const std::variant<std::string, Refusal> body = co_await exchange.read_body();
  std::variant<SwitchRequest, Refusal> request = local::bad_request("");
  if (const auto* text = std::get_if<std::string>(&body)) {
    request = parse_switch(*text);
  } else {
    request = std::get<Refusal>(body);
  }
  std::optional<Refusal> fault;
  if (const auto* refusal = std::get_if<Refusal>(&request)) fault = *refusal;
  if (!fault) {
    const std::string& name = std::get<SwitchRequest>(request).scope.upstream;
    const bool known =
        name.empty() || std::any_of(upstreams_.begin(), upstreams_.end(),
                                    [&](const UpstreamPtr& one) { return one->settings.name == name; });
    if (!known) fault = Refusal{404, "NOT_FOUND", "there is no upstream `" + name + "`", {}, {}};
    const std::string& app = std::get<SwitchRequest>(request).scope.app;
    if (!fault && pauses && !app.empty() && !client_guards_.empty() && !client_guards_.contains(app))
      fault = Refusal{404, "NOT_FOUND", "there is no client `" + app + "` in the config", {}, {}};
    if (!fault && pauses && std::get<SwitchRequest>(request).emergency)
      fault = local::bad_request("`emergency` belongs to /admin/resume");
  }
  if (fault) {
    co_await exchange.refuse(*fault);
    co_return;
  }
  const SwitchRequest& asked = std::get<SwitchRequest>(request);
  const std::string by = exchange.who();
  local::Answer answer;
  answer.body = pauses ? pause(asked.scope, by) : resume(asked.scope, asked.emergency, by);
  auto durable = std::make_shared<asio::steady_timer>(setup_.io);
  auto done = std::make_shared<bool>(false);
  durable->expires_after(kDurableWithin);
  setup_.hub.journal().store_switch(std::string(kPausesSwitch), pauses_.text(), [durable, done] {
    *done = true;
    durable->cancel();
  });
  if (!*done) co_await durable->async_wait(asio::as_tuple(asio::use_awaitable));
  if (!*done) {
    fault = Refusal{
        503, "JOURNAL_UNAVAILABLE", "it is in force, but not on disk: it may not survive a restart", {}, {}};
    co_await exchange.refuse(*fault);
    co_return;
  }
  co_await exchange.respond(answer);
}

net::awaitable<void> Gateway::serve_story(local::Exchange& exchange) {
  std::string uuid = exchange.target.path.substr(std::string_view("/trades/").size());
  const bool all = !exchange.app.identified || exchange.app.may(config::Scope::admin);
  std::string app = exchange.app.name;
  Story story = co_await desk_.story(std::move(uuid), std::move(app), all);
  if (!story.json) {
    const Refusal unknown{404, "NOT_FOUND", "no trade with this requestUuid is on record here", {}, {}};
    const Refusal unread{503, "JOURNAL_UNAVAILABLE", "the record could not be read in time", {}, {}};
    co_await exchange.refuse(story.asked ? unknown : unread);
    co_return;
  }
  local::Answer answer;
  answer.body = std::move(*story.json) + "\n";
  co_await exchange.respond(answer);
}

}  // namespace bridge55::gateway
